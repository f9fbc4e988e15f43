//! What is known of the issuer's reachability, for status and metrics.

use std::sync::{Mutex, PoisonError};

use leasehold_protocol::code::Code;

/// How the last try went.
#[derive(Debug, Default)]
pub(crate) struct Reach(Mutex<Option<Result<(), Code>>>);

impl Reach {
    /// Notes how a try went. Whether that is news.
    pub(super) fn found(&self, failed: Option<Code>) -> bool {
        let now = Some(failed.map_or(Ok(()), Err));
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *last, now) != now
    }

    /// Whether the last try reached the issuer; none before the first try.
    pub(crate) fn is_reachable(&self) -> Option<bool> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|tried| tried.is_ok())
    }

    /// Why the last try did not reach it.
    pub(crate) fn failure(&self) -> Option<Code> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.and_then(Result::err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_news() {
        let reach = Reach::default();
        assert_eq!(reach.is_reachable(), None);
        let tries = [Some(Code::Timeout), Some(Code::Timeout), Some(Code::BadSignature), None, None];
        assert_eq!(tries.map(|failed| reach.found(failed)), [true, false, true, true, false]);
        assert_eq!(reach.is_reachable(), Some(true));
    }
}
