//! The clocks of one machine: an oscillator with a rate error, NTP slewing it, a wall clock that is off and jumps.

use leasehold_protocol::time::{BootId, ClockReading, UnixMs};
use leasehold_tests::vendor::NOW;

use crate::rng::Rng;

/// True time: microseconds since the beginning of the run. No core ever sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrueUs(pub(crate) i64);

impl TrueUs {
    pub(crate) const fn plus(self, span_us: i64) -> Self {
        Self(self.0.saturating_add(span_us))
    }

    pub(crate) const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// On the calendar, cut to the millisecond.
    pub(crate) const fn unix(self) -> UnixMs {
        NOW.plus(self.0.div_euclid(1000))
    }
}

/// Clocks count in picoseconds: parts per million of microseconds.
pub(crate) const PS_PER_MS: i128 = 1_000_000_000;
const MILLION: i64 = 1_000_000;

/// How wrong a machine's clocks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockErrors {
    /// Of the oscillator, which nothing corrects.
    pub(crate) raw_ppm: i64,
    /// What NTP adds to the rate of all other clocks.
    pub(crate) slew_ppm: i64,
    /// Wall clock − true time at the beginning.
    pub(crate) wall_offset_ms: i64,
    /// The kernel says that it is synchronised.
    pub(crate) synced: bool,
}

/// A running machine. Its readings are carried to the moment they are asked for, which never goes back.
#[derive(Clone, Debug)]
pub(crate) struct HostClock {
    errors: ClockErrors,
    at: TrueUs,
    boot_id: BootId,
    raw_ps: i128,
    boottime_ps: i128,
    /// Suspended before the run: BOOTTIME and MONOTONIC cut at different fractions.
    suspended_ps: i128,
    wall_ps: i128,
}

impl HostClock {
    pub(crate) fn new(errors: ClockErrors, at: TrueUs, rng: &mut Rng) -> Self {
        let mut clock = Self {
            errors,
            at,
            boot_id: BootId([0; 16]),
            raw_ps: 0,
            boottime_ps: 0,
            suspended_ps: 0,
            wall_ps: 0,
        };
        clock.boot(rng);
        clock.set_wall_offset(errors.wall_offset_ms);
        clock
    }

    pub(crate) fn read(&mut self, now: TrueUs) -> ClockReading {
        self.advance(now);
        ClockReading {
            boottime_ms: cut(self.boottime_ps),
            mono_ms: cut(self.boottime_ps - self.suspended_ps),
            raw_ms: cut(self.raw_ps),
            wall_ms: UnixMs(cut(self.wall_ps)),
            boot_id: self.boot_id,
            kernel_synced: self.errors.synced,
            maxerror_ms: 500,
            vm_generation_event: false,
        }
    }

    /// BOOTTIME without being cut.
    pub(crate) fn boottime_ps(&mut self, now: TrueUs) -> i128 {
        self.advance(now);
        self.boottime_ps
    }

    /// Off and on again: counters begin anew, the wall clock ran on.
    pub(crate) fn reboot(&mut self, now: TrueUs, rng: &mut Rng) {
        self.advance(now);
        self.boot(rng);
    }

    pub(crate) fn jump_wall_to_offset(&mut self, now: TrueUs, offset_ms: i64) {
        self.advance(now);
        self.set_wall_offset(offset_ms);
    }

    pub(crate) fn slew(&mut self, now: TrueUs, slew_ppm: i64) {
        self.advance(now);
        self.errors.slew_ppm = slew_ppm;
    }

    /// How long true time takes for a span of this clock.
    pub(crate) fn true_span_us(&self, span_ms: i64) -> i64 {
        let rate = MILLION + self.errors.raw_ppm + self.errors.slew_ppm;
        span_ms.saturating_mul(1000).saturating_mul(MILLION) / rate
    }

    fn boot(&mut self, rng: &mut Rng) {
        self.boot_id = BootId(rng.bytes());
        self.raw_ps = i128::from(rng.between(0, 20_000_000)) * 1_000_000;
        self.boottime_ps = i128::from(rng.between(0, 20_000_000)) * 1_000_000;
        self.suspended_ps = i128::from(rng.between(0, 10_000)) * 1_000_000;
    }

    fn set_wall_offset(&mut self, offset_ms: i64) {
        let true_ps = i128::from(NOW.0) * PS_PER_MS + i128::from(self.at.0) * 1_000_000;
        self.wall_ps = true_ps + i128::from(offset_ms) * PS_PER_MS;
    }

    fn advance(&mut self, now: TrueUs) {
        let span_us = i128::from(now.since(self.at).max(0));
        let raw = span_us * i128::from(MILLION + self.errors.raw_ppm);
        let slewed = raw + span_us * i128::from(self.errors.slew_ppm);
        self.raw_ps += raw;
        self.boottime_ps += slewed;
        self.wall_ps += slewed;
        self.at = self.at.max(now);
    }
}

/// Whole milliseconds: what a reading shows.
fn cut(ps: i128) -> i64 {
    i64::try_from(ps.div_euclid(PS_PER_MS)).expect("runs last for minutes")
}
