//! One line of the table: a figure, what it is held against, and whether that is enough.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Number;
use crate::contest::{Rounds, median};
use crate::drive::{Measured, Operation};

/// A figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) number: Number,
    pub(crate) what: String,
    pub(crate) value: Quantity,
    /// What the machine or a peer can do, in the same run.
    pub(crate) limit: Option<(&'static str, Quantity)>,
    /// The median of the rounds' ratios to the limit.
    pub(crate) ratio: Option<f64>,
    /// Ratios of the single rounds.
    pub(crate) rounds: Vec<f64>,
    pub(crate) target: Option<Target>,
    pub(crate) cost: Option<Cost>,
}

/// An amount of something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quantity {
    pub(crate) amount: f64,
    pub(crate) unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Requests in a second.
    PerSecond,
    /// Requests in a second of one core of the server.
    PerCpuSecond,
    Seconds,
    Bytes,
    Count,
}

/// What must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    ValueAtLeast(f64),
    ValueAtMost(f64),
    Exactly(f64),
}

/// Whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Only told.
    NoTarget,
}

/// What a figure took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cost {
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    pub(crate) server_cores: Option<f64>,
    pub(crate) client_cores: Option<f64>,
    pub(crate) per_server_cpu_second: Option<f64>,
    pub(crate) journal_bytes_per_operation: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
}

impl Row {
    /// A value on its own.
    pub(crate) fn new(number: Number, what: impl Into<String>, value: Quantity) -> Self {
        let what = what.into();
        Self { number, what, value, limit: None, ratio: None, rounds: Vec::new(), target: None, cost: None }
    }

    /// A value that was measured in turns with a limit.
    pub(crate) fn against<T>(
        number: Number,
        what: impl Into<String>,
        (own, limit): (&Rounds<T>, (&'static str, &Rounds<T>)),
        unit: Unit,
        of: impl Fn(&T) -> f64,
    ) -> Self {
        let quantity = |rounds: &Rounds<T>| Quantity { amount: rounds.median(&of), unit };
        let ratios = own.ratios(limit.1, &of);
        Self::new(number, what, quantity(own)).with_ratios(limit.0, quantity(limit.1), ratios)
    }

    /// The same, with ratios to a limit that the caller has formed.
    pub(crate) fn with_ratios(self, name: &'static str, limit: Quantity, rounds: Vec<f64>) -> Self {
        Self { limit: Some((name, limit)), ratio: Some(median(rounds.clone())), rounds, ..self }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    pub(crate) fn cost(self, cost: Cost) -> Self {
        Self { cost: Some(cost), ..self }
    }

    /// What must be reached; empty if the figure is only told.
    pub(crate) fn target_text(&self) -> String {
        self.target.map(|target| target.text(self.value.unit)).unwrap_or_default()
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let Some(target) = self.target else { return Verdict::NoTarget };
        let ratio = self.ratio.unwrap_or(f64::NAN);
        let met = match target {
            Target::RatioAtLeast(least) => ratio >= least,
            Target::RatioAtMost(most) => ratio <= most,
            Target::Exactly(wanted) => self.value.amount.total_cmp(&wanted).is_eq(),
            Target::ValueAtLeast(least) => self.value.amount >= least,
            Target::ValueAtMost(most) => self.value.amount <= most,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

impl Cost {
    /// Medians over the rounds; latencies of one operation, or of all.
    pub(crate) fn of(rounds: &Rounds<Measured>, operation: Option<Operation>) -> Self {
        let percentile = |percent: f64| {
            let latencies = |measured: &Measured| {
                operation.map_or_else(|| measured.latency_of_all(), |operation| measured.latency(operation))
            };
            Duration::try_from_secs_f64(
                rounds.median(|measured| latencies(measured).percentile(percent).as_secs_f64()),
            )
            .ok()
        };
        Self {
            p50: percentile(50.0),
            p99: percentile(99.0),
            server_cores: Some(rounds.median(|measured| measured.server_cores)),
            client_cores: Some(rounds.median(|measured| measured.client_cores)),
            per_server_cpu_second: Some(rounds.median(Measured::per_server_cpu_second)),
            journal_bytes_per_operation: None,
            resident_bytes: None,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.amount;
        match self.unit {
            Unit::PerSecond => write!(f, "{}/s", grouped(amount)),
            Unit::PerCpuSecond => write!(f, "{}/CPU-s", grouped(amount)),
            Unit::Seconds if amount < 0.001 => write!(f, "{:.1} µs", amount * 1e6),
            Unit::Seconds if amount < 1.0 => write!(f, "{:.2} ms", amount * 1e3),
            Unit::Seconds => write!(f, "{amount:.2} s"),
            Unit::Bytes if amount < 10_000.0 => write!(f, "{amount:.0} B"),
            Unit::Bytes => write!(f, "{:.1} MB", amount / 1e6),
            Unit::Count => f.write_str(&grouped(amount)),
        }
    }
}

/// A whole number, its thousands apart.
fn grouped(amount: f64) -> String {
    let digits = format!("{amount:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

impl Target {
    /// For people; values are in the unit of the row.
    fn text(self, unit: Unit) -> String {
        let value = |amount| Quantity { amount, unit };
        match self {
            Self::RatioAtLeast(least) => format!("≥ {least} ×"),
            Self::RatioAtMost(most) => format!("≤ {most} ×"),
            Self::ValueAtLeast(least) => format!("≥ {}", value(least)),
            Self::ValueAtMost(most) => format!("≤ {}", value(most)),
            Self::Exactly(wanted) => format!("= {}", value(wanted)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "NOT MET",
            Self::NoTarget => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(amount: f64, ratio: Option<f64>, target: Option<Target>) -> Row {
        let row = Row::new(Number::P1, "x", Quantity { amount, unit: Unit::Count });
        Row { ratio, target, ..row }
    }

    #[test]
    fn a_target_is_met_up_to_its_bound() {
        for (ratio, target, verdict) in [
            (Some(0.5), Target::RatioAtLeast(0.5), Verdict::Met),
            (Some(0.49), Target::RatioAtLeast(0.5), Verdict::Missed),
            (Some(3.0), Target::RatioAtMost(3.0), Verdict::Met),
            (Some(3.01), Target::RatioAtMost(3.0), Verdict::Missed),
            (None, Target::RatioAtMost(3.0), Verdict::Missed),
            (Some(f64::NAN), Target::RatioAtLeast(0.0), Verdict::Missed),
            (None, Target::ValueAtLeast(10.0), Verdict::Met),
            (None, Target::ValueAtLeast(10.1), Verdict::Missed),
            (None, Target::ValueAtMost(10.0), Verdict::Met),
            (None, Target::ValueAtMost(9.9), Verdict::Missed),
            (None, Target::Exactly(10.0), Verdict::Met),
            (None, Target::Exactly(9.0), Verdict::Missed),
        ] {
            assert_eq!(row(10.0, ratio, Some(target)).verdict(), verdict, "{ratio:?} {target:?}");
        }
        assert_eq!(row(10.0, Some(1.0), None).verdict(), Verdict::NoTarget);
        assert_eq!(row(10.0, None, Some(Target::ValueAtMost(2000.0))).target_text(), "≤ 2 000");
        assert_eq!(row(10.0, None, None).target_text(), "");
    }

    #[test]
    fn ratios_are_those_of_neighbours() {
        let (own, limit) = (Rounds(vec![10.0, 30.0, 80.0]), Rounds(vec![10.0, 60.0, 100.0]));
        let row = Row::against(Number::P1, "x", (&own, ("y", &limit)), Unit::PerSecond, |value| *value);
        assert_eq!(row.rounds, [1.0, 0.5, 0.8]);
        assert_eq!((row.ratio, row.value.amount, row.limit.unwrap().1.amount), (Some(0.8), 30.0, 60.0));
    }

    #[test]
    fn quantities_are_read_at_a_glance() {
        for (amount, unit, text) in [
            (23_456.7, Unit::PerSecond, "23 457/s"),
            (999.0, Unit::PerCpuSecond, "999/CPU-s"),
            (1_234_567.0, Unit::Count, "1 234 567"),
            (0.000_112, Unit::Seconds, "112.0 µs"),
            (0.0125, Unit::Seconds, "12.50 ms"),
            (1.5, Unit::Seconds, "1.50 s"),
            (187.2, Unit::Bytes, "187 B"),
            (350_000_000.0, Unit::Bytes, "350.0 MB"),
        ] {
            assert_eq!(Quantity { amount, unit }.to_string(), text);
        }
    }
}
