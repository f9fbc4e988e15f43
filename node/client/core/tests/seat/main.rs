//! What an application is told about its seat, by clock and answer.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

#[path = "../vendor/mod.rs"]
mod vendor;

mod clocks;
mod identities;
mod proofs;
mod rig;
mod troubles;
