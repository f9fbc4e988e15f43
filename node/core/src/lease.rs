//! A lease that has not ended. There may be a million, so each fact is here once, and what many share is a number.

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{SvcMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::effect::TicketPlace;
use crate::limits;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::LeaseGranted;
use crate::rules::Rules;

/// Who has a lease that has not ended, beside what its deadline and its pool make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// Its holder, as far as anybody knows.
    Held,
    /// Nobody: it was given back, and its seat waits for the same user and host.
    Released,
    /// Its holder, whom the operator lets have it to the end of its promise.
    Forced,
}

/// A lease that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    /// Idempotency key of its checkout.
    pub(crate) key: [u8; 16],
    /// Of the parameters the key stands for.
    pub(crate) params_hash: [u8; 8],
    /// Its seats; empty for an unlimited pool.
    pub(crate) slots: SlotSet,
    /// Fencing number.
    pub(crate) epoch: u64,
    /// Seq of its grant: its journal-local name.
    pub(crate) grant: Seq,
    /// Bounds of true time at its grant or last renewal.
    pub(crate) issued: (UnixMs, UnixMs),
    /// Wall clock of its grant, for people.
    pub(crate) acquired_at: UnixMs,
    /// Where its newest ticket is signed: the frame, and below the leaf.
    frame: Seq,
    /// End of the promise.
    deadline: SvcMs,
    /// How long before its end it was promised.
    ttl_ms: u32,
    /// How long after its end the seat is nobody else's.
    reclaim_after_ms: i32,
    /// Interned: who may renew and release it.
    pub(crate) principal: u32,
    /// Interned.
    pub(crate) holder: u32,
    /// Interned.
    pub(crate) features: u32,
    /// How many seats.
    pub(crate) count: u32,
    /// Life that was wished for.
    pub(crate) wish_ttl_ms: u32,
    pub(crate) pool: PoolIndex,
    /// The row it is under now.
    pub(crate) row: RowIndex,
    leaf: u16,
    /// As in the ticket.
    flags: u8,
    standing: Standing,
}

/// What a holder was told, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// When.
    pub(crate) since: SvcMs,
    /// Until when.
    pub(crate) deadline: SvcMs,
    /// From when on the seat may be given to somebody else.
    pub(crate) reclaim_at: SvcMs,
    /// Where the ticket that says so is signed.
    pub(crate) place: TicketPlace,
}

impl Lease {
    /// A lease as its grant says.
    pub(crate) fn new(grant: Seq, granted: &LeaseGranted, promise: Promise, acquired_at: UnixMs) -> Self {
        let mut lease = Self {
            id: granted.lease,
            key: granted.key,
            params_hash: granted.params_hash,
            slots: granted.slots.clone(),
            epoch: granted.epoch,
            grant,
            issued: (granted.issued_floor, granted.issued_hi),
            acquired_at,
            frame: Seq::NONE,
            deadline: SvcMs(0),
            ttl_ms: 0,
            reclaim_after_ms: 0,
            principal: 0,
            holder: granted.holder,
            features: granted.features,
            count: granted.count,
            wish_ttl_ms: granted.wish_ttl_ms,
            pool: granted.pool,
            row: granted.allocation,
            leaf: 0,
            flags: 0,
            standing: Standing::Held,
        };
        lease.set_flags(granted.flags);
        lease.promise(promise);
        lease
    }

    /// Makes this the promise that holds. Lives are a day at most, so spans of time need few bytes.
    pub(crate) fn promise(&mut self, promise: Promise) {
        let Promise { since, deadline, reclaim_at, place } = promise;
        self.deadline = deadline;
        self.ttl_ms = deadline.since(since).try_into().unwrap_or(u32::MAX);
        self.reclaim_after_ms = reclaim_at.since(deadline).try_into().unwrap_or(i32::MAX);
        (self.frame, self.leaf) = (place.frame, place.leaf);
    }

    /// As in the ticket.
    pub(crate) fn flags(&self) -> u16 {
        self.flags.into()
    }

    /// What tickets can say fits into a byte.
    pub(crate) fn set_flags(&mut self, flags: u16) {
        self.flags = flags.try_into().unwrap_or(0);
    }

    /// Who has it.
    pub(crate) const fn standing(&self) -> Standing {
        self.standing
    }

    /// Its holder has it no more: until then its seat waits for the same user and host.
    pub(crate) fn linger(&mut self, until: SvcMs) {
        self.standing = Standing::Released;
        self.reclaim_after_ms = until.since(self.deadline).try_into().unwrap_or(0);
    }

    /// It ends with its promise, which stands.
    pub(crate) fn force(&mut self, rules: Rules) {
        self.standing = Standing::Forced;
        if !rules.forced_leases_are_counted {
            self.reclaim_after_ms = i32::MIN;
        }
    }

    /// When its grant or last renewal was.
    pub(crate) fn since(&self) -> SvcMs {
        self.deadline.plus(self.ttl_ms().saturating_neg())
    }

    /// Life from then on.
    pub(crate) fn ttl_ms(&self) -> i64 {
        self.ttl_ms.into()
    }

    /// End of the promise.
    pub(crate) const fn deadline(&self) -> SvcMs {
        self.deadline
    }

    /// From when on the seat may be given to somebody else: the latest deadline + G of all its promises.
    pub(crate) fn reclaim_at(&self) -> SvcMs {
        self.deadline.plus(self.reclaim_after_ms.into())
    }

    /// Whether the seat may be given to somebody else: svc ≥ deadline + G.
    pub(crate) fn has_run_out(&self, svc: SvcMs) -> bool {
        self.reclaim_at() <= svc
    }

    /// Where its newest ticket is signed.
    pub(crate) const fn place(&self) -> TicketPlace {
        TicketPlace { frame: self.frame, leaf: self.leaf }
    }
}

/// Server grace G: a tenth of the life, at least five seconds.
pub(crate) fn grace_ms(ttl_ms: i64) -> i64 {
    (ttl_ms / 10).max(limits::GRACE_MIN_MS)
}
