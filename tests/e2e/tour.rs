//! The tour of README.md is true: every command of it is run as printed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::{Done, command, program, short_dir};

#[test]
fn every_command_of_the_tour_works_as_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let tour = commands(section(&readme, "## Five minutes"));
    assert!(tour.contains("leasehold-node run"), "the tour is not where it should be:\n{tour}");

    let place = short_dir();
    let done = Done::of(&mut shell(place.path(), &format!("set -eu\n{tour}")));
    assert_eq!(done.exit, 0, "{done:?}");
    for said in ["POOL_EXHAUSTED", "exit 3", "the journal verifies", "valid, live"] {
        assert!(done.stdout.contains(said), "no {said:?} in:\n{}", done.stdout);
    }
}

/// From a heading to the next.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, section) = text.split_once(&format!("{heading}\n")).unwrap_or_default();
    section.split("\n## ").next().unwrap_or_default()
}

/// What stands in its blocks of commands.
fn commands(section: &str) -> String {
    let blocks = section.split("```bash\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

/// A shell where there is no `target/debug`, so that it finds the programs that were built beside this test.
fn shell(place: &Path, script: &str) -> Command {
    let mut bash = command("bash");
    let issuer = program("leasehold-issuer");
    let path = [issuer.parent().unwrap().to_str().unwrap(), &std::env::var("PATH").unwrap()].join(":");
    bash.args(["-c", script]).current_dir(place).env("PATH", path);
    bash
}
