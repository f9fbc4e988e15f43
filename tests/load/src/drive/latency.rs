//! How long answers took.

use std::time::Duration;

use anyhow::Result;
use leasehold_clock::Stopwatch;

use crate::amount::amount;

/// Durations, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency(Vec<Duration>);

impl Latency {
    /// Does a piece of work over and over for so long.
    pub(crate) fn of_repeating(lasting: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Self> {
        let clock = Stopwatch::start();
        let (mut latencies, mut began) = (Vec::new(), Duration::ZERO);
        while began < lasting {
            work()?;
            let ended = clock.elapsed();
            latencies.push(ended.saturating_sub(began));
            began = ended;
        }
        Ok(latencies.into_iter().collect())
    }

    /// The least duration that so many percent of all do not exceed; zero if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of at most the count"
        )]
        let rank = (percent / 100.0 * amount(self.0.len() as u64)).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Latency {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let latency: Latency = (1..=200).rev().map(Duration::from_micros).collect();
        for (percent, micros) in [(0.0, 1), (0.5, 1), (0.6, 2), (50.0, 100), (99.0, 198), (100.0, 200)] {
            assert_eq!(latency.percentile(percent), Duration::from_micros(micros), "{percent}");
        }
        assert_eq!(Latency::default().percentile(50.0), Duration::ZERO);
        assert_eq!(Latency::from_iter([Duration::from_secs(1)]).percentile(99.0), Duration::from_secs(1));
    }
}
