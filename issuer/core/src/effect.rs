//! What the core wants done.

use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;

use crate::command::ReplyTo;
use crate::fact::Fact;

/// One thing to do. The driver keeps the order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write this fact. The core has applied it already.
    Record(Box<Fact>),
    /// Answer as soon as the record `after` is durable; at once if it is [`Seq::NONE`].
    Reply {
        /// Whom.
        to: ReplyTo,
        /// Not before this is durable.
        after: Seq,
        /// What.
        body: Reply,
    },
}

/// The effects of one or more inputs, in order; owned by the driver, filled by the core.
#[derive(Debug, Default)]
pub struct Effects(pub Vec<Effect>);

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is done; the fact says what.
    Done {
        /// Which record.
        seq: Seq,
    },
    /// It was done before under the same idempotency key.
    DoneBefore {
        /// By which record.
        seq: Seq,
    },
    /// It is not done.
    Refused(Box<Problem>),
}
