//! Leasehold protocol.
pub mod code;
pub mod problem;
pub mod time;
