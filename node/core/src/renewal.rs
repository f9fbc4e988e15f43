//! Renewal of a lease, and the end of those that cannot be renewed.

use std::iter;

use leasehold_protocol::api::Denial;
use leasehold_protocol::artefact::{Seats as PoolSeats, TtlBounds};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;

use crate::adoption::{superseded, ticket_needed};
use crate::core::{NodeCore, refuse, unknown_lease};
use crate::denial::denial;
use crate::effect::Effects;
use crate::input::{Principal, ReplyTo, Shown};
use crate::lease::{Lease, Standing};
use crate::limits;
use crate::no_promise::{NoPromise, Span};
use crate::provision::{PoolEntry, PoolIndex, Provision, RowIndex};
use crate::record::{EndCause, Record};
use crate::seats::{self, Seats};
use crate::taken::Taken;

/// Who wants which lease to live on.
#[derive(Clone, Copy)]
pub(crate) struct RenewalWish<'a> {
    pub(crate) principal: Principal,
    pub(crate) lease: LeaseId,
    /// How long its seat was not used, if the application knows.
    pub(crate) idle_ms: Option<i64>,
    /// Its ticket, if its holder shows it.
    pub(crate) shown: Option<&'a Shown>,
}

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
        wish: &RenewalWish<'_>,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let RenewalWish { principal, lease: id, idle_ms, shown } = *wish;
        if shown.is_some_and(|shown| shown.ticket.lease != id) {
            return refuse(to, other_ticket(id), out);
        }
        if shown.is_some_and(|shown| self.recover.is_none() && self.lacks(shown)) {
            self.forgot_ticket(out);
        }
        let lease = self.ledger.held_by(principal, id);
        let certain = |lease: &&Lease| lease.standing() != Standing::Released && !self.doubts(lease);
        let Some(lease) = lease.filter(certain) else {
            return match shown.filter(|_| self.recover.is_some()) {
                Some(shown) => self.renew_by_ticket(to, principal, shown, entropy, out),
                None => self.refuse_by_record(to, self.gone(principal, id, shown), out),
            };
        };
        let (grant, pool) = (lease.grant, lease.pool);
        let Renewal { longer_ms, moved } = match self.renewal(lease, idle_ms) {
            Ok(renewal) => renewal,
            // It cannot come back, and its holder may not use it: nothing is left of it.
            Err(denial) if lease.has_run_out(self.clock.svc()) && denial.code == Code::Draining => {
                self.end_run_out(grant, EndCause::Withdrawn, out);
                return self.refuse_by_record(to, self.gone(principal, id, shown), out);
            }
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
        self.row_holding(lease.pool, Some(lease.row), &lease.slots)
    }

    /// The current row of a pool that holds all these seats, `first` before all others.
    pub(crate) fn row_holding(
        &self,
        pool: PoolIndex,
        first: Option<RowIndex>,
        slots: &SlotSet,
    ) -> Option<RowIndex> {
        let provision = self.provision.as_ref()?;
        let entry = provision.pools.get(&pool)?;
        // A pool that became limited, or unlimited, counts seats differently: its tickets would prove nothing.
        let unlimited = entry.pool.seats == PoolSeats::Unlimited;
        let holds = |row: &&RowIndex| {
            slots.is_empty() == unlimited
                && provision.rows.get(row).is_some_and(|r| self.slots_of(provision, r).contains_all(slots))
        };
        let own = entry.rows.iter().find(|&&row| Some(row) == first).filter(holds);
        own.or_else(|| entry.rows.iter().find(holds)).copied()
    }

    /// Ends leases that ran out and cannot come back: nobody here waits for their seats, but memory does.
    pub(crate) fn end_what_is_over(&mut self, out: &mut Effects) {
        // What seems to have run out may have been renewed since.
        let Some(provision) = self.provision.as_ref().filter(|_| self.recover.is_none()) else { return };
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
        let withdrawn = NoPromise::new(Code::Draining, UnixMs::MAX);
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
        let withdrawn = NoPromise::new(Code::Draining, UnixMs::MAX);
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
            return Err(NoPromise::new(Code::FeatureNotInPlan, UnixMs::MAX));
        }
        let ttl_ms = self.promises(provision).fresh(row, wish_ms(entry, lease))?;
        let deadline = self.clock.svc().plus(ttl_ms);
        if deadline < lease.deadline() {
            return Err(NoPromise::new(Code::AllocationEnded, row.allocation.not_after));
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
        // What is free by a ledger that may have regressed is no seat to move to.
        let rows = rows.filter(|(_, row)| self.serves(row) && promises.fresh(row, wish_ms).is_ok());
        let counted = self.quarantine.of(lease.pool, self.clock.svc());
        let rows: Vec<(RowIndex, SlotSet)> =
            rows.map(|(index, row)| (index, self.kept_slots(provision, row).without(&counted))).collect();
        let (none, pool) = (Taken::default(), self.ledger.pool(lease.pool));
        let taken = pool.map(|pool| &pool.taken).filter(|_| self.rules.moves_take_free_seats);
        let unused =
            || iter::once(lease).chain(self.run_out(lease.pool).filter(|other| other.grant != lease.grant));
        let mut seats = seats::choose(taken.unwrap_or(&none), &rows, lease.count, unused)?;
        seats.evicted.retain(|&grant| grant != lease.grant);
        Some(seats)
    }

    /// A lease that is not known may be one that a regressed journal has forgotten: its ticket tells.
    fn gone(&self, principal: Principal, id: LeaseId, shown: Option<&Shown>) -> Problem {
        let nothing = || if shown.is_some() { unknown_lease(id) } else { ticket_needed(id) };
        self.ended_before(principal, id).unwrap_or_else(nothing)
    }

    /// What became of a lease that has ended, as far as that is remembered. One whose seat waits for its holder has.
    pub(crate) fn ended_before(&self, principal: Principal, id: LeaseId) -> Option<Problem> {
        let lingers = self.ledger.held_by(principal, id).map(|lease| lease.standing() == Standing::Released);
        let ended = self.ledger.ended().by_id(id).filter(|ended| ended.principal == principal);
        let cause = match lingers {
            Some(true) => EndCause::Released,
            Some(false) => return None,
            None => ended?.cause,
        };
        Some(match cause {
            EndCause::Released | EndCause::Lingered => {
                Problem::new(Code::LeaseEnded, format!("lease {id} was released"), "check out a new seat")
            }
            EndCause::Superseded => superseded(id),
            EndCause::Withdrawn => {
                let detail = format!("lease {id} had run out and the vendor took its seat back");
                Problem::new(Code::LeaseLost, detail, "check out a new seat")
            }
            EndCause::Forced => {
                let detail = format!("an operator of this node took lease {id} back");
                Problem::new(Code::LeaseLost, detail, "check out a new seat")
            }
            EndCause::Evicted => {
                let detail = format!("lease {id} had run out and its seat was given to somebody else");
                Problem::new(Code::LeaseLost, detail, "check out a new seat, and renew in time")
            }
        })
    }
}

fn other_ticket(id: LeaseId) -> Problem {
    let detail = format!("the ticket that was shown is not that of lease {id}");
    Problem::new(Code::InvalidRequest, detail, "show the newest ticket of the lease")
}

fn wish_ms(entry: &PoolEntry, lease: &Lease) -> i64 {
    let TtlBounds { min_ms, max_ms, .. } = entry.pool.ttl;
    i64::from(lease.wish_ttl_ms).clamp(min_ms, max_ms)
}

pub(crate) fn forced() -> Denial {
    let detail = "an operator of this node took the lease back: it ends with its promise";
    let mut denial = denial(Code::Draining, detail, "save your work, then ask who looks after the node");
    denial.would_allow = vec!["a new checkout".to_owned()];
    denial
}

fn idle(idle_ms: i64, most_ms: i64) -> Denial {
    let (idle, most) = (Span(idle_ms), Span(most_ms));
    let detail = format!("the seat was not used for {idle}, its pool asks for use within {most}");
    let mut denial =
        denial(Code::IdleTimeout, detail, "use it before its promise ends, or check out again later");
    denial.would_allow = vec!["use of the seat".to_owned()];
    denial
}
