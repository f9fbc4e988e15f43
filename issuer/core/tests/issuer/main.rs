//! Scenarios of the issuer's core: commands in, facts or refusals out, and always the same state from replay.

mod bounds;
mod bundles;
mod clock;
mod idempotency;
mod names;
mod node;
mod replay;
mod rig;
mod seats;
mod selling;
