//! The load generator: closed loop, keep-alive, one thread.
//!
//! Each connection sends its next request when the answer to the last one has come. Requests are bytes made by hand and
//! of an answer only what is asked of it is read, so that the generator takes as little as it can of the machine that
//! it shares with the server.

mod exchange;
mod herd;
pub(crate) mod http;
mod latency;
mod load;
mod talk;
mod tls;
mod wire;

pub(crate) use herd::{Arrival, Met};
pub(crate) use latency::Latency;
pub(crate) use load::{Generator, Load, Measured};
pub(crate) use talk::{Operation, Talk};
pub(crate) use tls::node_key;
pub(crate) use wire::{Place, Wire};
