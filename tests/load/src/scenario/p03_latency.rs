//! P3: how long one durable checkout takes, beside what the disk takes to make a frame of that size durable.

use anyhow::Result;

use super::SEATS;
use super::rounds::Cycles;
use super::transport::Transport;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, Rounds, take_turns};
use crate::drive::{Latency, Operation};
use crate::limit::disk::WrittenAhead;
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::{Medium, Node, Site};

/// The slowest hundredth, by the median.
const TAIL: Target = Target::RatioAtMost(6.0);

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let site = bench.vendor.site("latency", Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let mut raw = WrittenAhead::create(&bench.path("latency"))?;
    let mut rows = Vec::new();
    for (connections, target) in [(1, 3.0), (16, 5.5)] {
        rows.extend(compare(bench, (&site, &node), &mut raw, connections, Target::RatioAtMost(target))?);
    }
    Ok(rows)
}

fn compare(
    bench: &Bench,
    (site, node): (&Site, &Node),
    raw: &mut WrittenAhead,
    connections: usize,
    target: Target,
) -> Result<Vec<Row>> {
    let load = bench.scale.load();
    let cycles = Cycles { bench, site, node, sale: SEATS, transport: Transport::Plain, connections };
    let meter = site.journal()?;
    cycles.run(load)?;
    let frame_bytes = meter.written()?.bytes_per_frame();
    let mut measured = Vec::new();
    let [raw, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("raw disk", || raw.commit(frame_bytes, load.measured)),
            Contender::new("node", || {
                let round = cycles.run(load)?;
                let latency = round.latency(Operation::Checkout);
                measured.push(round);
                Ok(latency)
            }),
        ],
    )?;
    let what = |figure: &str| format!("checkout, plain, {connections} connections: {figure}");
    let cost = Cost::of(&Rounds(measured), Some(Operation::Checkout));
    let p50 = |latency: &Latency| latency.percentile(50.0).as_secs_f64();
    let p99 = |latency: &Latency| latency.percentile(99.0).as_secs_f64();
    let tails: Vec<f64> = own.0.iter().map(|latency| p99(latency) / p50(latency)).collect();
    let tail = Row::new(Number::P3, what("p99"), Quantity { amount: own.median(p99), unit: Unit::Seconds });
    Ok(vec![
        Row::against(Number::P3, what("p50"), (&own, ("raw fdatasync", &raw)), Unit::Seconds, p50)
            .target(target)
            .cost(cost),
        tail.with_ratios("own p50", Quantity { amount: own.median(p50), unit: Unit::Seconds }, tails)
            .target(TAIL),
    ])
}
