//! Histories of concurrent applications against a real node that is killed and started again are linearizable: there is
//! an order of all operations, between the begin and the end of each, in which a pool that does one thing at a time gives
//! the same answers. What was asked and never answered may have taken effect at any time since, or not at all.

mod campaign;
mod check;
mod history;
mod pool;
