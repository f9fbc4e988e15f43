//! The steps of a program, as the test build names them, and where to die among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::programs::{armed, program};

/// How often each step was begun, by name.
pub(crate) type Steps = BTreeMap<String, usize>;

/// Reads what a program of the test build wrote down.
pub(crate) fn steps(log: &Path) -> Steps {
    let mut steps = Steps::new();
    for name in fs::read_to_string(log).unwrap().lines() {
        *steps.entry(name.to_owned()).or_default() += 1;
    }
    steps
}

/// Whether a step changes nothing.
pub(crate) fn looks(step: &str) -> bool {
    step.starts_with("open ") || step.starts_with("read ")
}

/// Deaths before and after each step that changes something: at its first hit, and at up to `more` later ones of those
/// that came often. How many there are differs from run to run, so only the first quarter is counted on.
pub(crate) fn deaths(steps: &Steps, more: usize) -> Vec<String> {
    let mut plans = Vec::new();
    for (step, &hits) in steps.iter().filter(|(step, _)| !looks(step)) {
        let sure = (hits / 4).max(1);
        let mut chosen: Vec<usize> = (0..=more).map(|at| 1 + at * (sure - 1) / more.max(1)).collect();
        chosen.dedup();
        for hit in chosen {
            plans.extend(["kill-before", "kill-after"].map(|action| format!("{action}:{hit}:{step}")));
        }
    }
    plans
}

#[test]
fn only_the_test_build_has_fail_points() {
    for name in ["leasehold", "leasehold-issuer", "leasehold-node"] {
        let holds = |path| {
            let bytes = fs::read(path).unwrap();
            bytes.windows(b"LEASEHOLD_FAIL".len()).any(|window| window == b"LEASEHOLD_FAIL")
        };
        assert!(!holds(program(name)), "{name}: a released program can be told to fail");
        assert!(holds(armed(name)), "{name}: the test build cannot");
    }
}
