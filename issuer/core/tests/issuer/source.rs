//! What only the source can show: nobody but the clock compares the bounds of true time.

use leasehold_tests::source;

const BOUNDS: [&str; 4] = [".earliest", ".latest", "now.wall_ms", "stamp."];
const COMPARISONS: [&str; 9] = [" < ", " <= ", " > ", " >= ", " == ", " != ", ".cmp(", ".min(", ".max("];

fn compares(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    BOUNDS.iter().any(|time| code.contains(time)) && COMPARISONS.iter().any(|sign| code.contains(sign))
}

#[test]
fn only_the_clock_compares_bounds_of_time() {
    source::no_line_is(env!("CARGO_MANIFEST_DIR"), "clock.rs", compares);
}

#[test]
fn a_comparison_is_seen() {
    assert!(compares("        if certain.earliest < row.not_after {"));
    assert!(compares("let end = end.min(bounds.latest);"));
    assert!(!compares("earliest: time.earliest, // < latest"));
    assert!(!compares("if row.not_before < row.not_after {"));
}
