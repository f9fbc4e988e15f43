//! The client's core: what an application may believe about its seat, as a pure state machine.
//!
//! There is no clock, socket, task or randomness here: readings, entropy and answers come in as arguments, calls to
//! the node and events for the application go out as [`Effect`]s, and the only timer is [`SeatCore::next_deadline`].
//! Nothing is believed that a signature chain from the trust root does not prove, and nothing but the application's own
//! clocks ends or prolongs the use of a seat: an answer that did not come ("unknown") does neither.
//!
//! One [`SeatCore`] looks after one seat: checkout, renewals at T1 and T2, STOP, loss, checkout anew, release. Whether
//! there is a node of the vendor at the other end of a connection at all, [`prove_node`] says.

mod chain;
mod effect;
mod input;
pub mod limits;
mod node_identity;
mod proven_seat;
mod retry;
mod seat_core;
mod term;

pub use effect::{AddressIndex, Call, Effect, Effects, Event, RequestId};
pub use input::{Answer, Input, Patience, Task};
pub use node_identity::{ConnectionKey, NotProven, prove_node};
pub use proven_seat::ProvenSeat;
pub use seat_core::SeatCore;
pub use term::Term;
