//! What a core is asked and told.

use leasehold_protocol::api::{ChainAnswer, CheckoutRequest, Decision};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;

use crate::effect::RequestId;

/// What a core is made for.
#[derive(Clone, Debug)]
pub enum Task {
    /// Get a seat and keep it.
    Checkout(Box<CheckoutRequest>),
    /// Renew a lease that somebody checked out, and keep it.
    Renew(LeaseId),
    /// Give a lease back.
    Release(LeaseId),
}

/// How long to go on before there is a seat. Once there is one, it is kept until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Without any definite answer for so long: give up.
    pub timeout_ms: i64,
    /// Denied because no seat is free for so long: take the denial.
    pub wait_ms: i64,
}

/// One input of the core.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin, or look at the clock again.
    Tick,
    /// A call came to its end.
    Answer {
        /// Which call.
        to: RequestId,
        /// What came back.
        answer: Answer,
    },
    /// The application uses the seat at this moment. Who never says so is taken to use it always.
    Used,
    /// The application wants the seat no more.
    Release,
}

/// What came back from a node, unverified. Each call has an answer: what fails is a problem.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To a checkout or renewal.
    Decision(Box<Decision>),
    /// To the question for a chain.
    Chain(Box<ChainAnswer>),
    /// To a release: whether there was something to release.
    Released(bool),
    /// Nothing was decided. `UNREACHABLE` or `TIMEOUT` if nobody answered, or nothing that could be understood.
    Problem(Box<Problem>),
    /// Nothing was asked: whoever is at the address did not prove to be a node of the vendor.
    Unproven(Box<Problem>),
}
