//! The program as customers run it: real processes, real sockets, real disks.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod commands;
mod daemon;
mod doctor;
mod events;
mod exchange;
mod health;
mod input;
mod issuer;
mod metrics;
mod network;
mod returns;
mod rig;
mod seats;
mod service;
mod snapshots;
mod vendor;
