//! The Rust SDK of Leasehold: check out a seat, keep it alive, know when to stop, give it back.
//!
//! There is no decision here: what a seat is worth, when to renew and when to stop is decided by the pure core
//! (`leasehold-client-core`); this crate carries its calls to a node and reads the clocks. There is no trust in an
//! HTTP 200 either: a seat is proved by signatures from the trust root down, or it is none. Nothing is written to disk.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use leasehold_client::{Checkout, Client, TrustRoot};
//!
//! # async fn work() {}
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The vendor's root key is compiled into the application: the only thing it trusts.
//! # const ROOT: &[u8] = b"";
//! let client = Client::builder(TrustRoot::pin(ROOT)?).address("https://node.plant.example:7580".parse()?).build()?;
//!
//! let wish = Checkout::product("cad")
//!     .feature("render")
//!     .wait(Duration::from_secs(60))
//!     .on_warning(|warning| eprintln!("save your work: {warning}"));
//! let seat = client.checkout(wish).await?;
//! while seat.is_live() {
//!     work().await; // a few seconds at a time
//! }
//! seat.release().await?; // dropping it does the same, without waiting
//! # Ok(())
//! # }
//! ```
//!
//! A seat is kept by a task of the tokio runtime; [`blocking`] is the same SDK for applications without one. Its use must
//! end at STOP, which [`Seat::is_live`] compares with the clock at each call, so it is right after a suspend, too. Between
//! two calls of it the application is on its word: ask before each piece of work, and keep the pieces short.
//!
//! A node at an `https://` address is asked nothing, and shown no key, before it proved by the trust root that it is a node
//! of the vendor and that the connection is made with its key ([`leasehold_client_core::prove_node`]). No authority is
//! asked about that, unless [`ClientBuilder::ca`] names one, and nothing turns it off.

mod bearer_key;
pub mod blocking;
mod checkout;
mod client;
mod connection;
mod driver;
mod error;
mod holder;
pub mod limits;
mod reach;
mod seat;

pub use bearer_key::{BearerKey, NotABearerKey};
pub use checkout::{Checkout, Warning};
pub use client::{Client, ClientBuilder, node_status};
pub use error::Error;
pub use holder::default_holder;
pub use leasehold_client_core::{ProvenSeat, Term};
pub use leasehold_net::{Address, AddressError};
/// The words that node and application share: ids, codes, problems, artefacts.
pub use leasehold_protocol as protocol;
pub use leasehold_protocol::trust_root::TrustRoot;
pub use seat::{Seat, SeatState};
