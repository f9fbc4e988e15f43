//! What only the source can show: nobody but the clock compares the bounds of true time.

#![expect(clippy::disallowed_methods, reason = "the test reads sources, the core does not")]

use std::fs;
use std::path::Path;

const BOUNDS: [&str; 4] = [".earliest", ".latest", "now.wall_ms", "stamp."];
const COMPARISONS: [&str; 9] = [" < ", " <= ", " > ", " >= ", " == ", " != ", ".cmp(", ".min(", ".max("];

fn compares(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    BOUNDS.iter().any(|time| code.contains(time)) && COMPARISONS.iter().any(|sign| code.contains(sign))
}

#[test]
fn only_the_clock_compares_bounds_of_time() {
    let mut lines = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("clock.rs") {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            lines += 1;
            assert!(!compares(line), "{}:{}: {line}", path.display(), number + 1);
        }
    }
    assert!(lines > 3000, "only {lines} lines were looked at");
}

#[test]
fn a_comparison_is_seen() {
    assert!(compares("        if certain.earliest < row.not_after {"));
    assert!(compares("let end = end.min(bounds.latest);"));
    assert!(!compares("earliest: time.earliest, // < latest"));
    assert!(!compares("if row.not_before < row.not_after {"));
}
