//! A seat that is given back: free at once, or waiting a while for the same user and host.

use leasehold_protocol::artefact::{Holder, HolderProof, Seats as PoolSeats};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::SvcMs;

use crate::core::{NodeCore, reply};
use crate::effect::{Effects, Reply};
use crate::input::{Checkout, Principal, ReplyTo};
use crate::lease::{Lease, Standing};
use crate::provision::{PoolIndex, RowIndex};
use crate::record::{EndCause, Record};
use crate::seats::Seats;

impl NodeCore {
    /// Unknown, ended and other people's leases are all answered alike: nothing was done.
    pub(crate) fn release(&mut self, to: ReplyTo, principal: Principal, id: LeaseId, out: &mut Effects) {
        let lease = self.ledger.held_by(principal, id);
        let Some(lease) = lease.filter(|lease| lease.standing() != Standing::Released) else {
            return reply(to, Seq(0), Reply::Released(false), out);
        };
        let grant = lease.grant;
        let record = match self.lingers_until(lease) {
            Some(until) => Record::LeaseLingers { grant, until },
            None => Record::LeaseEnded { grant, cause: EndCause::Released },
        };
        let seq = self.emit(record, out);
        self.shrink_rows(out);
        reply(to, seq, Reply::Released(true), out);
    }

    /// Seats that wait for the holder of this wish, as many as are wished for: they are taken before any other.
    pub(crate) fn lingering_seats(
        &self,
        pool: PoolIndex,
        rows: &[(RowIndex, SlotSet)],
        checkout: &Checkout,
    ) -> Option<Seats> {
        self.lingering(pool, &checkout.holder).filter(|lease| lease.count == checkout.count).find_map(
            |lease| {
                let (row, _) = rows.iter().find(|(_, slots)| slots.contains_all(&lease.slots))?;
                Some(Seats { row: *row, slots: lease.slots.clone(), evicted: vec![lease.grant] })
            },
        )
    }

    /// Leases of a pool whose seats wait for this user and host, known in the same way; the process may be another one.
    pub(crate) fn lingering<'a>(
        &'a self,
        pool: PoolIndex,
        holder: &'a Holder,
    ) -> impl Iterator<Item = &'a Lease> {
        let svc = self.clock.svc();
        let waits = self.ledger.pool(pool).is_some_and(|pool| !pool.leaving.is_empty());
        let first = waits.then(|| Holder { process: None, proof: HolderProof::Asserted, ..holder.clone() });
        let same = |(known, _): &(&Holder, u32)| (&known.user, &known.host) == (&holder.user, &holder.host);
        let holders = first.into_iter().flat_map(move |first| {
            let known: Vec<(&Holder, u32)> = self.holders.from(&first).take_while(same).collect();
            known
        });
        let holders = holders.filter(|(known, _)| known.proof == holder.proof);
        let leases = holders.flat_map(move |(_, index)| self.ledger.leaving_of(pool, index));
        leases.filter(move |lease| lease.standing() == Standing::Released && !lease.has_run_out(svc))
    }

    /// Until when the seat of a lease that is given back is kept: the pool says how long, the grant how long at most, and
    /// never beyond what was promised. A seat that would not be given again does not wait.
    fn lingers_until(&self, lease: &Lease) -> Option<SvcMs> {
        let provision = self.provision.as_ref()?;
        let entry = provision.pools.get(&lease.pool)?;
        let most_ms = entry.grant.ceilings.max_linger_ms.unwrap_or(i64::MAX);
        let linger_ms = entry.pool.linger_ms.min(most_ms);
        if linger_ms <= 0 || entry.pool.seats == PoolSeats::Unlimited || lease.standing() != Standing::Held {
            return None;
        }
        let serves = self.check_grant(provision, entry).is_ok() && self.row_for_renewal(lease).is_some();
        let svc = self.clock.svc();
        let until = svc.plus(linger_ms).min(lease.deadline());
        (serves && svc < until).then_some(until)
    }
}
