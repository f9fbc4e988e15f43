//! P6: a pool that is full says so, and the disk hears nothing of it.

use anyhow::Result;

use super::CONNECTIONS;
use super::rounds::hello;
use super::transport::Transport;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::{Load, Measured, Operation};
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::{Denied, Holding, Medium, Request, Sale};

/// One seat, which somebody has.
const FULL: Sale = Sale { product: "cad", seats: 1 };
/// The roll-up of a minute's denials is the only thing that may be written.
const BYTES_PER_DENIAL: f64 = 1.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let site = bench.vendor.site("full", Medium::Disk, &[FULL])?;
    let node = site.run()?;
    let (request, load) = (Request::checkout(&site.sku(FULL.product))?, bench.scale.load());
    let server = [node.process()];
    bench.generator.run(&node.plain, Holding::users(&request, 0..1, 1), Load::TO_THE_END, &server)?;
    let meter = site.journal()?;
    let mut answered = 0;
    let denials = || {
        let users = Denied::users(&request, CONNECTIONS);
        let (measured, _) = bench.generator.run(&node.plain, users, load, &server)?;
        answered += measured.answered;
        Ok(measured)
    };
    let [greeted, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, Transport::Plain, CONNECTIONS)),
            Contender::new("node", denials),
        ],
    )?;
    let written = meter.written()?.bytes_per(answered);
    let cost = Cost {
        journal_bytes_per_operation: Some(written),
        resident_bytes: Some(node.process().resident()?),
        ..Cost::of(&own, Some(Operation::Denial))
    };
    let written = Quantity { amount: written, unit: Unit::Bytes };
    let greeted = ("hello", &greeted);
    Ok(vec![
        Row::against(Number::P6, "denial, plain", (&own, greeted), Unit::PerSecond, Measured::per_second)
            .target(Target::RatioAtLeast(0.75))
            .cost(cost),
        Row::new(Number::P6, "denial: journal bytes", written).target(Target::ValueAtMost(BYTES_PER_DENIAL)),
    ])
}
