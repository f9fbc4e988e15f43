//! P5: durable renewals.

use anyhow::Result;

use super::rounds::{hello, verify};
use super::transport::Transport;
use super::{CONNECTIONS, SEATS};
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::{Measured, Operation};
use crate::report::{Cost, Row, Target, Unit};
use crate::setup::{Medium, Renewing, Request};

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let site = bench.vendor.site("renew", Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let (meter, load) = (site.journal()?, bench.scale.load());
    let mut users = Renewing::users(&Request::checkout(&site.sku(SEATS.product))?, CONNECTIONS);
    let mut answered = 0;
    let renewals = || {
        let (measured, mut renewed) =
            bench.generator.run(&node.plain, std::mem::take(&mut users), load, &[node.process()])?;
        let samples: Vec<_> = renewed.iter_mut().filter_map(Renewing::take_sample).collect();
        verify(bench, &node, samples.iter().map(Vec::as_slice))?;
        users = renewed;
        answered += measured.answered;
        Ok(measured)
    };
    let [greeted, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, Transport::Plain, CONNECTIONS)),
            Contender::new("node", renewals),
        ],
    )?;
    let cost = Cost {
        journal_bytes_per_operation: Some(meter.written()?.bytes_per(answered)),
        resident_bytes: Some(node.process().resident()?),
        ..Cost::of(&own, Some(Operation::Renew))
    };
    let greeted = ("hello", &greeted);
    let (rate, work) = (Measured::per_second, Measured::per_server_cpu_second);
    Ok(vec![
        Row::against(Number::P5, "renew, plain: throughput", (&own, greeted), Unit::PerSecond, rate)
            .target(Target::RatioAtLeast(0.5))
            .cost(cost),
        Row::against(Number::P5, "renew, plain: work", (&own, greeted), Unit::PerCpuSecond, work)
            .target(Target::RatioAtLeast(0.45)),
    ])
}
