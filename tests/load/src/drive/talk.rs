//! What one connection says and hears.

use anyhow::Result;

/// What a request was for; latencies are kept apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Checkout,
    Denial,
    Hello,
    Poll,
    Release,
    Renew,
    /// Part of an operation that takes several calls: only the last of them counts.
    Step,
    Sync,
}

/// The conversation of one connection, whatever the protocol.
pub(crate) trait Talk: Send + 'static {
    /// Appends the next request, or nothing if there is none. While `closing`, only what was begun is finished.
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation>;

    /// Judges the answer once all of it is there, and says how many bytes it has. An answer that is not the one that
    /// the request must have is an error: what answers wrongly has no speed.
    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>>;
}
