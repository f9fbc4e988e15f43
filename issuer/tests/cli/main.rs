//! The real program, driven as a vendor drives it.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod carrying;
mod keys;
mod revoking;
mod rig;
mod selling;
mod state;
