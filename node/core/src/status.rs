//! What people and clients may ask about: status, pools, leases, identity, chains. Reads only.

use std::collections::BTreeMap;

use leasehold_protocol::api::{
    AllocationStatus, IdentityAnswer, IssuerContact, JournalStatus, LeaseState, LeaseStatus, LeasesAnswer,
    PoolStatus, StatusAnswer, instant,
};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::artefact::{Chain, Seats, TicketFlags};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{ClockReading, UnixMs};

use crate::clock::Clock;
use crate::clock_report;
use crate::core::NodeCore;
use crate::lease::{Lease, Standing};
use crate::promise::Promises;
use crate::provision::{PoolEntry, PoolIndex, Provision, Row};
use crate::room::Ending;
use crate::trust::Trust;

impl NodeCore {
    /// The whole state for people and monitoring, as of `now`.
    pub fn status(&self, now: &ClockReading, journal: JournalStatus, running: bool) -> StatusAnswer {
        let clock = self.clock_at(now);
        let trust = self.node_trust(&clock);
        StatusAnswer {
            node_id: self.provision.as_ref().map(|p| p.node),
            name: self.identity.as_ref().map(|i| i.name.clone()).unwrap_or_default(),
            trust_state: trust.state,
            trust_cause: trust.cause,
            next_transition_at: trust.next.and_then(instant),
            clock: clock_report::status(&clock),
            issuer: IssuerContact {
                url: self.issuer.as_ref().map(|issuer| issuer.url.clone()),
                reachable: None,
                code: None,
                last_sync_at: self.provision.as_ref().and_then(|p| instant(p.head.issue.issued_at)),
            },
            pools: self.pool_statuses(&clock),
            journal,
            running,
        }
    }

    /// Every lease not yet ended, as of `now`.
    pub fn leases(&self, now: &ClockReading) -> LeasesAnswer {
        let clock = self.clock_at(now);
        let Some(provision) = &self.provision else { return LeasesAnswer { leases: Vec::new() } };
        let ending: BTreeMap<PoolIndex, Ending> = provision
            .pools
            .iter()
            .filter_map(|(&index, entry)| Some((index, self.ending(provision, index, entry)?)))
            .collect();
        let leases = self.ledger.leases().filter_map(|lease| {
            let newest = ending.get(&lease.pool).is_some_and(|ending| self.is_among(*ending, lease));
            self.lease_status(provision, lease, newest, &clock)
        });
        LeasesAnswer { leases: leases.collect() }
    }

    /// Who the node is.
    pub fn identity(&self) -> IdentityAnswer {
        let roots = self.identity.iter().flat_map(|identity| &identity.roots);
        let certificate = self.provision.as_ref().map(|p| p.certificate.envelope());
        IdentityAnswer {
            node_id: self.provision.as_ref().map(|p| p.node),
            roots: roots.filter_map(|root| one_line(&root.0).ok()).collect(),
            certificate: certificate.and_then(|envelope| one_line(envelope).ok()),
        }
    }

    /// The chain that proves the tickets of a row.
    pub fn chain(&self, digest: Digest) -> Option<Chain> {
        self.provision.as_ref()?.chain(digest).cloned()
    }

    /// Time as it is at `now`, which may be later than the last frame.
    pub(crate) fn clock_at(&self, now: &ClockReading) -> Clock {
        let mut clock = self.clock.clone();
        clock.stamp(&self.clock.stamp_of(now));
        clock
    }

    fn pool_statuses(&self, clock: &Clock) -> Vec<PoolStatus> {
        let Some(provision) = &self.provision else { return Vec::new() };
        let shown = |entry: &PoolEntry| {
            (entry.live && !entry.rows.is_empty()) || provision.revoked_since(entry, clock.best()).is_some()
        };
        let in_use = |index: PoolIndex| self.ledger.in_use(index, clock.svc()) > 0;
        let pools = provision.pools.iter().filter(|&(&index, entry)| shown(entry) || in_use(index));
        pools.map(|(&index, entry)| self.pool_status(provision, index, entry, clock)).collect()
    }

    fn pool_status(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
        clock: &Clock,
    ) -> PoolStatus {
        let rows: Vec<_> = entry.rows.iter().filter_map(|row| provision.rows.get(row)).collect();
        let limited = entry.pool.seats != Seats::Unlimited;
        let seats = |slots: u32| limited.then_some(slots);
        let allocations: Vec<AllocationStatus> = rows
            .iter()
            .map(|row| AllocationStatus {
                allocation_id: row.allocation.issue.id,
                seats: seats(self.slots_of(provision, row).len()),
                not_after: row.allocation.not_after.to_string(),
                budget_left_ms: self.budget_left_ms(provision, row, clock),
            })
            .collect();
        let trust = match provision.revoked_since(entry, clock.best()) {
            Some(since) => Trust::revoked(since, self.drained_at(index, clock)),
            None if rows.is_empty() => Trust::withdrawn(self.drained_at(index, clock)),
            None if !rows.iter().all(|row| self.serves_at(row, clock)) => self.node_trust(clock),
            None => Trust::of_pool(provision, entry, &rows, clock.best()),
        };
        let quarantined = self.quarantined(provision, index, entry, clock);
        let denied = self.recent_denials.of_pool(index, clock.svc());
        let (in_use, standings) = (self.ledger.in_use(index, clock.svc()), self.standings(index, clock));
        let kept = if limited { self.kept_seats(provision, entry) } else { u32::MAX };
        let ends = rows.is_empty() || provision.revoked_since(entry, clock.best()).is_some();
        let renewed = if ends { 0 } else { standings.held.min(kept) };
        PoolStatus {
            pool_id: entry.pool.issue.id,
            product: entry.grant.sku.clone(),
            seats: seats(
                rows.iter().fold(0_u32, |sum, row| sum.saturating_add(self.slots_of(provision, row).len())),
            ),
            in_use: self
                .ledger
                .sure_use(index, clock.svc(), |lease| self.doubts(lease))
                .saturating_add(quarantined),
            quarantined,
            borrowed: 0,
            lingering: standings.released,
            draining: standings.forced.saturating_add(standings.held.saturating_sub(renewed)),
            evictable: self.ledger.pool(index).map_or(0, |pool| pool.seats.saturating_sub(in_use)),
            overage: self.overage(index, entry),
            queued: 0,
            denied_1h: denied.saturating_add(self.pending_denials.of_pool(index)),
            features: entry.grant.features.clone(),
            grant_ends_at: entry.grant.not_after.to_string(),
            allocations,
            trust_state: trust.state,
            trust_cause: trust.cause,
            next_transition_at: trust.next.and_then(instant),
        }
    }

    /// Counted seats of a pool by who has them.
    fn standings(&self, pool: PoolIndex, clock: &Clock) -> Standings {
        let mut seats = Standings { held: self.ledger.held(pool, clock.svc()), released: 0, forced: 0 };
        for lease in self.ledger.leaving(pool, clock.svc()) {
            let of_standing = match lease.standing() {
                Standing::Held => &mut seats.held,
                Standing::Released => &mut seats.released,
                Standing::Forced => &mut seats.forced,
            };
            *of_standing = of_standing.saturating_add(lease.count);
        }
        seats
    }

    /// Seats beyond those sold that leases have.
    fn overage(&self, index: PoolIndex, entry: &PoolEntry) -> u32 {
        let Seats::Value(sold) = entry.pool.seats else { return 0 };
        let overdraft = SlotSet::range(sold, entry.pool.overdraft);
        let free = self.ledger.pool(index).map(|pool| {
            pool.taken.gaps(&overdraft).fold(0_u32, |sum, range| sum.saturating_add(range.count))
        });
        free.map_or(0, |free| overdraft.len().saturating_sub(free))
    }

    /// For how long a row is served on, while nothing bounds how late it is.
    fn budget_left_ms(&self, provision: &Provision, row: &Row, clock: &Clock) -> Option<i64> {
        let promises = Promises { clock, provision, rules: self.rules };
        promises.budget_left_ms(row).filter(|_| !clock.is_bounded())
    }

    /// When the last promise of a pool ends, if none is added.
    fn drained_at(&self, pool: PoolIndex, clock: &Clock) -> Option<UnixMs> {
        let left_ms = self.ledger.last_deadline(pool)?.since(clock.svc());
        let best = clock.best().recorded();
        (left_ms > 0).then(|| best.plus(left_ms))
    }

    /// None where a lease waited for its holder and waits no more: it is ended as soon as its seat is needed.
    fn lease_status(
        &self,
        provision: &Provision,
        lease: &Lease,
        newest: bool,
        clock: &Clock,
    ) -> Option<LeaseStatus> {
        let entry = provision.pools.get(&lease.pool)?;
        let single = lease.count == 1;
        let drains = || {
            let revoked = provision.revoked_since(entry, clock.best()).is_some();
            newest || revoked || !self.goes_on(provision, entry, lease)
        };
        let (state, end) = match (lease.standing(), lease.has_run_out(clock.svc())) {
            _ if self.doubts(lease) => (LeaseState::Quarantine, lease.deadline()),
            (Standing::Released, true) => return None,
            (Standing::Released, false) => (LeaseState::Linger, lease.reclaim_at()),
            (Standing::Held | Standing::Forced, true) => (LeaseState::Evictable, lease.deadline()),
            (Standing::Forced, false) => (LeaseState::Drain, lease.deadline()),
            (Standing::Held, false) if drains() => (LeaseState::Drain, lease.deadline()),
            (Standing::Held, false) => (LeaseState::Active, lease.deadline()),
        };
        Some(LeaseStatus {
            lease_id: lease.id,
            pool_id: entry.pool.issue.id,
            product: entry.grant.sku.clone(),
            features: self.features.get(lease.features).cloned().unwrap_or_default(),
            slot: lease.slots.first().filter(|_| single),
            slots: (!single && !lease.slots.is_empty()).then(|| lease.slots.iter().collect()),
            epoch: lease.epoch,
            state,
            overage: lease.flags() & TicketFlags::OVERAGE != 0,
            holder: self.holders.get(lease.holder).map(ToString::to_string).unwrap_or_default(),
            acquired_at: lease.acquired_at.to_string(),
            expires_in_ms: end.since(clock.svc()).max(0),
        })
    }

    fn node_trust(&self, clock: &Clock) -> Trust {
        let Some(provision) = self.provision.as_ref().filter(|p| p.rows.values().any(|row| row.current))
        else {
            return Trust::unprovisioned(self.provision.is_some());
        };
        let current = provision.rows.values().filter(|row| row.current);
        match (self.recover_at(clock), &self.fork) {
            (Some(recover), _) if !current.clone().all(|row| self.serves_at(row, clock)) => {
                let cause = self.recover_in_words(recover, clock);
                Trust::recovering(cause, self.wait_ends_by(clock))
            }
            (_, Some(fork)) => Trust::forked(fork),
            (_, None) => Trust::of_head(&provision.head, clock.best()),
        }
    }

    /// Seats that are counted although no lease is known to hold them.
    fn quarantined(&self, provision: &Provision, index: PoolIndex, entry: &PoolEntry, clock: &Clock) -> u32 {
        let rows = entry.rows.iter().filter_map(|row| provision.rows.get(row));
        let mut slots = SlotSet::EMPTY;
        for row in rows.filter(|row| !self.serves_at(row, clock)) {
            slots.insert_all(&self.slots_of(provision, row));
        }
        slots.insert_all(&self.quarantine.of(index, clock.svc()));
        let held = self.ledger.of_pool(index).filter(|lease| !self.doubts(lease));
        held.for_each(|lease| slots.remove_all(&lease.slots));
        slots.len()
    }
}

/// Seats by who has them.
struct Standings {
    held: u32,
    released: u32,
    forced: u32,
}
