//! How long to wait after a failure: longer each time, and never all nodes at once.

use std::time::Duration;

use crate::limits;

/// The pauses between tries.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    failures: u32,
}

impl Pause {
    /// The next try may come at once.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now: doubled with each failure in a row, between half and all of it by `chance`.
    pub(crate) fn after_failure(&mut self, chance: u32) -> Duration {
        let doubled = limits::CONTACT_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        spread(doubled.min(limits::CONTACT_PAUSE_MAX), chance)
    }
}

/// Between half of `span` and all of it, by `chance`.
fn spread(span: Duration, chance: u32) -> Duration {
    let half = span / 2;
    half.saturating_add(half.mul_f64(f64::from(chance) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_success() {
        let mut pause = Pause::default();
        let longest: Vec<_> = (0..20).map(|_| pause.after_failure(u32::MAX)).collect();
        assert_eq!(longest[0], limits::CONTACT_PAUSE);
        assert_eq!(longest[1], limits::CONTACT_PAUSE * 2);
        assert!(longest.is_sorted() && longest.last() == Some(&limits::CONTACT_PAUSE_MAX));
        pause.reset();
        assert_eq!(pause.after_failure(0), limits::CONTACT_PAUSE / 2);
    }

    #[test]
    fn a_pause_is_at_least_half() {
        let mut pause = Pause { failures: 30 };
        for chance in [0, 1, u32::MAX / 2, u32::MAX] {
            let waited = pause.after_failure(chance);
            assert!(limits::CONTACT_PAUSE_MAX / 2 <= waited && waited <= limits::CONTACT_PAUSE_MAX);
        }
    }
}
