//! Rounds that several figures need.

use anyhow::Result;

use super::transport::Transport;
use crate::bench::Bench;
use crate::drive::{Load, Measured};
use crate::limit::hello::Greeted;
use crate::setup::{Cycle, Node, Request, Sale, Site, Witness};

/// A word from axum.
pub(super) fn hello(bench: &Bench, transport: Transport, connections: usize) -> Result<Measured> {
    let talks = (0..connections).map(|_| Greeted).collect();
    let (place, server) = (transport.hello(&bench.hello), bench.hello.process());
    Ok(bench.generator.run(place, talks, bench.scale.load(), &[server])?.0)
}

/// Users of a site who take seats and give them back. The tickets of some of them are verified.
pub(super) struct Cycles<'a> {
    pub(super) bench: &'a Bench,
    pub(super) site: &'a Site,
    pub(super) node: &'a Node,
    pub(super) sale: Sale,
    pub(super) transport: Transport,
    pub(super) connections: usize,
}

impl Cycles<'_> {
    pub(super) fn run(&self, load: Load) -> Result<Measured> {
        let Self { bench, site, node, sale, transport, connections } = self;
        let users = Cycle::users(&Request::checkout(&site.sku(sale.product))?, 0..*connections as u64);
        let place = transport.node(node);
        let (measured, users) = bench.generator.run(place, users, load, &[node.process()])?;
        verify(bench, node, users.iter().flat_map(Cycle::samples).map(Vec::as_slice))?;
        Ok(measured)
    }
}

/// Answers of the node prove their seats.
pub(super) fn verify<'a>(bench: &Bench, node: &Node, answers: impl Iterator<Item = &'a [u8]>) -> Result<()> {
    let mut witness = Witness::new(&bench.generator, &node.plain, bench.vendor.trust_root()?);
    for answer in answers {
        witness.check(answer)?;
    }
    Ok(())
}
