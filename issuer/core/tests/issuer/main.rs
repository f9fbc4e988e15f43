//! Scenarios of the issuer's core: commands in, facts or refusals out, and always the same state from replay.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod amendments;
mod api_keys;
mod bounds;
mod bundles;
mod clock;
mod exchange;
mod heads;
mod idempotency;
mod names;
mod node;
mod recover;
mod releases;
mod replay;
mod revocations;
mod rig;
mod seats;
mod selling;
mod source;
