//! What operations cost when somebody last agreed to it.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};

use crate::counts::Counts;
use crate::operation::Operation;

/// Another compiler may count a little differently.
const TOLERANCE_PERCENT: u64 = 10;

/// The figures of `baseline.tsv`.
pub(crate) struct Baseline(BTreeMap<String, Counts>);

/// Figures beside those of the baseline.
pub(crate) struct Comparison(Vec<Row>);

struct Row {
    operation: &'static str,
    now: Counts,
    before: Option<Counts>,
}

/// Writes the figures down.
pub(crate) fn write(measured: &[(Operation, Counts)]) -> anyhow::Result<()> {
    let mut text = String::from("operation\tinstructions\tallocations_percent\tbytes\n");
    for (operation, Counts { instructions, allocations_percent, bytes }) in measured {
        writeln!(text, "{}\t{instructions}\t{allocations_percent}\t{bytes}", operation.name())?;
    }
    fs::write(path(), text).with_context(|| format!("cannot write {}", path().display()))
}

impl Baseline {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(path()).with_context(|| format!("cannot read {}", path().display()))?;
        Self::parse(&text)
    }

    pub(crate) fn compare(&self, measured: &[(Operation, Counts)]) -> Comparison {
        let row = |&(operation, now): &(Operation, Counts)| {
            let operation = operation.name();
            Row { operation, now, before: self.0.get(operation).copied() }
        };
        Comparison(measured.iter().map(row).collect())
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [operation, instructions, allocations_percent, bytes] = cells[..] else { return None };
            let counts = Counts {
                instructions: instructions.parse().ok()?,
                allocations_percent: allocations_percent.parse().ok()?,
                bytes: bytes.parse().ok()?,
            };
            Some((operation.to_owned(), counts))
        };
        let rows = text.lines().skip(1).map(|line| row(line).with_context(|| format!("not a row: {line}")));
        Ok(Self(rows.collect::<anyhow::Result<_>>()?))
    }
}

impl Comparison {
    /// Whether nothing costs noticeably more than before.
    pub(crate) fn is_within_tolerance(&self) -> bool {
        self.0.iter().all(|row| row.verdict() != Verdict::More)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Less,
    Same,
    More,
}

impl Row {
    /// What was not counted before is more than nothing.
    fn verdict(&self) -> Verdict {
        let Some(before) = self.before else { return Verdict::More };
        let pairs = [
            (self.now.instructions, before.instructions),
            (self.now.allocations_percent, before.allocations_percent),
            (self.now.bytes, before.bytes),
        ];
        let beyond = |&(a, b): &(u64, u64)| a * 100 > b * (100 + TOLERANCE_PERCENT);
        if pairs.iter().any(beyond) {
            Verdict::More
        } else if pairs.iter().any(|&(now, before)| beyond(&(before, now))) {
            Verdict::Less
        } else {
            Verdict::Same
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "operation",
            "instructions",
            "before",
            "allocations",
            "before",
            "bytes",
            "before",
            "",
        ]);
        for row in &self.0 {
            let before = |count: fn(&Counts) -> String| row.before.as_ref().map_or_else(|| "-".into(), count);
            let allocations =
                |c: &Counts| format!("{}.{:02}", c.allocations_percent / 100, c.allocations_percent % 100);
            let verdict = match row.verdict() {
                Verdict::Less => "less: write it down with --bless",
                Verdict::Same => "",
                Verdict::More => "MORE",
            };
            table.add_row([
                row.operation.to_owned(),
                row.now.instructions.to_string(),
                before(|c| c.instructions.to_string()),
                allocations(&row.now),
                before(allocations),
                row.now.bytes.to_string(),
                before(|c| c.bytes.to_string()),
                verdict.to_owned(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.fmt(f)
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline.tsv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_told_from_noise() {
        let counts = |instructions| Counts { instructions, allocations_percent: 700, bytes: 900 };
        for (now, verdict) in
            [(890, Verdict::Less), (950, Verdict::Same), (1100, Verdict::Same), (1101, Verdict::More)]
        {
            let row = Row { operation: "renew", now: counts(now), before: Some(counts(1000)) };
            assert_eq!(row.verdict(), verdict, "{now}");
        }
        assert_eq!(Row { operation: "new", now: counts(1), before: None }.verdict(), Verdict::More);
    }

    #[test]
    fn what_is_written_is_read() {
        let baseline = Baseline::parse("head\nrenew\t1000\t700\t900\n").unwrap();
        let counts = Counts { instructions: 1000, allocations_percent: 700, bytes: 900 };
        assert_eq!(baseline.0["renew"], counts);
        for bad in ["head\nrenew\t1\t2", "head\nrenew\tx\t2\t3"] {
            assert!(Baseline::parse(bad).is_err(), "{bad}");
        }
    }
}
