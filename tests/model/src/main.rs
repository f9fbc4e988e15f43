//! `cargo xtask model`: explores every scope, then shows for each rule what happens without it. `--nightly` explores
//! the larger scopes instead.

use std::env;
use std::process::ExitCode;

use leasehold_model::{Model, Outcome, Rule, Scope, explore};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let holds = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => law(&Scope::DAILY) & mutants(),
        ["--nightly"] => law(&Scope::NIGHTLY),
        _ => {
            eprintln!("usage: cargo xtask model [--nightly]");
            return ExitCode::from(64);
        }
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn law(scopes: &[Scope]) -> bool {
    let mut holds = true;
    for scope in scopes {
        let outcome = explore(&Model { scope: *scope, without: None });
        println!("{}: {outcome}", scope.name);
        holds &= outcome.violation.is_none();
    }
    holds
}

fn mutants() -> bool {
    let found =
        |&rule: &Rule| -> Outcome { explore(&Model { scope: rule.needed_in(), without: Some(rule) }) };
    let outcomes: Vec<_> = Rule::ALL.iter().map(|rule| (rule, found(rule))).collect();
    for (rule, outcome) in &outcomes {
        println!("without {rule:?}: {outcome}");
    }
    let caught = outcomes.iter().filter(|(_, outcome)| outcome.violation.is_some()).count();
    println!("rules needed: {caught}/{}", outcomes.len());
    caught == outcomes.len()
}
