//! What the machine can do at best, measured in the same run as what it is compared with.

pub(crate) mod disk;
pub(crate) mod hello;
pub(crate) mod signature;
