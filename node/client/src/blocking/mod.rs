//! The same SDK for applications without an async runtime.
//!
//! No call needs a runtime around it, and none minds one. Calls may come from any number of threads at once; each waits
//! for its answer. One thread of its own, which every [`Client`] has, keeps all seats of that client and calls the
//! listeners of [`Checkout`](crate::Checkout): they must return at once, and cannot ask the client that calls them.
//!
//! ```no_run
//! use leasehold_client::{Checkout, Client, TrustRoot};
//!
//! # fn work() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # const ROOT: &[u8] = b"";
//! let client = Client::builder(TrustRoot::pin(ROOT)?)
//!     .address("https://node.plant.example:7580".parse()?)
//!     .build_blocking()?;
//!
//! let seat = client.checkout(Checkout::product("cad").on_lost(|| eprintln!("stop: the seat is lost")))?;
//! while seat.is_live() {
//!     work(); // a few seconds at a time
//! }
//! seat.release()?; // dropping it does the same, without waiting
//! # Ok(())
//! # }
//! ```
//!
//! A seat that is dropped is given back by the client's thread. Whoever drops the last handle of a client (the client
//! itself, or a seat of it) waits for that, at most [`limits::FAREWELL`](crate::limits::FAREWELL).

mod background;
mod client;
mod seat;

pub use client::Client;
pub use seat::Seat;
