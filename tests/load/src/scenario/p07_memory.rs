//! P7: what a live lease takes up in memory.

use anyhow::Result;

use crate::amount::amount;
use crate::bench::Bench;
use crate::cli::Number;
use crate::report::{Quantity, Row, Target, Unit};

const BYTES_PER_LEASE: f64 = 250.0;
/// At as many leases, so much in all.
const ALL: (u32, f64) = (1_000_000, 350e6);

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let (before, after) = bench.crowd.get(bench)?.resident;
    let live = bench.scale.live;
    let (before, after) = (amount(before), amount(after));
    let row = |what: &str, amount| {
        let what = format!("memory, {live} live leases: {what}");
        Row::new(Number::P7, what, Quantity { amount, unit: Unit::Bytes })
    };
    let each = row("each", (after - before) / f64::from(live)).target(Target::ValueAtMost(BYTES_PER_LEASE));
    let all = row("RSS", after);
    let all = if live == ALL.0 { all.target(Target::ValueAtMost(ALL.1)) } else { all };
    Ok(vec![each, all])
}
