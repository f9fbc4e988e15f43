//! Adoption: in RECOVER the tickets that holders show tell what the ledger may have forgotten. Clients are its backup.
//!
//! A seat that its holder does not show is in QUARANTINE until RECOVER ends: nobody gets it. So adopted leases and
//! QUARANTINE never exceed the seats of the rows.

use leasehold_protocol::api::Denial;
use leasehold_protocol::artefact::{LeaseTicket, RecoverCause, TtlBounds};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;

use crate::core::{EPOCH_BITS, NodeCore, unknown_lease};
use crate::denial::denial;
use crate::effect::{Effect, Effects, Event};
use crate::input::{Cause, Principal, ReplyTo, Shown};
use crate::lease::{Standing, grace_ms};
use crate::no_promise::NoPromise;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::{EndCause, LeaseGranted, Record};
use crate::recover::Regress;
use crate::renewal::forced;

/// What a shown ticket comes to.
struct Adoption {
    pool: PoolIndex,
    row: RowIndex,
    ttl_ms: i64,
    /// Leases that have its seats by the ledger, itself among them.
    replaces: Vec<Seq>,
}

/// Why a ticket is not adopted.
enum NotAdopted {
    Refused(Problem),
    Denied(Option<PoolIndex>, Box<Denial>),
}

impl NodeCore {
    /// Whether a ticket shows that the journal lacks it. Those of an earlier incarnation do not: what was forgotten
    /// before this one began has been waited for.
    pub(crate) fn lacks(&self, shown: &Shown) -> bool {
        let Some(identity) = &self.identity else { return false };
        let ticket = &shown.ticket;
        let incarnation = ticket.epoch >> EPOCH_BITS;
        let known = self.ledger.by_id(ticket.lease).is_some() || shown.recorded == Some(ticket.lease);
        match incarnation.cmp(&u64::from(identity.incarnation)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => !known,
            std::cmp::Ordering::Greater => true,
        }
    }

    /// A ticket was shown that the journal lacks.
    pub(crate) fn forgot_ticket(&mut self, out: &mut Effects) {
        let cause = RecoverCause::Ticket;
        self.regress(Regress { cause, by: Cause::of_the_node(), newest_generation: None }, out);
    }

    /// In RECOVER: renews a lease that is in doubt, or not known, by the ticket that its holder shows.
    pub(crate) fn renew_by_ticket(
        &mut self,
        to: ReplyTo,
        principal: Principal,
        shown: &Shown,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let generation = shown.ticket.generation;
        if self.provision.as_ref().is_some_and(|provision| provision.generation < generation) {
            // It was in force here, whatever the MARK or anybody says.
            self.emit(Record::GenerationSeen { generation }, out);
        }
        match self.adoptable(principal, shown) {
            Ok(adoption) => self.adopt(to, principal, &shown.ticket, adoption, entropy, out),
            Err(NotAdopted::Refused(problem)) => self.refuse_by_record(to, problem, out),
            Err(NotAdopted::Denied(pool, denial)) => self.deny(to, pool, *denial, out),
        }
    }

    /// Applies an adoption: its lease takes the place of those that it replaces.
    pub(crate) fn apply_adoption(&mut self, seq: Seq, granted: &LeaseGranted, replaces: &[Seq]) {
        self.holders.acquire(granted.holder);
        self.features.acquire(granted.features);
        for &grant in replaces {
            let Some(lease) = self.ledger.get(grant) else { continue };
            if lease.id == granted.lease {
                self.forget_lease(grant);
                continue;
            }
            if !self.doubts(lease) {
                // Its holder has shown a ticket, too, and may use the seat as long as was promised.
                let (slots, until) = (lease.slots.clone(), lease.reclaim_at());
                self.quarantine.add(lease.pool, slots, until, self.clock.svc());
            }
            self.apply_end(grant, EndCause::Superseded);
        }
        self.ledger.claim_vacated(granted.pool, &granted.slots);
        self.apply_grant(seq, granted);
        self.holders.release(granted.holder);
        self.features.release(granted.features);
    }

    fn adoptable(&self, principal: Principal, shown: &Shown) -> Result<Adoption, NotAdopted> {
        let ticket = &shown.ticket;
        let known = self.ledger.by_id(ticket.lease);
        if known.is_some_and(|_| self.ledger.held_by(principal, ticket.lease).is_none()) {
            return Err(NotAdopted::Refused(unknown_lease(ticket.lease)));
        }
        if let Some(ended) = self.ended_before(principal, ticket.lease) {
            return Err(NotAdopted::Refused(ended));
        }
        if known.is_none() && self.ledger.ended().by_id(ticket.lease).is_some() {
            // It was somebody else's, and is over for everybody.
            return Err(NotAdopted::Refused(unknown_lease(ticket.lease)));
        }
        if let Some(known) = known.filter(|known| known.standing() == Standing::Forced) {
            return Err(NotAdopted::Denied(Some(known.pool), Box::new(forced())));
        }
        if !shown.held && self.rules.adopts_held_only {
            return Err(self.not_now("whoever shows it does not say that the seat is still held"));
        }
        let provision = self.provision.as_ref().ok_or_else(|| self.not_now("there is no bundle yet"))?;
        let named = provision.rows.values().find(|row| row.allocation.digest() == ticket.allocation);
        let Some(pool) = named.map(|row| row.pool_index) else {
            return Err(self.not_now("it is under an allocation that the journal does not know"));
        };
        let ttl_ms = i64::from(ticket.ttl_ms);
        let over = ticket.issued.hi.plus(ttl_ms.saturating_add(grace_ms(ttl_ms)));
        if self.clock.certainly_past(over.plus(1)) {
            return Err(NotAdopted::Refused(run_out(ticket.lease, over)));
        }
        let replaces = self.replaced_by(pool, ticket)?;
        let none = |none| NotAdopted::Denied(Some(pool), Box::new(self.no_promise(none)));
        let (row, ttl_ms) = self.promise_to(pool, ticket, ttl_ms).map_err(none)?;
        Ok(Adoption { pool, row, ttl_ms, replaces })
    }

    /// The leases that have its seats by the ledger. One that was adopted stays, unless its epoch is lower.
    fn replaced_by(&self, pool: PoolIndex, ticket: &LeaseTicket) -> Result<Vec<Seq>, NotAdopted> {
        let own = self.ledger.by_id(ticket.lease);
        if let Some(own) = own.filter(|own| own.slots == ticket.slots) {
            return Ok(vec![own.grant]);
        }
        let mut replaces: Vec<Seq> = own.map(|own| own.grant).into_iter().collect();
        if !self.ledger.pool(pool).is_some_and(|pool| pool.taken.intersects(&ticket.slots)) {
            return Ok(replaces);
        }
        let others = self.ledger.of_pool(pool).filter(|lease| lease.id != ticket.lease);
        for other in others.filter(|lease| lease.slots.intersects(&ticket.slots)) {
            let stays = !self.doubts(other) && ticket.epoch <= other.epoch;
            if stays && self.rules.later_epochs_win {
                return Err(NotAdopted::Refused(superseded(ticket.lease)));
            }
            replaces.push(other.grant);
        }
        Ok(replaces)
    }

    /// The current row that holds its seats, and how long that may promise them.
    fn promise_to(
        &self,
        pool: PoolIndex,
        ticket: &LeaseTicket,
        ttl_ms: i64,
    ) -> Result<(RowIndex, i64), NoPromise> {
        let withdrawn = NoPromise::new(Code::Draining, UnixMs::MAX);
        let provision = self.provision.as_ref().ok_or(withdrawn)?;
        let entry = provision.pools.get(&pool).ok_or(withdrawn)?;
        self.check_grant(provision, entry)?;
        if ticket.features.iter().any(|feature| !entry.grant.features.contains(feature)) {
            return Err(NoPromise::new(Code::FeatureNotInPlan, UnixMs::MAX));
        }
        let index = self.row_holding(pool, None, &ticket.slots).ok_or(withdrawn)?;
        let row = provision.rows.get(&index).ok_or(withdrawn)?;
        let TtlBounds { min_ms, max_ms, .. } = entry.pool.ttl;
        let ttl_ms = self.promises(provision).fresh(row, ttl_ms.clamp(min_ms, max_ms))?;
        Ok((index, ttl_ms))
    }

    fn adopt(
        &mut self,
        to: ReplyTo,
        principal: Principal,
        ticket: &LeaseTicket,
        adoption: Adoption,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let Adoption { pool, row, ttl_ms, replaces } = adoption;
        let holder = self.intern_holder(&ticket.holder, out);
        let features = self.intern_features(&ticket.features, out);
        // The key of its checkout is not in the ticket: where the ledger lacks it, nobody asks for the lease by it.
        let known =
            self.ledger.by_id(ticket.lease).map(|known| (known.key, known.params_hash, known.wish_ttl_ms));
        let (key, params_hash, wish_ttl_ms) =
            known.unwrap_or_else(|| (entropy.draw(), [0; 8], ticket.ttl_ms));
        let granted = LeaseGranted {
            lease: ticket.lease,
            pool,
            allocation: row,
            epoch: ticket.epoch,
            slots: ticket.slots.clone(),
            count: ticket.count,
            holder,
            features,
            principal,
            key,
            params_hash,
            wish_ttl_ms,
            deadline: self.clock.svc().plus(ttl_ms),
            issued_floor: self.clock.floor().recorded(),
            issued_hi: self.clock.hi().recorded(),
            flags: self.flags_of(row, &ticket.slots),
        };
        let grant = self.emit(Record::TicketAdopted { granted, replaces }, out);
        out.0.push(Effect::Event(Event::TicketAdopted { lease: ticket.lease }));
        self.promise_seat(to, grant, out);
    }

    /// Not adopted, and perhaps later: the holder uses the seat to its STOP.
    fn not_now(&self, why: &str) -> NotAdopted {
        let detail = format!("this node recovers its ledger and cannot renew the lease: {why}");
        let mut denial =
            denial(Code::Recovering, detail, "use the seat to the end of its promise, then check out again");
        denial.retry_after_ms = self.wait_ends_at(&self.clock).map(|at| at.since(self.clock.svc()));
        NotAdopted::Denied(None, Box::new(denial))
    }
}

/// A lease is not known, or in doubt: what its holder has decides.
pub(crate) fn ticket_needed(lease: LeaseId) -> Problem {
    let detail = format!("no lease {lease} of yours is known here by its id alone");
    let hint =
        "show its newest ticket, and whether the seat is still held; without one, check out a new seat";
    // Whether it is somebody else's is nobody's business.
    let problem = Problem::new(Code::TicketNeeded, detail, hint);
    Problem { status: Code::LeaseUnknown.http(), ..problem }
}

pub(crate) fn superseded(lease: LeaseId) -> Problem {
    let detail = format!("the seat of lease {lease} was given to somebody else later, who has shown it");
    Problem::new(Code::LeaseLost, detail, "check out a new seat")
}

fn run_out(lease: LeaseId, over: UnixMs) -> Problem {
    let detail = format!("the ticket of lease {lease} was over at {over}, grace included");
    Problem::new(Code::LeaseLost, detail, "check out a new seat")
}
