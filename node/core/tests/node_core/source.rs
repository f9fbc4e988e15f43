//! What only the source can show: nobody but the clock compares what the clock tells.
//!
//! The types see to most of it, as `ClockTime` and `Best` have no order. What is taken out of them is for records and
//! people, and no line that takes it out compares it.

#![expect(clippy::disallowed_methods, reason = "the test reads sources, the core does not")]

use std::fs;
use std::path::Path;

use leasehold_tests::source;

/// What takes a time out of the clock's types, or names a stamp's or reading's own.
const TIMES: [&str; 7] =
    [".recorded()", "stamp.floor", "stamp.hi", "stamp.wall", "now.wall_ms", "last.wall", "last.floor"];
const COMPARISONS: [&str; 12] = [
    " < ",
    " <= ",
    " > ",
    " >= ",
    " == ",
    " != ",
    ".cmp(",
    ".partial_cmp(",
    ".min(",
    ".max(",
    ".clamp(",
    ".lt(",
];

fn compares(line: &str) -> bool {
    // What is left of a span is at least nothing.
    let code = line.split("//").next().unwrap_or_default().replace(".max(0)", "");
    TIMES.iter().any(|time| code.contains(time)) && COMPARISONS.iter().any(|sign| code.contains(sign))
}

#[test]
fn only_the_clock_compares_what_it_tells() {
    // Whether there is a bound at all is no comparison of times.
    let unknown = |line: &str| line.contains("UnixMs::MIN") || line.contains("UnixMs::MAX");
    source::no_line_is(env!("CARGO_MANIFEST_DIR"), "clock.rs", |line| !unknown(line) && compares(line));
}

#[test]
fn a_comparison_is_seen() {
    assert!(compares("        if self.clock.floor().recorded() < row.allocation.not_after {"));
    assert!(compares("let end = end.min(self.clock.best().recorded());"));
    assert!(!compares("issued_floor: self.clock.floor().recorded(), // < hi"));
    assert!(!compares("if row.not_before < row.not_after {"));
}

/// Times out of the clock have no order: a comparison does not compile.
#[test]
fn what_the_clock_tells_has_no_order() {
    let clock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clock.rs")).unwrap();
    for declaration in ["pub(crate) struct ClockTime(UnixMs);", "pub(crate) struct Best(UnixMs);"] {
        let before = clock.split_once(declaration).expect("it is declared like that").0;
        assert_eq!(before.lines().last(), Some("#[derive(Clone, Copy, Debug)]"), "{declaration}");
    }
}
