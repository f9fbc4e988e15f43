//! The law in every world of every scope, and each rule's necessity.

use std::collections::BTreeMap;

use leasehold_model::{Model, Rule, Scope, explore};

#[test]
fn no_seat_is_used_by_two_in_any_world() {
    let mut happened = BTreeMap::<String, u64>::new();
    let mut states = 0;
    for scope in Scope::DAILY {
        let outcome = explore(&Model { scope, without: None });
        println!("{}: {outcome}", scope.name);
        assert!(outcome.violation.is_none(), "the law is broken");
        states += outcome.states;
        for (action, times) in outcome.happened {
            *happened.entry(action).or_default() += times;
        }
    }
    println!("{states} states in all: {happened:?}");
    let never: Vec<_> = happened.iter().filter(|(_, times)| **times == 0).map(|(action, _)| action).collect();
    assert!(never.is_empty(), "the law shows nothing of what never happened: {never:?}");
}

#[test]
fn without_any_rule_a_seat_is_used_by_two() {
    let mut survivors = Vec::new();
    for rule in Rule::ALL {
        let outcome = explore(&Model { scope: rule.needed_in(), without: Some(rule) });
        println!("without {rule:?}: {outcome}");
        if outcome.violation.is_none() {
            survivors.push(rule);
        }
    }
    println!("rules needed: {}/{}", Rule::ALL.len() - survivors.len(), Rule::ALL.len());
    assert!(survivors.is_empty(), "the law holds without {survivors:?}");
}
