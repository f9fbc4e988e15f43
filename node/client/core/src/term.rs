//! How long a seat may be used, by the application's own clocks.

use leasehold_protocol::api;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::time::ClockReading;

use crate::limits::{T1_JITTER_PERCENT, T1_PERCENT, T2_PERCENT};

/// The time from one proved answer of the node to STOP. It is a value: whoever holds it can ask it at each use.
///
/// It begins when the request was *sent*, not when its answer came, and `age_ms` of it are gone already. STOP is at
/// 0.80 of the TTL, so that a seat is out of use before the node may give it to somebody else (TTL + 0.10), even if
/// both clocks run wrong by 15 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    sent: ClockReading,
    ttl_ms: i64,
    age_ms: i64,
    t1_ms: i64,
}

impl Term {
    /// The term that the answer to a request sent at `sent` promises. A negative age is none.
    pub(crate) fn new(sent: ClockReading, ttl_ms: i64, age_ms: i64, entropy: &mut Entropy) -> Self {
        let t1_ms = percent(ttl_ms, T1_PERCENT);
        let spread_ms = percent(t1_ms, T1_JITTER_PERCENT);
        let jitter_ms = entropy.up_to(spread_ms.saturating_mul(2)).saturating_sub(spread_ms);
        Self { sent, ttl_ms, age_ms: age_ms.max(0), t1_ms: t1_ms.saturating_add(jitter_ms) }
    }

    /// Whether the seat may be used at `now`: STOP has not come.
    pub fn is_live(&self, now: &ClockReading) -> bool {
        self.stop_in_ms(now) > 0
    }

    /// Milliseconds to STOP; 0 or less: stop.
    pub fn stop_in_ms(&self, now: &ClockReading) -> i64 {
        api::stop_in_ms(self.ttl_ms, self.elapsed_ms(now))
    }

    /// Milliseconds of the TTL that are left, not below 0.
    pub fn expires_in_ms(&self, now: &ClockReading) -> i64 {
        self.ttl_ms.saturating_sub(self.elapsed_ms(now)).max(0)
    }

    /// The granted TTL.
    pub const fn ttl_ms(&self) -> i64 {
        self.ttl_ms
    }

    /// How much of the TTL has passed at `now`.
    pub fn elapsed_ms(&self, now: &ClockReading) -> i64 {
        elapsed_ms(&self.sent, now).saturating_add(self.age_ms)
    }

    /// T1 has come: renew.
    pub(crate) fn is_at_t1(&self, now: &ClockReading) -> bool {
        self.elapsed_ms(now) >= self.t1_ms
    }

    /// T2 has come: any address will do.
    pub(crate) fn is_at_t2(&self, now: &ClockReading) -> bool {
        self.elapsed_ms(now) >= percent(self.ttl_ms, T2_PERCENT)
    }

    /// `CLOCK_BOOTTIME` of T1, unless the wall clock jumps.
    pub(crate) fn t1_boottime_ms(&self) -> i64 {
        self.boottime_ms(self.t1_ms)
    }

    /// `CLOCK_BOOTTIME` of STOP, unless the wall clock jumps.
    pub(crate) fn stop_boottime_ms(&self) -> i64 {
        self.boottime_ms(api::stop_in_ms(self.ttl_ms, 0))
    }

    /// Of two terms for one ticket the one that stops first.
    pub(crate) fn sooner(self, other: Self, now: &ClockReading) -> Self {
        if other.stop_in_ms(now) < self.stop_in_ms(now) { other } else { self }
    }

    fn boottime_ms(&self, elapsed_ms: i64) -> i64 {
        self.sent.boottime_ms.saturating_add(elapsed_ms).saturating_sub(self.age_ms)
    }
}

/// Time from `then` to `now` by whichever clock says more: BOOTTIME counts suspends, the wall clock counts what a
/// paused virtual machine misses, and a wall clock that jumps ahead only makes the seat renew or stop early. Another
/// boot: for ever.
pub(crate) fn elapsed_ms(then: &ClockReading, now: &ClockReading) -> i64 {
    if then.boot_id != now.boot_id {
        return i64::MAX;
    }
    let boottime_ms = now.boottime_ms.saturating_sub(then.boottime_ms);
    boottime_ms.max(now.wall_ms.since(then.wall_ms)).max(0)
}

const fn percent(span_ms: i64, percent: i64) -> i64 {
    span_ms.saturating_mul(percent) / 100
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::time::{BootId, UnixMs};

    use super::*;

    fn reading(boottime_ms: i64, wall_ms: i64) -> ClockReading {
        ClockReading { boottime_ms, wall_ms: UnixMs(wall_ms), ..ClockReading::default() }
    }

    fn term(age_ms: i64) -> Term {
        Term::new(reading(1_000, 50_000), 100_000, age_ms, &mut Entropy::new([0; 32]))
    }

    #[test]
    fn stop_is_at_four_fifths_from_sending() {
        for (boottime_ms, live) in [(1_000, true), (80_999, true), (81_000, false), (i64::MAX, false)] {
            assert_eq!(term(0).is_live(&reading(boottime_ms, 50_000)), live, "{boottime_ms}");
        }
    }

    #[test]
    fn age_counts_and_a_negative_one_does_not() {
        for (age_ms, stop_in_ms) in [(0, 80_000), (30_000, 50_000), (80_000, 0), (-5_000, 80_000)] {
            assert_eq!(term(age_ms).stop_in_ms(&reading(1_000, 50_000)), stop_in_ms, "{age_ms}");
        }
        assert!(!term(i64::MAX).is_live(&reading(1_000, 50_000)));
    }

    #[test]
    fn the_clock_that_says_more_decides() {
        for (boottime_ms, wall_ms, elapsed) in [
            (2_000, 51_000, 1_000),
            (2_000, 60_000, 10_000),
            (2_000, 0, 1_000),
            (900, 40_000, 0),
            (2_000, i64::MAX, i64::MAX - 50_000),
        ] {
            let now = reading(boottime_ms, wall_ms);
            assert_eq!(elapsed_ms(&reading(1_000, 50_000), &now), elapsed, "{now:?}");
        }
    }

    #[test]
    fn another_boot_ends_the_term() {
        let now = ClockReading { boot_id: BootId([1; 16]), ..reading(1_001, 50_001) };
        assert!(!term(0).is_live(&now));
    }

    #[test]
    fn t1_is_spread_by_a_tenth_to_both_sides() {
        let t1s: Vec<i64> = (0..=255)
            .map(|seed| Term::new(reading(0, 0), 100_000, 0, &mut Entropy::new([seed; 32])).t1_ms)
            .collect();
        let (min, max) = (t1s.iter().min().unwrap(), t1s.iter().max().unwrap());
        assert!((45_000..45_500).contains(min) && (54_500..=55_000).contains(max), "{min} {max}");
    }

    #[test]
    fn the_sooner_of_two_terms() {
        let now = reading(1_000, 50_000);
        assert_eq!(term(0).sooner(term(10), &now).stop_in_ms(&now), 79_990);
        assert_eq!(term(10).sooner(term(0), &now).stop_in_ms(&now), 79_990);
    }
}
