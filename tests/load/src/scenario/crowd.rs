//! A node with very many live leases, each of a user of its own: what three figures are about, and takes long to make.

use std::cell::{OnceCell, RefCell};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use leasehold_clock::Stopwatch;
use leasehold_protocol::api::{JournalStatus, StatusAnswer};

use super::CONNECTIONS;
use super::rounds::{Cycles, verify};
use super::transport::Transport;
use crate::bench::Bench;
use crate::drive::Load;
use crate::setup::{Holding, Medium, Node, Request, Sale, Site};

/// Who come first, so that what a node takes up before it has many leases is not counted as theirs.
const FIRST: u32 = 500;
/// What is left for those who come and go.
const SPARE: u32 = 500;

/// What is done before it is looked what they take up: too little to make another snapshot due.
const WORK: Load = Load { warm_up: Duration::ZERO, measured: Duration::from_secs(3) };

/// A snapshot is due after as many records.
const SNAPSHOT_RECORDS: u64 = 100_000;
/// How often it is looked whether there is one, and for how long.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_mins(3);

/// Made when it is first asked for.
#[derive(Default)]
pub(crate) struct LazyCrowd(OnceCell<Crowd>);

pub(crate) struct Crowd {
    pub(super) site: Site,
    pub(super) sale: Sale,
    /// None only while it is killed and started again.
    pub(super) node: RefCell<Option<Node>>,
    /// Resident bytes before and after.
    pub(super) resident: (u64, u64),
}

impl LazyCrowd {
    pub(super) fn get(&self, bench: &Bench) -> Result<&Crowd> {
        if let Some(crowd) = self.0.get() {
            return Ok(crowd);
        }
        let crowd = Crowd::gather(bench)?;
        Ok(self.0.get_or_init(|| crowd))
    }
}

impl Crowd {
    /// The same pool on two nodes: that of the crowd, and one that is empty.
    pub(super) fn sale(bench: &Bench) -> Sale {
        Sale { product: "crowd", seats: bench.scale.live + FIRST + SPARE }
    }

    fn gather(bench: &Bench) -> Result<Self> {
        let sale = Self::sale(bench);
        let site = bench.vendor.site("crowd", Medium::Disk, &[sale])?;
        let node = site.run()?;
        let request = Request::checkout(&site.sku(sale.product))?;
        let first = hold(bench, &request, &node, 0..u64::from(FIRST))?;
        let before = node.process().resident()?;
        hold(bench, &request, &node, first..u64::from(bench.scale.live) + first)?;
        settle(bench, &node)?;
        // The allocator gives back what a snapshot took as soon as somebody works, and not before.
        let transport = Transport::Plain;
        Cycles { bench, site: &site, node: &node, sale, transport, connections: 1 }.run(WORK)?;
        let after = node.process().resident()?;
        Ok(Self { site, sale, node: RefCell::new(Some(node)), resident: (before, after) })
    }
}

/// Waits until the node has caught up with its snapshots: they come with a quarter of a CPU, seats came as fast as they
/// could.
fn settle(bench: &Bench, node: &Node) -> Result<()> {
    let watch = Stopwatch::start();
    while watch.elapsed() < PATIENCE {
        let status: StatusAnswer = serde_json::from_slice(&bench.generator.get(&node.plain, "/v1/status")?)?;
        let JournalStatus { seq, snapshot, .. } = status.journal;
        if seq.saturating_sub(snapshot.map_or(0, |snapshot| snapshot.seq)) < SNAPSHOT_RECORDS {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    bail!("the node has not caught up with its snapshots within {} s", PATIENCE.as_secs())
}

/// Gives each user a seat, for good. The last number.
fn hold(bench: &Bench, request: &Request, node: &Node, users: std::ops::Range<u64>) -> Result<u64> {
    let (end, count) = (users.end, users.end - users.start);
    let users = Holding::users(request, users, CONNECTIONS as u64);
    let (measured, users) = bench.generator.run(&node.plain, users, Load::TO_THE_END, &[node.process()])?;
    ensure!(measured.answered as u64 == count, "{} of {count} users have a seat", measured.answered);
    verify(bench, node, users.iter().filter_map(Holding::sample))?;
    Ok(end)
}
