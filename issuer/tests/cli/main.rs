//! The real program, driven as a vendor drives it.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod carrying;
mod keys;
mod rig;
mod selling;
mod state;
