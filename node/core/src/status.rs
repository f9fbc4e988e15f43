//! What people and clients may ask about: status, pools, leases, identity, chains. Reads only.

use leasehold_protocol::api::{
    AllocationStatus, ClockStatus, IdentityAnswer, IssuerContact, JournalStatus, LeaseStatus, LeasesAnswer,
    PoolStatus, StatusAnswer, instant,
};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::artefact::{Chain, Seats};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::time::{ClockReading, UnixMs};

use crate::clock::{Clock, ClockQuality};
use crate::core::NodeCore;
use crate::lease::Lease;
use crate::provision::{PoolEntry, PoolIndex, Provision};
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
            clock: clock_status(&clock),
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
        let leases = self.ledger.leases().filter_map(|lease| self.lease_status(provision, lease, &clock));
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
        let pools = provision.pools.iter().filter(|(_, entry)| shown(entry));
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
            })
            .collect();
        let trust = match provision.revoked_since(entry, clock.best()) {
            Some(since) => Trust::revoked(since, self.drained_at(index, clock)),
            None => Trust::of_pool(provision, entry, &rows, clock.best()),
        };
        let denied = self.recent_denials.of_pool(index, clock.svc());
        PoolStatus {
            pool_id: entry.pool.issue.id,
            product: entry.grant.sku.clone(),
            seats: seats(
                rows.iter().fold(0_u32, |sum, row| sum.saturating_add(self.slots_of(provision, row).len())),
            ),
            in_use: self.ledger.in_use(index, clock.svc()),
            borrowed: 0,
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

    /// When the last promise of a pool ends, if none is added.
    fn drained_at(&self, pool: PoolIndex, clock: &Clock) -> Option<UnixMs> {
        let left_ms = self.ledger.last_deadline(pool)?.since(clock.svc());
        (left_ms > 0).then(|| clock.best().plus(left_ms))
    }

    fn lease_status(&self, provision: &Provision, lease: &Lease, clock: &Clock) -> Option<LeaseStatus> {
        let entry = provision.pools.get(&lease.pool)?;
        let single = lease.count == 1;
        Some(LeaseStatus {
            lease_id: lease.id,
            pool_id: entry.pool.issue.id,
            product: entry.grant.sku.clone(),
            features: self.features.get(lease.features).cloned().unwrap_or_default(),
            slot: lease.slots.first().filter(|_| single),
            slots: (!single && !lease.slots.is_empty()).then(|| lease.slots.iter().collect()),
            epoch: lease.epoch,
            state: self.lease_state(provision, entry, lease, clock).to_owned(),
            holder: self.holders.get(lease.holder).map(ToString::to_string).unwrap_or_default(),
            acquired_at: lease.acquired_at.to_string(),
            expires_in_ms: lease.deadline().since(clock.svc()).max(0),
        })
    }

    fn lease_state(
        &self,
        provision: &Provision,
        entry: &PoolEntry,
        lease: &Lease,
        clock: &Clock,
    ) -> &'static str {
        let drains = || {
            provision.revoked_since(entry, clock.best()).is_some() || self.row_for_renewal(lease).is_none()
        };
        match lease.has_run_out(clock.svc()) {
            true => "EVICTABLE",
            false if drains() => "DRAIN",
            false => "ACTIVE",
        }
    }

    fn node_trust(&self, clock: &Clock) -> Trust {
        let Some(provision) = self.provision.as_ref().filter(|p| p.rows.values().any(|row| row.current))
        else {
            return Trust::unprovisioned(self.provision.is_some());
        };
        Trust::of_head(&provision.head, clock.best())
    }
}

fn clock_status(clock: &Clock) -> ClockStatus {
    let status = match clock.quality() {
        ClockQuality::Good => "GOOD",
        ClockQuality::Coarse => "COARSE",
        ClockQuality::Suspect => "SUSPECT",
    };
    ClockStatus {
        status: status.to_owned(),
        floor: instant(clock.floor()),
        best: clock.best().to_string(),
        hi: instant(clock.hi()),
        wall: clock.wall().to_string(),
        svc_ms: clock.svc().0,
    }
}
