//! What a core wants done.

use leasehold_protocol::api::{CheckoutRequest, Denial};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;

use crate::proven_seat::ProvenSeat;

/// Names one call, so that its answer finds back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Which of the node's addresses, in the order in which they were configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressIndex(pub usize);

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Call the node. There is one call at a time: a later one replaces an earlier one that has no answer yet.
    Send {
        /// Names the answer.
        id: RequestId,
        /// Where.
        address: AddressIndex,
        /// What.
        call: Call,
        /// Without an answer for so long: `TIMEOUT`.
        timeout_ms: i64,
    },
    /// Tell the application.
    Event(Event),
}

/// The effects of one or more inputs, in order; owned by the driver, filled by the core.
#[derive(Debug, Default)]
pub struct Effects(pub Vec<Effect>);

/// A call to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /v1/leases`.
    Checkout(Box<CheckoutRequest>),
    /// `POST /v1/leases/{id}/renew`.
    Renew {
        /// Which lease.
        lease: LeaseId,
        /// How long the seat was not used, as far as the application told.
        idle_ms: Option<i64>,
    },
    /// The same, with the newest ticket: the node does not know the lease by its id alone.
    Show {
        /// Which lease.
        lease: LeaseId,
        /// `lh1_lease_…`
        ticket: String,
        /// The seat is in use: inside its STOP.
        held: bool,
    },
    /// `DELETE /v1/leases/{id}`.
    Release(LeaseId),
    /// `GET /v1/proof/{digest}`.
    Chain(Digest),
}

/// Something the application should know.
#[derive(Clone, Debug)]
pub enum Event {
    /// There is a seat, proved and live.
    Acquired(Box<ProvenSeat>),
    /// It lives on.
    Renewed(Box<ProvenSeat>),
    /// A renewal failed for the first time since the last good one; the seat is still live.
    Warning {
        /// What happened.
        cause: Box<Problem>,
        /// Until STOP.
        stop_in_ms: i64,
    },
    /// The seat must not be used any more; the core tries to get one again.
    Lost,
    /// There is a seat again: the same lease, or a new one.
    Regained(Box<ProvenSeat>),
    /// No seat, decided. The core is done.
    Denied(Box<Denial>),
    /// No seat, and no decision either. The core is done.
    Failed(Box<Problem>),
    /// The seat was given back, or there was none. The core is done.
    Released(bool),
}
