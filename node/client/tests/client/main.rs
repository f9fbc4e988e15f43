//! The SDK and the `leasehold` command against a node that answers what tests say, with real signatures.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

#[path = "../../core/tests/vendor/mod.rs"]
mod vendor;

mod blocking_seat;
mod checkout;
mod door;
mod fake_node;
mod held_seat;
mod offline;
mod program;
mod run;
mod tls;
