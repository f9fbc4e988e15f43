//! The node's core: a pure ledger of seat leases.
//!
//! There is no IO here, no clock, no randomness, no thread, no async and no `HashMap`: the shell reads clocks and
//! draws entropy, hands both in with each input, makes the records durable and then sends the replies. What is decided
//! here is a fold over the journal: replaying [`NodeCore::stamp`] and [`NodeCore::apply`] gives the same state.
//!
//! `NodeCore::handle` is the only place where seats are given; `promise` says how long a row may promise, `seats`
//! which slots, `clock` what time it may be.

mod adoption;
mod checkout;
mod clock;
mod clock_report;
mod contact;
mod core;
mod denial;
mod effect;
mod ended;
mod ends;
mod forced_release;
mod fork;
mod import;
mod input;
mod interner;
mod lease;
mod lease_table;
mod ledger;
pub mod limits;
mod linger;
mod machine;
mod no_promise;
mod promise;
mod provision;
mod quarantine;
mod receipt;
mod record;
mod recover;
mod release;
mod renewal;
mod request;
mod revocation;
mod room;
mod rules;
mod saved_provision;
mod seats;
mod signed_time;
mod snapshot;
mod status;
mod surrender;
mod taken;
mod trust;
mod usage;
mod wish;

pub use crate::core::{NodeCore, ReplayError};
pub use clock_report::ClockWidths;
pub use contact::{Contact, NamedIssuer};
pub use effect::{Effect, Effects, Event, Reply, SeatReply, TicketPlace};
pub use ends::{Ends, PoolEnds};
pub use input::{Cause, Checkout, Initialise, Input, Principal, ReplyTo, Shown};
pub use leasehold_protocol::entropy::Entropy;
pub use leasehold_protocol::seq::Seq;
pub use machine::Machine;
pub use record::{EndCause, LeaseGranted, Record, ReleaseCause, Way};
pub use rules::Rules;
pub use snapshot::{RestoreError, STATE_VERSION};
