//! Pauses between attempts: doubling, bounded, and spread so that clients do not come back together.

use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::time::ClockReading;

use crate::limits::{RETRY_FIRST_MS, RETRY_MAX_MS};
use crate::term::elapsed_ms;

/// When the next attempt is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    failures: u32,
    from: ClockReading,
    delay_ms: i64,
}

impl Retry {
    /// The first attempt, at once.
    pub(crate) const fn at_once(now: &ClockReading) -> Self {
        Self { failures: 0, from: *now, delay_ms: 0 }
    }

    /// The attempt after one that failed. While there are addresses not yet tried in this round, the next is tried at
    /// once; then there is a pause of half to all of its bound.
    pub(crate) fn after_failure(self, now: &ClockReading, addresses: usize, entropy: &mut Entropy) -> Self {
        let failures = self.failures.saturating_add(1);
        let addresses = u32::try_from(addresses.max(1)).unwrap_or(u32::MAX);
        let delay_ms = if failures.is_multiple_of(addresses) {
            let round = (failures / addresses).saturating_sub(1).min(16);
            let bound_ms = (RETRY_FIRST_MS << round).min(RETRY_MAX_MS);
            bound_ms / 2 + entropy.up_to(bound_ms / 2)
        } else {
            0
        };
        Self { failures, from: *now, delay_ms }
    }

    /// The same, but due in `span_ms` at the latest.
    pub(crate) fn within(self, span_ms: i64) -> Self {
        Self { delay_ms: self.delay_ms.min(span_ms.max(0)), ..self }
    }

    pub(crate) fn is_due(&self, now: &ClockReading) -> bool {
        elapsed_ms(&self.from, now) >= self.delay_ms
    }

    /// `CLOCK_BOOTTIME` at which it is due.
    pub(crate) const fn boottime_ms(&self) -> i64 {
        self.from.boottime_ms.saturating_add(self.delay_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let (now, mut entropy) = (ClockReading::default(), Entropy::new([3; 32]));
        let mut retry = Retry::at_once(&now);
        assert!(retry.is_due(&now));
        for bound_ms in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000] {
            retry = retry.after_failure(&now, 1, &mut entropy);
            assert!((bound_ms / 2..=bound_ms).contains(&retry.delay_ms), "{bound_ms}: {}", retry.delay_ms);
        }
        retry.failures = u32::MAX - 1;
        assert!(retry.after_failure(&now, 1, &mut entropy).delay_ms <= RETRY_MAX_MS);
    }

    #[test]
    fn every_address_is_tried_before_a_pause() {
        let (now, mut entropy) = (ClockReading::default(), Entropy::new([3; 32]));
        let mut retry = Retry::at_once(&now);
        let pauses: Vec<bool> = (0..6)
            .map(|_| {
                retry = retry.after_failure(&now, 3, &mut entropy);
                retry.delay_ms > 0
            })
            .collect();
        assert_eq!(pauses, [false, false, true, false, false, true]);
    }
}
