//! The issuer as a service: the real program, asked over TLS and at its admin socket.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod contract;
mod doctor;
mod headers;
#[path = "../cli/rig.rs"]
mod issuer;
mod keys;
mod life;
mod metrics;
mod nodes;
mod retries;
mod service;
mod ways;
