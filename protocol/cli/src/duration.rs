//! Spans of time as people type and read them: `500ms`, `90s`, `15m`, `8h`, `30d`.

use crate::limits::DURATION_MAX_MS;

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses one number with one unit into milliseconds, 0 to a hundred years. A day has 24 hours. Only 0 goes without a
/// unit. For clap's `value_parser`.
pub fn duration(text: &str) -> Result<i64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    if digits.is_empty() || (unit.is_empty() && digits != "0") {
        return Err("a duration is a number with a unit: 500ms, 90s, 15m, 8h or 30d".to_owned());
    }
    let unit_ms = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, unit_ms)) => *unit_ms,
        None if unit.is_empty() => 0,
        None => return Err(format!("{unit:?} is no unit of time; the units are ms, s, m, h and d")),
    };
    let span_ms = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ms));
    span_ms
        .filter(|span_ms| *span_ms <= DURATION_MAX_MS)
        .ok_or_else(|| format!("a duration is at most {}", show(DURATION_MAX_MS)))
}

/// A span for people, in its two largest units: `2d 3h`, `14m 59s`, `250ms`. Smaller parts are cut off.
pub fn show(span_ms: i64) -> String {
    let mut rest_ms = span_ms.unsigned_abs();
    let mut parts: Vec<String> = Vec::new();
    for (name, unit_ms) in UNITS.iter().rev() {
        let unit_ms = unit_ms.unsigned_abs();
        if parts.len() < 2 && (rest_ms >= unit_ms || !parts.is_empty()) {
            let number = rest_ms / unit_ms;
            rest_ms %= unit_ms;
            if number > 0 {
                parts.push(format!("{number}{name}"));
            } else {
                break;
            }
        }
    }
    let text = if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") };
    if span_ms < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, expected_ms) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("1s", 1_000),
            ("90s", 90_000),
            ("15m", 900_000),
            ("8h", 28_800_000),
            ("30d", 2_592_000_000),
            ("007d", 604_800_000),
            ("36500d", DURATION_MAX_MS),
            ("3153600000000ms", DURATION_MAX_MS),
        ] {
            assert_eq!(duration(text), Ok(expected_ms), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "15",
            "-1s",
            "+1s",
            "1.5h",
            "1h30m",
            "1 h",
            " 1h",
            "1h ",
            "1H",
            "1w",
            "1y",
            "1e3s",
            "٣s",
            "36501d",
            "3153600000001ms",
            "9223372036854775807d",
            "99999999999999999999s",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn spans_are_shown_in_two_units() {
        for (span_ms, expected) in [
            (0, "0s"),
            (250, "250ms"),
            (1_000, "1s"),
            (1_250, "1s 250ms"),
            (899_999, "14m 59s"),
            (900_000, "15m"),
            (3_600_500, "1h"),
            (183_600_000, "2d 3h"),
            (DURATION_MAX_MS, "36500d"),
            (-90_000, "-1m 30s"),
            (i64::MIN, "-106751991167d 7h"),
        ] {
            assert_eq!(show(span_ms), expected, "{span_ms}");
        }
    }
}
