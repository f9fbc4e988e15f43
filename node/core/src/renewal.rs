//! Renewal of a lease, and the end of those that cannot be renewed.

use std::iter;

use leasehold_protocol::api::Denial;
use leasehold_protocol::artefact::{Seats as PoolSeats, TtlBounds};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;

use crate::checkout::span;
use crate::core::{NodeCore, unknown_lease};
use crate::denial::denial;
use crate::effect::Effects;
use crate::input::{Principal, ReplyTo};
use crate::lease::{Lease, Standing};
use crate::limits;
use crate::promise::NoPromise;
use crate::provision::{PoolEntry, Provision, RowIndex};
use crate::record::{EndCause, Record};
use crate::seats::{self, Seats};
use crate::taken::Taken;

/// How a lease goes on.
struct Renewal {
    /// By how much the deadline moves. It never moves back.
    longer_ms: i64,
    /// Other seats, where no row has its own for good.
    moved: Option<Seats>,
}

impl NodeCore {
    /// A new ticket for the same lease: same id and epoch, under the node's current row for its slots. If the vendor takes
    /// these back, the lease goes on with the lowest that are free.
    pub(crate) fn renew(
        &mut self,
        to: ReplyTo,
        principal: Principal,
        id: LeaseId,
        idle_ms: Option<i64>,
        out: &mut Effects,
    ) {
        let lease = self.ledger.held_by(principal, id);
        let Some(lease) = lease.filter(|lease| lease.standing() != Standing::Released) else {
            return self.refuse_by_record(to, self.gone(principal, id), out);
        };
        let (grant, pool) = (lease.grant, lease.pool);
        let Renewal { longer_ms, moved } = match self.renewal(lease, idle_ms) {
            Ok(renewal) => renewal,
            Err(denial) => return self.deny(to, Some(pool), *denial, out),
        };
        if let Some(Seats { row, slots, evicted }) = moved {
            for grant in evicted {
                self.end_run_out(grant, EndCause::Evicted, out);
            }
            self.emit(Record::LeaseMoved { grant, allocation: row, slots }, out);
        }
        self.emit(Record::Renewed(vec![(grant, longer_ms)]), out);
        self.promise_seat(to, grant, out);
    }

    /// Ends a lease that nobody may use any more. Why, depends on who had it: `held` if its holder had.
    pub(crate) fn end_run_out(&mut self, grant: Seq, held: EndCause, out: &mut Effects) {
        let cause = match self.ledger.get(grant).map(Lease::standing) {
            Some(Standing::Released) => EndCause::Lingered,
            Some(Standing::Forced) => EndCause::Forced,
            Some(Standing::Held) | None => held,
        };
        self.emit(Record::LeaseEnded { grant, cause }, out);
    }

    /// The current row that holds all of a lease's seats: the one it is under, if that is still current.
    pub(crate) fn row_for_renewal(&self, lease: &Lease) -> Option<RowIndex> {
        let provision = self.provision.as_ref()?;
        let entry = provision.pools.get(&lease.pool)?;
        // A pool that became limited, or unlimited, counts seats differently: its tickets would prove nothing.
        let unlimited = entry.pool.seats == PoolSeats::Unlimited;
        let holds = |row: &&RowIndex| {
            lease.slots.is_empty() == unlimited
                && provision
                    .rows
                    .get(row)
                    .is_some_and(|r| self.slots_of(provision, r).contains_all(&lease.slots))
        };
        let own = entry.rows.iter().find(|&&row| row == lease.row).filter(holds);
        own.or_else(|| entry.rows.iter().find(holds)).copied()
    }

    /// Ends leases that ran out and cannot come back: nobody here waits for their seats, but memory does.
    pub(crate) fn end_what_is_over(&mut self, out: &mut Effects) {
        let Some(provision) = &self.provision else { return };
        let (svc, best) = (self.clock.svc(), self.clock.best());
        let mut over = Vec::new();
        for (&index, entry) in &provision.pools {
            let revoked = provision.revoked_since(entry, best).is_some();
            let run_out = self.ledger.run_out(index, svc);
            let ended = run_out.filter(|lease| {
                let back = lease.standing() == Standing::Held && self.goes_on(provision, entry, lease);
                revoked || !back
            });
            over.extend(ended.map(|lease| lease.grant).take(limits::DRAINED_ENDS));
        }
        for grant in over.into_iter().take(limits::DRAINED_ENDS) {
            self.end_run_out(grant, EndCause::Withdrawn, out);
        }
    }

    /// Whether the rows have seats for a lease that would be renewed now.
    pub(crate) fn goes_on(&self, provision: &Provision, entry: &PoolEntry, lease: &Lease) -> bool {
        self.row_for_renewal(lease).is_some() || self.other_seats(provision, entry, lease).is_some()
    }

    fn renewal(&self, lease: &Lease, idle_ms: Option<i64>) -> Result<Renewal, Box<Denial>> {
        if lease.standing() == Standing::Forced {
            return Err(Box::new(forced()));
        }
        let withdrawn = NoPromise { code: Code::Draining, bound: UnixMs::MAX };
        let none = |none| Box::new(self.no_promise(none));
        let provision = self.provision.as_ref().ok_or_else(|| none(withdrawn))?;
        let entry = provision.pools.get(&lease.pool).ok_or_else(|| none(withdrawn))?;
        if let Some((idle_ms, most_ms)) = idle_ms.zip(entry.pool.idle_ms).filter(|(idle, most)| most <= idle)
        {
            return Err(Box::new(idle(idle_ms, most_ms)));
        }
        self.renewal_of_row(provision, entry, lease).map_err(none)
    }

    fn renewal_of_row(
        &self,
        provision: &Provision,
        entry: &PoolEntry,
        lease: &Lease,
    ) -> Result<Renewal, NoPromise> {
        let withdrawn = NoPromise { code: Code::Draining, bound: UnixMs::MAX };
        self.check_grant(provision, entry)?;
        let own = self.row_for_renewal(lease);
        let moved = match own.filter(|row| self.keeps(provision, *row, lease)) {
            Some(_) => None,
            None => self.other_seats(provision, entry, lease),
        };
        let row = moved.as_ref().map(|seats| seats.row).or(own).and_then(|row| provision.rows.get(&row));
        let row = row.ok_or(withdrawn)?;
        self.check_room(provision, entry, lease)?;
        // What an amendment took away cannot be proved any more.
        let features = self.features.get(lease.features).into_iter().flatten();
        if features.into_iter().any(|feature| !entry.grant.features.contains(feature)) {
            return Err(NoPromise { code: Code::FeatureNotInPlan, bound: UnixMs::MAX });
        }
        let ttl_ms = self.promises(provision).fresh(row, wish_ms(entry, lease))?;
        let deadline = self.clock.svc().plus(ttl_ms);
        if deadline < lease.deadline() {
            return Err(NoPromise { code: Code::AllocationEnded, bound: row.allocation.not_after });
        }
        Ok(Renewal { longer_ms: deadline.since(lease.deadline()), moved })
    }

    /// Whether the vendor leaves the lease's seats in this row, which has them.
    fn keeps(&self, provision: &Provision, row: RowIndex, lease: &Lease) -> bool {
        provision.rows.get(&row).is_some_and(|row| {
            row.allocation.shrink_to.is_none() || self.kept_slots(provision, row).contains_all(&lease.slots)
        })
    }

    /// The lowest seats that the lease may move to. Its holder may not learn of it: what it leaves waits until the
    /// promises that name it are over.
    fn other_seats(&self, provision: &Provision, entry: &PoolEntry, lease: &Lease) -> Option<Seats> {
        if entry.pool.seats == PoolSeats::Unlimited || lease.slots.is_empty() {
            return None;
        }
        let promises = self.promises(provision);
        let wish_ms = wish_ms(entry, lease);
        let rows = entry.rows.iter().filter_map(|&index| Some((index, provision.rows.get(&index)?)));
        let rows = rows.filter(|(_, row)| promises.fresh(row, wish_ms).is_ok());
        let rows: Vec<(RowIndex, SlotSet)> =
            rows.map(|(index, row)| (index, self.kept_slots(provision, row))).collect();
        let (none, pool) = (Taken::default(), self.ledger.pool(lease.pool));
        let taken = pool.map(|pool| &pool.taken).filter(|_| self.rules.moves_take_free_seats);
        let unused =
            || iter::once(lease).chain(self.run_out(lease.pool).filter(|other| other.grant != lease.grant));
        let mut seats = seats::choose(taken.unwrap_or(&none), &rows, lease.count, unused)?;
        seats.evicted.retain(|&grant| grant != lease.grant);
        Some(seats)
    }

    fn gone(&self, principal: Principal, id: LeaseId) -> Problem {
        let ended = self.ledger.ended().by_id(id).filter(|ended| ended.principal == principal);
        match ended.map(|ended| ended.cause) {
            None if self.ledger.held_by(principal, id).is_none() => unknown_lease(id),
            None | Some(EndCause::Released | EndCause::Lingered) => {
                Problem::new(Code::LeaseEnded, format!("lease {id} was released"), "check out a new seat")
            }
            Some(EndCause::Withdrawn) => {
                let detail = format!("lease {id} had run out and the vendor took its seat back");
                Problem::new(Code::LeaseLost, detail, "check out a new seat")
            }
            Some(EndCause::Forced) => {
                let detail = format!("an operator of this node took lease {id} back");
                Problem::new(Code::LeaseLost, detail, "check out a new seat")
            }
            Some(EndCause::Evicted) => {
                let detail = format!("lease {id} had run out and its seat was given to somebody else");
                Problem::new(Code::LeaseLost, detail, "check out a new seat, and renew in time")
            }
        }
    }
}

fn wish_ms(entry: &PoolEntry, lease: &Lease) -> i64 {
    let TtlBounds { min_ms, max_ms, .. } = entry.pool.ttl;
    i64::from(lease.wish_ttl_ms).clamp(min_ms, max_ms)
}

fn forced() -> Denial {
    let detail = "an operator of this node took the lease back: it ends with its promise";
    let mut denial = denial(Code::Draining, detail, "save your work, then ask who looks after the node");
    denial.would_allow = vec!["a new checkout".to_owned()];
    denial
}

fn idle(idle_ms: i64, most_ms: i64) -> Denial {
    let (idle, most) = (span(idle_ms), span(most_ms));
    let detail = format!("the seat was not used for {idle}, its pool asks for use within {most}");
    let mut denial =
        denial(Code::IdleTimeout, detail, "use it before its promise ends, or check out again later");
    denial.would_allow = vec!["use of the seat".to_owned()];
    denial
}
