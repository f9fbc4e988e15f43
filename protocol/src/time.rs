//! Points and spans of time as integer milliseconds. Nothing here reads a clock: readings come in as arguments.

use serde::{Deserialize, Serialize};

/// A point in time, milliseconds since 1970-01-01T00:00:00Z; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Stands for "no lower bound known".
    pub const MIN: Self = Self(i64::MIN);
    /// Stands for "no upper bound known" (∞).
    pub const MAX: Self = Self(i64::MAX);

    /// The point `span_ms` later (earlier if negative). The two ends of the range absorb: they stay what they are.
    #[must_use]
    pub const fn plus(self, span_ms: i64) -> Self {
        match self {
            Self::MIN | Self::MAX => self,
            Self(ms) => Self(ms.saturating_add(span_ms)),
        }
    }

    /// Milliseconds from `earlier` to `self`, saturating.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Service time: milliseconds this node has been running, over all its boots; off time counts zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SvcMs(pub i64);

impl SvcMs {
    /// The point `span_ms` later, saturating.
    #[must_use]
    pub const fn plus(self, span_ms: i64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// Milliseconds from `earlier` to `self`, saturating.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Names one boot of one machine (the kernel's `boot_id`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub [u8; 16]);

/// One simultaneous reading of a machine's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockReading {
    /// `CLOCK_BOOTTIME`: since boot, suspend included.
    pub boottime_ms: i64,
    /// `CLOCK_MONOTONIC`: since boot, slewed by NTP.
    pub mono_ms: i64,
    /// `CLOCK_MONOTONIC_RAW`: since boot, never slewed.
    pub raw_ms: i64,
    /// `CLOCK_REALTIME`: a claim, to be judged.
    pub wall_ms: UnixMs,
    /// Which boot the first three count from.
    pub boot_id: BootId,
    /// The kernel says that its clock is disciplined by a time source.
    pub kernel_synced: bool,
    /// The kernel's bound of the wall clock's error; means something only if `kernel_synced`.
    pub maxerror_ms: i64,
    /// A hypervisor restored or cloned this machine since the last reading.
    pub vm_generation_event: bool,
}

impl ClockReading {
    /// How far NTP has slewed `MONOTONIC` (and `BOOTTIME`) against the raw oscillator since boot.
    #[must_use]
    pub const fn slew_ms(&self) -> i64 {
        self.mono_ms.saturating_sub(self.raw_ms)
    }
}

/// The clock fields of one frame: absolute values, so the last stamp wins in replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Service time at the reading.
    pub svc: SvcMs,
    /// Proven lower bound of true time; [`UnixMs::MIN`] before the first signed time.
    pub floor: UnixMs,
    /// Lowest valid upper bound of true time; [`UnixMs::MAX`] = ∞.
    pub hi: UnixMs,
    /// The wall clock.
    pub wall: UnixMs,
    /// `CLOCK_BOOTTIME` of the reading.
    pub boottime_ms: i64,
    /// `MONOTONIC − MONOTONIC_RAW` of the reading.
    pub slew_ms: i64,
    /// The boot the reading belongs to.
    pub boot_id: BootId,
    /// The wall clock contradicts floor or boottime.
    pub suspect: bool,
    /// The kernel said that its clock is synchronised.
    pub kernel_synced: bool,
}
