//! Sources of a package, for what only they can show.

use std::fs;
use std::path::Path;

/// Sources that are fewer lines than this were not found.
const LEAST_LINES: usize = 3000;

/// Looks at every line in `src` of the package at `package`, but for the module `except`; none may be `wrong`.
pub fn no_line_is(package: &str, except: &str, wrong: impl Fn(&str) -> bool) {
    let mut lines = 0;
    for file in fs::read_dir(Path::new(package).join("src")).expect("the package has sources") {
        let path = file.expect("a directory can be read").path();
        if path.ends_with(except) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).expect("a source can be read").lines().enumerate() {
            lines += 1;
            assert!(!wrong(line), "{}:{}: {line}", path.display(), number + 1);
        }
    }
    assert!(LEAST_LINES < lines, "only {lines} lines were looked at");
}
