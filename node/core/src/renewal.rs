//! Renewal and release of a lease.

use leasehold_protocol::artefact::{Seats, TtlBounds};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;

use crate::core::{NodeCore, reply, unknown_lease};
use crate::effect::{Effects, Reply};
use crate::input::{Principal, ReplyTo};
use crate::lease::Lease;
use crate::limits;
use crate::promise::NoPromise;
use crate::provision::RowIndex;
use crate::record::{EndCause, Record};

impl NodeCore {
    /// A new ticket for the same lease: same id, epoch and slots, under the node's current row for them.
    pub(crate) fn renew(&mut self, to: ReplyTo, principal: Principal, id: LeaseId, out: &mut Effects) {
        let Some(lease) = self.ledger.held_by(principal, id) else {
            return self.refuse_by_record(to, self.gone(principal, id), out);
        };
        let (grant, pool) = (lease.grant, lease.pool);
        match self.longer_ms(lease) {
            Ok(longer_ms) => {
                self.emit(Record::Renewed(vec![(grant, longer_ms)]), out);
                self.promise_seat(to, grant, out);
            }
            Err(none) => {
                let denial = self.no_promise(none);
                self.deny(to, Some(pool), denial, out);
            }
        }
    }

    /// Unknown, ended and other people's leases are all answered alike: nothing was done.
    pub(crate) fn release(&mut self, to: ReplyTo, principal: Principal, id: LeaseId, out: &mut Effects) {
        let lease = self.ledger.held_by(principal, id);
        let Some(grant) = lease.map(|lease| lease.grant) else {
            return reply(to, Seq(0), Reply::Released(false), out);
        };
        let seq = self.emit(Record::LeaseEnded { grant, cause: EndCause::Released }, out);
        self.shrink_rows(out);
        reply(to, seq, Reply::Released(true), out);
    }

    /// The current row that holds all of a lease's seats: the one it is under, if that is still current.
    pub(crate) fn row_for_renewal(&self, lease: &Lease) -> Option<RowIndex> {
        let provision = self.provision.as_ref()?;
        let entry = provision.pools.get(&lease.pool)?;
        // A pool that became limited, or unlimited, counts seats differently: its tickets would prove nothing.
        let unlimited = entry.pool.seats == Seats::Unlimited;
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
    pub(crate) fn end_drained(&mut self, out: &mut Effects) {
        let Some(provision) = &self.provision else { return };
        let (svc, best) = (self.clock.svc(), self.clock.best());
        let mut drained = Vec::new();
        for (&index, entry) in &provision.pools {
            let revoked = provision.revoked_since(entry, best).is_some();
            let run_out = self.ledger.run_out(index, svc);
            let over = run_out.filter(|lease| revoked || self.row_for_renewal(lease).is_none());
            drained.extend(over.map(|lease| lease.grant).take(limits::DRAINED_ENDS));
        }
        for grant in drained.into_iter().take(limits::DRAINED_ENDS) {
            self.emit(Record::LeaseEnded { grant, cause: EndCause::Withdrawn }, out);
        }
    }

    /// By how much the deadline can move. It never moves back.
    fn longer_ms(&self, lease: &Lease) -> Result<i64, NoPromise> {
        let withdrawn = NoPromise { code: Code::Draining, bound: UnixMs::MAX };
        let provision = self.provision.as_ref().ok_or(withdrawn)?;
        let entry = provision.pools.get(&lease.pool).ok_or(withdrawn)?;
        self.check_grant(provision, entry)?;
        let row = self.row_for_renewal(lease).and_then(|row| provision.rows.get(&row)).ok_or(withdrawn)?;
        // What an amendment took away cannot be proved any more.
        let features = self.features.get(lease.features).into_iter().flatten();
        if features.into_iter().any(|feature| !entry.grant.features.contains(feature)) {
            return Err(NoPromise { code: Code::FeatureNotInPlan, bound: UnixMs::MAX });
        }
        let TtlBounds { min_ms, max_ms, .. } = entry.pool.ttl;
        let wish_ms = i64::from(lease.wish_ttl_ms).clamp(min_ms, max_ms);
        let ttl_ms = self.promises(provision).fresh(row, wish_ms)?;
        let deadline = self.clock.svc().plus(ttl_ms);
        if deadline < lease.deadline() {
            return Err(NoPromise { code: Code::AllocationEnded, bound: row.allocation.not_after });
        }
        Ok(deadline.since(lease.deadline()))
    }

    fn gone(&self, principal: Principal, id: LeaseId) -> Problem {
        let ended = self.ledger.ended().by_id(id).filter(|ended| ended.principal == principal);
        match ended.map(|ended| ended.cause) {
            None => unknown_lease(id),
            Some(EndCause::Released) => {
                Problem::new(Code::LeaseEnded, format!("lease {id} was released"), "check out a new seat")
            }
            Some(EndCause::Withdrawn) => {
                let detail = format!("lease {id} had run out and the vendor took its seat back");
                Problem::new(Code::LeaseLost, detail, "check out a new seat")
            }
            Some(EndCause::Evicted) => {
                let detail = format!("lease {id} had run out and its seat was given to somebody else");
                Problem::new(Code::LeaseLost, detail, "check out a new seat, and renew in time")
            }
        }
    }
}
