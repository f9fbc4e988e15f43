//! Points in time as people type and read them.

use std::str::FromStr;

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, TimeZone, Utc,
};
pub use chrono_tz::Tz;
use leasehold_protocol::time::UnixMs;

use crate::Failure;
use crate::limits::INSTANT_YEARS;

/// An argument that names a point in time: RFC 3339, or a date that still needs a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// RFC 3339 with its own offset.
    At(UnixMs),
    /// The first moment of that day, where the account or the caller is.
    StartOf(NaiveDate),
}

impl Instant {
    /// The point in time. `timezone` is that of `--timezone`, or what the program knows of the account; it matters for
    /// dates only.
    pub fn resolve(self, timezone: Option<Tz>) -> Result<UnixMs, Failure> {
        match (self, timezone) {
            (Self::At(at), _) => Ok(at),
            (Self::StartOf(date), Some(timezone)) => Ok(start_of_day(date, timezone)),
            (Self::StartOf(date), None) => Err(Failure::usage(
                format!("{date} is a date without a time zone"),
                format!("add --timezone, for example Europe/Berlin, or write {date}T00:00:00Z"),
            )),
        }
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            && text.len() == "2026-01-31".len()
        {
            return within_years(date.year()).map(|()| Self::StartOf(date));
        }
        let at = DateTime::parse_from_rfc3339(text).map_err(|error| {
            format!("neither RFC 3339 (2026-01-31T12:00:00Z) nor a date (2026-01-31): {error}")
        })?;
        within_years(at.to_utc().year())?;
        Ok(Self::At(UnixMs(at.timestamp_millis())))
    }
}

/// Parses the name of a time zone of the IANA database. For clap's `value_parser`.
pub fn timezone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no time zone of the IANA database; write for example Europe/Berlin or UTC")
    })
}

/// RFC 3339 in UTC, with milliseconds only where there are any. What no calendar reaches (the two ends of [`UnixMs`]
/// stand for "no bound") is `unbounded`.
pub fn rfc3339(at: UnixMs) -> String {
    DateTime::from_timestamp_millis(at.0)
        .map_or_else(|| "unbounded".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn within_years(year: i32) -> Result<(), String> {
    if INSTANT_YEARS.contains(&year) {
        return Ok(());
    }
    Err(format!("the year must be {} to {}", INSTANT_YEARS.start(), INSTANT_YEARS.end()))
}

/// The first moment that the clocks of `timezone` show `date` or later: midnight, unless a change of the offset jumps
/// over it.
fn start_of_day(date: NaiveDate, timezone: Tz) -> UnixMs {
    let midnight = date.and_time(NaiveTime::MIN);
    let existing = existing_local(midnight, timezone);
    UnixMs(existing.unwrap_or_else(|| Utc.from_utc_datetime(&midnight)).timestamp_millis())
}

/// The earliest instant at or after `local`. Gaps are whole quarters of an hour and at most a day (Samoa, 2011).
fn existing_local(local: NaiveDateTime, timezone: Tz) -> Option<DateTime<Utc>> {
    (0..=4 * 24)
        .map(|quarters| local + TimeDelta::minutes(15 * quarters))
        .find_map(|local| timezone.from_local_datetime(&local).earliest())
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_and_dates_are_read() {
        for (text, zone, expected_ms) in [
            ("1970-01-01T00:00:00Z", None, 0),
            ("2026-01-31T12:00:00Z", None, 1_769_860_800_000),
            ("2026-01-31T12:00:00.250+01:00", None, 1_769_857_200_250),
            ("2026-01-31T12:00:00Z", Some("Europe/Berlin"), 1_769_860_800_000),
            ("9999-12-31T23:59:59.999Z", None, 253_402_300_799_999),
            ("1970-01-01", Some("UTC"), 0),
            ("2026-01-31", Some("UTC"), 1_769_817_600_000),
            ("2026-01-31", Some("Europe/Berlin"), 1_769_814_000_000),
            ("2024-02-29", Some("UTC"), 1_709_164_800_000),
            ("9999-12-31", Some("UTC"), 253_402_214_400_000),
            // The clocks jump from 23:59:59 to 01:00: the day begins at 01:00, which is 03:00 UTC.
            ("2018-11-04", Some("America/Sao_Paulo"), 1_541_300_400_000),
            // A day that Samoa skipped begins with the next one.
            ("2011-12-30", Some("Pacific/Apia"), 1_325_239_200_000),
            // Midnight comes twice: the first.
            ("2018-11-04", Some("America/Havana"), 1_541_304_000_000),
        ] {
            let zone = zone.map(|zone| timezone(zone).unwrap());
            let instant: Instant = text.parse().unwrap();
            assert_eq!(instant.resolve(zone).unwrap(), UnixMs(expected_ms), "{text} {zone:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "now",
            "2026",
            "2026-1-31",
            "2026-02-29",
            "2026-13-01",
            "31.01.2026",
            "2026-01-31T12:00",
            "2026-01-31T12:00:00",
            "2026-01-31T24:00:00Z",
            "2026-01-31 ",
            "1769860800",
            "1969-12-31",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-01:00",
            "10000-01-01",
            "10000-01-01T00:00:00Z",
            "+2026-01-31",
        ] {
            assert!(text.parse::<Instant>().is_err(), "{text:?}");
        }
        for zone in ["", "Berlin", "CEST", "+01:00", "europe/berlin"] {
            assert!(timezone(zone).is_err(), "{zone:?}");
        }
    }

    #[test]
    fn a_date_without_a_zone_is_a_usage_failure() {
        let failure = Instant::from_str("2026-01-31").unwrap().resolve(None).unwrap_err();
        assert_eq!(failure.code().exit(), 64);
        assert!(failure.problem().hint.contains("--timezone"));
    }

    #[test]
    fn instants_are_shown_in_utc() {
        for (at_ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_769_860_800_250, "2026-01-31T12:00:00.250Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "unbounded"),
            (i64::MIN, "unbounded"),
        ] {
            assert_eq!(rfc3339(UnixMs(at_ms)), expected);
        }
    }
}
