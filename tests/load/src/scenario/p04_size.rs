//! P4: neither the size of a pool nor the number of live leases makes a node slower.

use anyhow::Result;

use super::CONNECTIONS;
use super::crowd::Crowd;
use super::rounds::Cycles;
use super::transport::Transport;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::Measured;
use crate::report::{Cost, Row, Target, Unit};
use crate::setup::{Medium, Node, Sale, Site};

const SMALL: Sale = Sale { product: "small", seats: 100 };
const LARGE: Sale = Sale { product: "large", seats: 100_000 };
const TARGET: Target = Target::RatioAtLeast(0.85);

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    Ok(vec![pools(bench)?, leases(bench)?])
}

fn pools(bench: &Bench) -> Result<Row> {
    let site = bench.vendor.site("pools", Medium::Disk, &[SMALL, LARGE])?;
    let node = site.run()?;
    compare(bench, "pool of 100 000 seats", ("100 seats", (&site, &node, SMALL)), (&site, &node, LARGE))
}

fn leases(bench: &Bench) -> Result<Row> {
    let crowd = bench.crowd.get(bench)?;
    let empty = bench.vendor.site("empty", Medium::Disk, &[Crowd::sale(bench)])?;
    let (few, many) = (empty.run()?, crowd.node.borrow());
    let Some(many) = many.as_ref() else { anyhow::bail!("the crowd's node does not run") };
    let what = format!("{} live leases", bench.scale.live);
    compare(bench, &what, ("none", (&empty, &few, crowd.sale)), (&crowd.site, many, crowd.sale))
}

fn compare(
    bench: &Bench,
    what: &str,
    (name, small): (&'static str, (&Site, &Node, Sale)),
    large: (&Site, &Node, Sale),
) -> Result<Row> {
    let cycles = |(site, node, sale)| {
        let (transport, connections) = (Transport::Plain, CONNECTIONS);
        Cycles { bench, site, node, sale, transport, connections }.run(bench.scale.load())
    };
    let contenders = [Contender::new("small", || cycles(small)), Contender::new("large", || cycles(large))];
    let [small, large] = take_turns(bench.scale.rounds, contenders)?;
    let what = format!("checkout + release, plain: {what}");
    Ok(Row::against(Number::P4, what, (&large, (name, &small)), Unit::PerSecond, Measured::per_second)
        .target(TARGET)
        .cost(Cost::of(&large, None)))
}
