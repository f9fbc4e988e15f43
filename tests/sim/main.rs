//! Simulation: the real node core on simulated clocks, disk and network, under an omniscient checker.
//!
//! One seed makes one run. A run that fails names its seed: `LEASEHOLD_SIM_SEED=0x… cargo test -p leasehold-tests
//! --test sim -- --nocapture one_seed` runs it alone.

mod checker;
mod client;
mod disk;
mod faults;
mod history;
mod host_clock;
mod net;
mod node_driver;
mod rng;
mod world;

use checker::{Gate, Gates};
use node_driver::Law;
use world::{Outcome, run};

/// Runs of one ordinary test.
const SEEDS: u64 = 200;
/// Seeds that a mutant may live through.
const MUTANT_SEEDS: u64 = 200;
const SEED_VARIABLE: &str = "LEASEHOLD_SIM_SEED";

#[test]
fn no_more_seats_are_used_than_were_sold() {
    let outcomes = run_all(0..SEEDS, Law::Whole);
    let mut gates = Gates::new();
    let mut events = 0;
    for (seed, outcome) in outcomes {
        assert_holds(seed, &outcome);
        events += outcome.events;
        for (gate, times) in outcome.gates {
            *gates.entry(gate).or_default() += times;
        }
    }
    println!("{SEEDS} seeds, {events} events: {gates:?}");
    let missing: Vec<Gate> = Gate::ALL.into_iter().filter(|gate| !gates.contains_key(gate)).collect();
    assert!(missing.is_empty(), "the runs show nothing, as these never happened: {missing:?}");
}

#[test]
fn every_missing_rule_is_noticed() {
    let mut caught = 0;
    for mutant in Law::MUTANTS {
        let found = (0..MUTANT_SEEDS).find_map(|seed| Some((seed, run(seed, mutant).violation?)));
        match found {
            Some((seed, violation)) => {
                caught += 1;
                println!("{mutant:?}: seed {seed:#x}: {}", violation.0);
            }
            None => println!("{mutant:?}: not noticed in {MUTANT_SEEDS} seeds"),
        }
    }
    println!("mutants caught: {caught}/{}", Law::MUTANTS.len());
    assert_eq!(caught, Law::MUTANTS.len());
}

#[test]
fn one_seed_makes_one_run() {
    let seed = chosen_seed().unwrap_or(7);
    let (first, second) = (run(seed, Law::Whole), run(seed, Law::Whole));
    assert_eq!(first.trace, second.trace, "seed {seed:#x}");
    assert_ne!(first.trace, run(seed ^ 1, Law::Whole).trace);
    assert_holds(seed, &first);
}

/// All seeds, on as many threads as the machine has cores, in order.
fn run_all(seeds: std::ops::Range<u64>, law: Law) -> Vec<(u64, Outcome)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seeds: Vec<u64> = seeds.collect();
    std::thread::scope(|scope| {
        let parts = seeds.chunks(seeds.len().div_ceil(threads));
        let runs = parts.map(|part| scope.spawn(move || part.iter().map(|&s| (s, run(s, law))).collect()));
        let runs: Vec<std::thread::ScopedJoinHandle<'_, Vec<_>>> = runs.collect();
        runs.into_iter().flat_map(|run| run.join().expect("the run's own panic says why")).collect()
    })
}

fn assert_holds(seed: u64, outcome: &Outcome) {
    if let Some(violation) = &outcome.violation {
        panic!(
            "seed {seed:#x}, event {}: {}\nreplay: {SEED_VARIABLE}={seed:#x} cargo test -p leasehold-tests --test sim \
             -- --nocapture one_seed",
            outcome.events, violation.0
        );
    }
}

fn chosen_seed() -> Option<u64> {
    let text = std::env::var(SEED_VARIABLE).ok()?;
    let hex = text.strip_prefix("0x");
    let seed = hex.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
    Some(seed.expect("the seed is a number, decimal or 0x…"))
}
