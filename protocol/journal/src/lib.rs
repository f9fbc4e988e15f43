//! The journal: an append-only, hash-chained sequence of records, durable before anybody learns of them.
//!
//! This crate knows no core: a record is bytes. It reads no clock (times come in with a frame's stamp), makes no
//! random number, signs nothing, and never retries or repairs: a failed write ends the use of a journal, and bytes
//! that are not what an honest crash leaves are refused.
//!
//! * [`frame`]: one group commit as bytes, exactly.
//! * [`chain`]: what links the frames, from the [`chain::Genesis`] on.
//! * [`home`]: the trait of the places where frames are kept.
//! * [`file`](mod@file): the home in a directory of segment files.

pub mod chain;
pub mod error;
#[cfg(feature = "file")]
pub mod file;
pub mod frame;
pub mod home;
pub mod limits;

pub use chain::{Chain, Genesis, Tail};
pub use error::JournalError;
#[cfg(feature = "file")]
pub use file::FileHome;
pub use frame::Frame;
pub use home::{Draft, Home};
