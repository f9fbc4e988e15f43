//! Listening and connecting: sockets, TLS 1.3 and HTTP, with every bound that a hostile network asks for.
//!
//! Nothing here decides about seats, verifies artefacts or knows who may do what: a request comes with the [`Peer`] that
//! sent it, as the transport proved it, and the service decides. No certificate authority is trusted unless a file names
//! it, no system store is read, no TLS below 1.3 is spoken, no session is resumed (so that a reload holds for every
//! connection after it), no proxy or redirect is followed.
//!
//! * [`Endpoint`]: one listening socket and what it serves, under [`Bounds`], until it drains.
//! * [`ServerTls`]: who a service is, in TLS; reloaded while it runs. [`ClientTls`]: whom a client believes.
//! * [`Connection`]: HTTP/1.1 to an [`Address`]. [`ConnectError`] says why there is none.
//! * [`body`], [`Refusal`], [`Surround`]: what both services do with every request. [`readiness`]: whether they can.

mod activity;
mod address;
pub mod body;
mod connect;
mod connection;
pub mod limits;
mod listen;
mod peer;
mod peer_count;
mod rate;
mod readiness;
mod refusal;
mod serve;
mod surround;
mod tls;
pub mod unix_socket;

pub use address::{Address, AddressError};
pub use connect::{ConnectError, Timeouts};
pub use connection::{Connection, ExchangeError};
pub use listen::{ListenError, bind_tcp};
pub use peer::{Identity, Peer, PeerAddress, Vouching};
pub use rate::RateLimit;
pub use readiness::{Check, readiness};
pub use refusal::Refusal;
pub use serve::{Bounds, Endpoint, Listener};
pub use surround::{HttpService, Surround};
pub use tls::{
    CertificateFiles, ClientTls, ClientTlsError, NotATlsKey, ServerFiles, ServerKey, ServerTls, TlsFileError,
    TlsKey,
};
