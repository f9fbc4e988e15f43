//! Listening and connecting over real sockets, with good peers and with bad ones.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod bounds;
mod drain;
mod reload;
mod rig;
mod trust;
mod wire;
