//! P10, its second half: nodes that report to the issuer, each answered by a bundle that is signed and durable.

use std::cell::RefCell;

use anyhow::Result;

use super::CONNECTIONS;
use super::rounds::hello;
use super::transport::Transport;
use crate::amount::amount;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::{Load, Measured, Operation, Place};
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::Syncing;

/// Of one core of the issuer.
const SYNCS_PER_CPU_SECOND: f64 = 8000.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let nodes = RefCell::new(bench.vendor.fleet(CONNECTIONS)?);
    let issuer = bench.vendor.serve()?;
    let place = Place::TlsOfNode(issuer.word("https://")?.parse()?);
    let sync = |load: Load| {
        let (measured, asked) = bench.generator.run(&place, nodes.take(), load, &[issuer.process()])?;
        nodes.replace(asked);
        Ok(measured)
    };
    let [greeted, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, Transport::Tls, CONNECTIONS)),
            Contender::new("issuer", || sync(bench.scale.load())),
        ],
    )?;
    let root = bench.vendor.trust_root()?;
    nodes.borrow().iter().try_for_each(|node| node.verify(&root))?;
    let bytes = nodes.borrow().iter().map(Syncing::bundle_bytes).max().unwrap_or(0);
    let cost =
        Cost { resident_bytes: Some(issuer.process().resident()?), ..Cost::of(&own, Some(Operation::Sync)) };
    let greeted = ("hello", &greeted);
    let rate = Measured::per_second;
    let per_cpu = Measured::per_server_cpu_second;
    let bytes = Quantity { amount: amount(bytes as u64), unit: Unit::Bytes };
    Ok(vec![
        Row::against(Number::P10, "signed sync, TLS", (&own, greeted), Unit::PerSecond, rate).cost(cost),
        Row::against(
            Number::P10,
            "signed sync, TLS, per server CPU",
            (&own, greeted),
            Unit::PerCpuSecond,
            per_cpu,
        )
        .target(Target::ValueAtLeast(SYNCS_PER_CPU_SECOND)),
        Row::new(Number::P10, "signed sync: bundle", bytes),
    ])
}
