//! What tests of several packages share: a vendor that signs whatever a test wants signed, and
//! readers of metrics and of sources.
//!
//! There is no judgement here. Tests that need a wrong bundle ask for one.

pub mod openmetrics;
pub mod source;
pub mod vendor;
