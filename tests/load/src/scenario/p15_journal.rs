//! P15: what an operation costs in the journal, in bytes and in time.

use anyhow::{Context as _, Result};

use super::SEATS;
use super::rounds::Cycles;
use super::transport::Transport;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::Latency;
use crate::limit::disk::WrittenAhead;
use crate::report::{Quantity, Row, Target, Unit};
use crate::setup::{Committer, Medium};

/// Connections that make the frames full, and one that does not.
const BYTES: [(usize, f64); 2] = [(256, 200.0), (1, 400.0)];
/// Tickets of a frame, and what it may take by the raw disk.
const TIMES: [(usize, f64); 3] = [(1, 1.3), (16, 1.6), (64, 2.3)];

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let site = bench.vendor.site("journal", Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let mut rows = Vec::new();
    for (connections, target) in BYTES {
        let meter = site.journal()?;
        let transport = Transport::Plain;
        let cycles = Cycles { bench, site: &site, node: &node, sale: SEATS, transport, connections };
        let measured = cycles.run(bench.scale.load())?;
        let written = meter.written()?;
        let what = format!("journal bytes per operation, {:.1} records a frame", written.records_per_frame());
        let value = Quantity { amount: written.bytes_per(measured.answered), unit: Unit::Bytes };
        rows.push(Row::new(Number::P15, what, value).target(Target::ValueAtMost(target)));
    }
    let grant = site.journal_from_the_start().longest_record()?.context("no record in the journal")?;
    for (tickets, target) in TIMES {
        rows.push(commit(bench, &grant, tickets)?.target(Target::RatioAtMost(target)));
    }
    Ok(rows)
}

/// The journal's own commit, with as many records as tickets, signed, chained and synced.
fn commit(bench: &Bench, record: &[u8], tickets: usize) -> Result<Row> {
    let mut own = Committer::create(&bench.path(&format!("commit-{tickets}")), record, tickets)?;
    let mut raw = WrittenAhead::create(&bench.path(&format!("raw-{tickets}")))?;
    let (bytes, seconds) = (own.frame_bytes()?, bench.scale.seconds);
    let [raw, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("raw disk", || raw.commit(bytes, seconds)),
            Contender::new("journal", || own.commit(seconds)),
        ],
    )?;
    let p50 = |latency: &Latency| latency.percentile(50.0).as_secs_f64();
    let what = format!("commit of {tickets} tickets, signed and chained: p50");
    Ok(Row::against(Number::P15, what, (&own, ("raw fdatasync", &raw)), Unit::Seconds, p50))
}
