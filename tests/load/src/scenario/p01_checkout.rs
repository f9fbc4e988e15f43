//! P1: durable, signed checkout and release.
//!
//! Against a word from axum behind the same listener, and against the same node with its data in memory (tmpfs, where
//! every system call is the same and a sync costs nothing).

use anyhow::Result;

use super::rounds::{Cycles, hello};
use super::transport::Transport;
use super::{CONNECTIONS, SEATS};
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::Measured;
use crate::report::{Cost, Row, Target, Unit};
use crate::setup::{Medium, Node, Site};

const OTHER_CROWDS: [usize; 3] = [1, 16, 256];

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let disk = bench.vendor.site("disk", Medium::Disk, &[SEATS])?;
    let memory = bench.vendor.site("memory", Medium::Memory, &[SEATS])?;
    let (on_disk, in_memory) = (disk.run()?, memory.run()?);
    let mut rows = Vec::new();
    for transport in Transport::BOTH {
        rows.extend(compare(bench, transport, (&disk, &on_disk), (&memory, &in_memory))?);
    }
    for connections in OTHER_CROWDS {
        rows.push(of_crowd(bench, (&disk, &on_disk), connections)?);
    }
    Ok(rows)
}

/// With fewer or more who ask at once than the targets are about.
fn of_crowd(bench: &Bench, (site, node): (&Site, &Node), connections: usize) -> Result<Row> {
    let transport = Transport::Plain;
    let cycles = Cycles { bench, site, node, sale: SEATS, transport, connections };
    let [greeted, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, transport, connections)),
            Contender::new("node", || cycles.run(bench.scale.load())),
        ],
    )?;
    let what = format!("checkout + release, plain, {connections} at once");
    let (greeted, rate) = (("hello", &greeted), Measured::per_second);
    let row = Row::against(Number::P1, what, (&own, greeted), Unit::PerSecond, rate);
    Ok(row.cost(Cost::of(&own, None)))
}

fn compare(
    bench: &Bench,
    transport: Transport,
    disk: (&Site, &Node),
    memory: (&Site, &Node),
) -> Result<Vec<Row>> {
    let cycles = |(site, node)| {
        let cycles = Cycles { bench, site, node, sale: SEATS, transport, connections: CONNECTIONS };
        cycles.run(bench.scale.load())
    };
    let meter = disk.0.journal()?;
    let mut answered = 0;
    let [greeted, own, unsynced] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, transport, CONNECTIONS)),
            Contender::new("node", || {
                let measured = cycles(disk)?;
                answered += measured.answered;
                Ok(measured)
            }),
            Contender::new("node in memory", || cycles(memory)),
        ],
    )?;
    let what = |figure: &str| format!("checkout + release, {}: {figure}", transport.name());
    let cost = Cost {
        journal_bytes_per_operation: Some(meter.written()?.bytes_per(answered)),
        resident_bytes: Some(disk.1.process().resident()?),
        ..Cost::of(&own, None)
    };
    let (greeted, unsynced) = (("hello", &greeted), ("in memory", &unsynced));
    let (rate, work) = (Measured::per_second, Measured::per_server_cpu_second);
    Ok(vec![
        Row::against(Number::P1, what("throughput"), (&own, greeted), Unit::PerSecond, rate)
            .target(Target::RatioAtLeast(0.5))
            .cost(cost),
        Row::against(Number::P1, what("work"), (&own, greeted), Unit::PerCpuSecond, work)
            .target(Target::RatioAtLeast(0.4)),
        Row::against(Number::P1, what("durability"), (&own, unsynced), Unit::PerSecond, rate)
            .target(Target::RatioAtLeast(0.75)),
    ])
}
