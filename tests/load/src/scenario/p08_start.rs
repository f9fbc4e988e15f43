//! P8: back after `kill -9`, with all live leases.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Result, ensure};
use leasehold_clock::Stopwatch;
use leasehold_protocol::api::PoolsAnswer;

use super::crowd::Crowd;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::report::{Quantity, Row, Target, Unit};

/// With as many live leases, so many seconds.
const SECONDS: (u32, f64) = (1_000_000, 1.5);
/// By the time it takes to read the same bytes.
const RATIO: f64 = 20.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let crowd = bench.crowd.get(bench)?;
    let contenders = [
        Contender::new("cat", || {
            let watch = Stopwatch::start();
            read_all(&crowd.site.data())?;
            Ok(watch.elapsed().as_secs_f64())
        }),
        Contender::new("start", || start(bench, crowd)),
    ];
    let [cat, own] = take_turns(bench.scale.rounds, contenders)?;
    let live = bench.scale.live;
    let what = |figure: &str| format!("start after kill -9, {live} live leases{figure}");
    let seconds = |seconds: &f64| *seconds;
    let value = Quantity { amount: own.median(seconds), unit: Unit::Seconds };
    let absolute = Row::new(Number::P8, what(""), value);
    let absolute = if live == SECONDS.0 { absolute.target(Target::ValueAtMost(SECONDS.1)) } else { absolute };
    let by_reading =
        Row::against(Number::P8, what(", by reading"), (&own, ("cat", &cat)), Unit::Seconds, seconds);
    Ok(vec![absolute, by_reading.target(Target::RatioAtMost(RATIO))])
}

/// Kills the node, and says how long it takes until it serves again. All leases must be there.
fn start(bench: &Bench, crowd: &Crowd) -> Result<f64> {
    if let Some(node) = crowd.node.take() {
        node.kill();
    }
    let watch = Stopwatch::start();
    let node = crowd.site.run()?;
    let seconds = watch.elapsed().as_secs_f64();
    let pools: PoolsAnswer = serde_json::from_slice(&bench.generator.get(&node.plain, "/v1/pools")?)?;
    let in_use: u32 = pools.pools.iter().map(|pool| pool.in_use).sum();
    ensure!(in_use >= bench.scale.live, "only {in_use} leases are there after the start");
    crowd.node.replace(Some(node));
    Ok(seconds)
}

/// As `cat` does.
fn read_all(dir: &Path) -> Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            read_all(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            let mut file = File::open(entry.path())?;
            while file.read(&mut buffer)? > 0 {}
        }
    }
    Ok(())
}
