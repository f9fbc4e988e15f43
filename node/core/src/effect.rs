//! What a core wants done.

use std::sync::Arc;

use leasehold_protocol::api::{Denial, ForceReleaseAnswer, ImportAnswer, RecoverAnswer, SurrenderAnswer};
use leasehold_protocol::artefact::{LeaseTicket, Receipt, RecoverCause, Request};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;

use crate::input::ReplyTo;
use crate::record::Record;

/// One thing to do. The driver keeps the order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write this record. The core has applied it already.
    Record(Record),
    /// Sign this ticket with the frame: the n-th `Sign` of a frame is its leaf n.
    Sign(Arc<LeaseTicket>),
    /// Answer as soon as the record `after` is durable; at once if `after` is 0.
    Reply {
        /// Whom.
        to: ReplyTo,
        /// Not before this is durable.
        after: Seq,
        /// What.
        body: Reply,
    },
    /// Worth a log line or a metric.
    Event(Event),
}

/// The effects of one or more inputs, in order; owned by the driver, filled by the core.
#[derive(Debug, Default)]
pub struct Effects(pub Vec<Effect>);

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A seat is held.
    Seat(Box<SeatReply>),
    /// No seat: a decision.
    Denied(Box<Denial>),
    /// Nothing was decided.
    Refused(Box<Problem>),
    /// Whether there was something to release.
    Released(bool),
    /// The request to sign and hand out.
    Request(Box<Request>),
    /// What an import did.
    Imported(Box<ImportAnswer>),
    /// The receipt to sign and hand out.
    Receipt(Box<Receipt>),
    /// Which seats went back.
    Surrendered(Box<SurrenderAnswer>),
    /// What becomes of the lease that an operator took back.
    ForceReleased(Box<ForceReleaseAnswer>),
    /// The issuer is named.
    IssuerNamed,
    /// It is known from here on.
    Noted,
    /// How RECOVER stands.
    Recovering(Box<RecoverAnswer>),
}

/// A seat that is held, and where its ticket's signature is.
#[derive(Clone, Debug)]
pub struct SeatReply {
    /// How it was allowed.
    pub code: Code,
    /// The lease.
    pub lease: LeaseId,
    /// Fencing number.
    pub epoch: u64,
    /// The pool.
    pub pool: PoolId,
    /// Its seats; empty for an unlimited pool.
    pub slots: SlotSet,
    /// How many seats.
    pub count: u32,
    /// SKU.
    pub product: String,
    /// Life from grant or last renewal.
    pub ttl_ms: i64,
    /// Service time since then, rounded up.
    pub age_ms: i64,
    /// The newest ticket.
    pub ticket: Arc<LeaseTicket>,
    /// Where its signature is.
    pub place: TicketPlace,
    /// Digest of the chain that proves it.
    pub chain: Digest,
}

/// Where a ticket's leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketPlace {
    /// First seq of the frame that signed it.
    pub frame: Seq,
    /// Index among the frame's leaves.
    pub leaf: u16,
}

/// Something worth telling operators.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A checkout or renewal was denied.
    Denied {
        /// Which pool, if one was chosen.
        pool: Option<PoolId>,
        /// Why.
        code: Code,
    },
    /// An artefact was refused.
    ArtefactRefused {
        /// Why.
        code: Code,
        /// In words.
        detail: String,
    },
    /// A bundle is in force.
    BundleApplied {
        /// Which.
        digest: Digest,
    },
    /// The ledger may have regressed: no seat is given.
    RecoverEntered {
        /// What shows it.
        cause: RecoverCause,
    },
    /// An operator attests that no copy of the node runs.
    RecoverAttested,
    /// A lease goes on by its ticket.
    TicketAdopted {
        /// Which.
        lease: LeaseId,
    },
    /// Seats are given again.
    RecoverEnded,
    /// The issuer has heard something else from this node.
    Forked {
        /// The newest report that it knows.
        report_seq: u64,
    },
    /// The node runs on another machine than before.
    Moved,
    /// A signed time is too far ahead to be believed without somebody's word.
    TimeKeptAside {
        /// What it says.
        earliest: UnixMs,
        /// What the node holds it against.
        best: UnixMs,
    },
    /// The wall clock contradicts proven time or the running time.
    ClockSuspect {
        /// What it says.
        wall: UnixMs,
        /// Proven time.
        floor: UnixMs,
        /// In words.
        cause: String,
    },
    /// It no more does.
    ClockHealed {
        /// What it says.
        wall: UnixMs,
        /// Proven time.
        floor: UnixMs,
    },
}
