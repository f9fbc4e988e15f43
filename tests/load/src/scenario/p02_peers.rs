//! P2: checkout and release against other stores of leases, each of them durable before it answers.

use anyhow::Result;

use super::rounds::Cycles;
use super::transport::Transport;
use super::{CONNECTIONS, SEATS};
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::Measured;
use crate::peer::{Peer, Store};
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::{Medium, Node, Site};

/// How many times faster than each.
const TARGETS: [(Store, f64); 4] =
    [(Store::Postgres, 3.5), (Store::Redis, 1.3), (Store::Etcd, 15.0), (Store::Sqlite, 3.5)];

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let site = bench.vendor.site("peers", Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let mut rows = Vec::new();
    for (store, target) in TARGETS {
        match store.start(&bench.generator, bench.disk())? {
            Some(peer) => rows.extend(against(bench, (&site, &node), (store.name(), &*peer), target)?),
            None => println!("{} is not installed: {}", store.name(), store.remedy()),
        }
    }
    Ok(rows)
}

fn against(
    bench: &Bench,
    (site, node): (&Site, &Node),
    (name, peer): (&'static str, &dyn Peer),
    target: f64,
) -> Result<[Row; 2]> {
    let (load, transport, connections) = (bench.scale.load(), Transport::Plain, CONNECTIONS);
    let [own, other] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("node", || {
                Cycles { bench, site, node, sale: SEATS, transport, connections }.run(load)
            }),
            Contender::new(name, || peer.round(&bench.generator, CONNECTIONS, load)),
        ],
    )?;
    let what = format!("checkout + release, plain, against {name}");
    let own_row =
        Row::against(Number::P2, what, (&own, (name, &other)), Unit::PerSecond, Measured::per_second);
    let value = Quantity { amount: other.median(Measured::per_second), unit: Unit::PerSecond };
    Ok([
        own_row.target(Target::RatioAtLeast(target)).cost(Cost::of(&own, None)),
        Row::new(Number::P2, format!("{name} itself"), value).cost(Cost::of(&other, None)),
    ])
}
