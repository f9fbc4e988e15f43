//! Leasehold protocol.
pub mod time;
