//! Counting with valgrind: one operation is the difference of two runs that differ in nothing but their number.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::operation::Operation;

const FEW: u32 = 100;
const MORE: u32 = 600;

/// What one operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Instructions.
    pub(crate) instructions: u64,
    /// Allocations, in hundredths: an operation need not make a whole one each time.
    pub(crate) allocations_percent: u64,
    /// Bytes allocated.
    pub(crate) bytes: u64,
}

/// Counts an operation.
pub(crate) fn of(operation: Operation) -> anyhow::Result<Counts> {
    let instructions = |times| number(&valgrind("cachegrind", operation, times)?, "I   refs:", 0);
    let total = |times| {
        let report = valgrind("dhat", operation, times)?;
        Ok::<_, anyhow::Error>((number(&report, "Total:", 0)?, number(&report, "Total:", 1)?))
    };
    let times = u64::from(MORE - FEW);
    let each = |few: u64, more: u64, scale: u64| more.saturating_sub(few) * scale / times;
    let ((few_bytes, few_blocks), (more_bytes, more_blocks)) = (total(FEW)?, total(MORE)?);
    Ok(Counts {
        instructions: each(instructions(FEW)?, instructions(MORE)?, 1),
        allocations_percent: each(few_blocks, more_blocks, 100),
        bytes: each(few_bytes, more_bytes, 1),
    })
}

/// What valgrind says of so many repetitions.
fn valgrind(tool: &str, operation: Operation, times: u32) -> anyhow::Result<String> {
    let mut command = Command::new("valgrind");
    command.arg(format!("--tool={tool}"));
    match tool {
        "cachegrind" => command.args(["--cache-sim=no", "--cachegrind-out-file=/dev/null"]),
        _ => command.arg("--dhat-out-file=/dev/null"),
    };
    command.arg(std::env::current_exe()?).args(["repeat", operation.name(), &times.to_string()]);
    let output = command.output().context("cannot run valgrind: apt-get install valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("valgrind ended with {}:\n{report}", output.status);
    }
    Ok(report)
}

/// The `nth` number behind `label`: `==12== Total:     1,234 bytes in 56 blocks`.
fn number(report: &str, label: &str, nth: usize) -> anyhow::Result<u64> {
    let rest = report.lines().find_map(|line| line.split_once(label)).map(|(_, rest)| rest);
    let numbers = rest.into_iter().flat_map(str::split_whitespace);
    let mut numbers = numbers.filter_map(|word| word.replace(',', "").parse().ok());
    numbers.nth(nth).with_context(|| format!("valgrind says nothing of `{label}`:\n{report}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_valgrind_writes_them() {
        let report = "==9== I   refs:      1,234,567\n==9== Total:     12,345 bytes in 678 blocks\n";
        assert_eq!(number(report, "I   refs:", 0).ok(), Some(1_234_567));
        assert_eq!(number(report, "Total:", 0).ok(), Some(12_345));
        assert_eq!(number(report, "Total:", 1).ok(), Some(678));
        assert!(number(report, "Total:", 2).is_err());
        assert!(number("", "Total:", 0).is_err());
    }
}
