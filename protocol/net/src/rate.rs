//! How often each identity may ask.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// What an identity may ask in a burst, in seconds of its rate.
const BURST: Duration = Duration::from_secs(1);

/// Lets each identity ask at a rate, with bursts of a second's worth (GCRA).
#[derive(Debug)]
pub struct RateLimit<K> {
    interval: Duration,
    /// When each identity's requests so far would have come, had they come evenly. One in the past is as good as none.
    due: Mutex<BTreeMap<K, Instant>>,
}

impl<K: Ord> RateLimit<K> {
    /// So many requests per second of each identity.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.get(), due: Mutex::default() }
    }

    /// Counts a request of `who`. Too many: how long until the next is allowed.
    pub fn admit(&self, who: K, now: Instant) -> Result<(), Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= limits::RATED_IDENTITIES {
            due.retain(|_, due| *due > now);
            if due.len() >= limits::RATED_IDENTITIES && !due.contains_key(&who) {
                // Those who ask must not suffer for those who only appear; the bounds of the whole hold.
                return Ok(());
            }
        }
        let next = due.entry(who).or_insert(now);
        let wait = (*next + self.interval).saturating_duration_since(now + BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        *next = (*next).max(now) + self.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_holds_for_each_identity_alone() {
        let rate = RateLimit::new(NonZeroU32::new(10).unwrap());
        let start = Instant::now();
        for number in 1..=10 {
            assert_eq!(rate.admit("ann", start), Ok(()), "{number}");
        }
        assert_eq!(rate.admit("ann", start), Err(Duration::from_millis(100)));
        assert_eq!(rate.admit("bob", start), Ok(()));
        let later = start + Duration::from_millis(100);
        assert_eq!(rate.admit("ann", later), Ok(()));
        assert!(rate.admit("ann", later).is_err());
        let minute = start + Duration::from_mins(1);
        assert_eq!((0..20).filter(|_| rate.admit("ann", minute).is_ok()).count(), 10, "no more than a burst");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let rate = RateLimit::new(NonZeroU32::new(1).unwrap());
        let start = Instant::now();
        for who in 0..=limits::RATED_IDENTITIES {
            assert_eq!(rate.admit(who, start), Ok(()));
        }
        assert_eq!(rate.due.lock().unwrap().len(), limits::RATED_IDENTITIES);
        assert!(rate.admit(0, start).is_err(), "who is known is still counted");
        assert!(rate.admit(limits::RATED_IDENTITIES, start).is_ok(), "the one too many is not");
        assert_eq!(rate.admit(0, start + Duration::from_secs(2)), Ok(()));
        assert_eq!(rate.due.lock().unwrap().len(), 1, "the past is forgotten");
    }
}
