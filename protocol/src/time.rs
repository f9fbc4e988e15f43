//! Points and spans of time as integer milliseconds. Nothing here reads a clock: readings come in as arguments.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A point in time, milliseconds since 1970-01-01T00:00:00Z; may be negative. RFC 3339 in text and JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl fmt::Display for UnixMs {
    /// RFC 3339 with milliseconds, UTC. The ends of the range, which stand for no bound, are words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => return f.write_str("unknown"),
            Self::MAX => return f.write_str("unlimited"),
            Self(_) => {}
        }
        let (day, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, date) = civil_from_days(day);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
    }
}

const DAY_MS: i64 = 86_400_000;

/// Proleptic Gregorian date of a day number (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn civil_from_days(days_since_1970: i64) -> (i64, i64, i64) {
    let z = days_since_1970 + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, date)
}

impl Serialize for UnixMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

/// From binary encodings only: text is parsed at the edges.
impl<'de> Deserialize<'de> for UnixMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Err(de::Error::custom("instants are read from binary encodings only"));
        }
        i64::deserialize(deserializer).map(Self)
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::UnixMs;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_835_440_496_789, "2028-02-29T12:34:56.789Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        ];
        for (ms, text) in table {
            assert_eq!(UnixMs(ms).to_string(), text);
        }
    }

    #[test]
    fn the_ends_of_the_range_absorb() {
        assert_eq!(UnixMs::MAX.plus(-1), UnixMs::MAX);
        assert_eq!(UnixMs::MIN.plus(1), UnixMs::MIN);
        assert_eq!(UnixMs(5).plus(-7), UnixMs(-2));
    }
}
