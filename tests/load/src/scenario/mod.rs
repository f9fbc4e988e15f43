//! What is measured, a file for each number of the table of targets.

mod crowd;
mod p01_checkout;
mod p02_peers;
mod p03_latency;
mod p04_size;
mod p05_renew;
mod p06_denial;
mod p07_memory;
mod p08_start;
mod p09_proof;
mod p10_poll;
mod p10_sync;
mod p13_herd;
mod p15_journal;
mod rounds;
mod transport;

pub(crate) use crowd::LazyCrowd;

use anyhow::Result;

use crate::bench::Bench;
use crate::cli::Number;
use crate::report::Row;
use crate::setup::Sale;

/// Connections of most figures.
const CONNECTIONS: usize = 64;
/// Enough for every connection of every figure.
const SEATS: Sale = Sale { product: "cad", seats: 1000 };

/// Measures one number.
pub(crate) fn run(number: Number, bench: &Bench) -> Result<Vec<Row>> {
    match number {
        Number::P1 => p01_checkout::run(bench),
        Number::P2 => p02_peers::run(bench),
        Number::P3 => p03_latency::run(bench),
        Number::P4 => p04_size::run(bench),
        Number::P5 => p05_renew::run(bench),
        Number::P6 => p06_denial::run(bench),
        Number::P7 => p07_memory::run(bench),
        Number::P8 => p08_start::run(bench),
        Number::P9 => p09_proof::run(bench),
        Number::P10 => Ok([p10_poll::run(bench)?, p10_sync::run(bench)?].concat()),
        Number::P13 => p13_herd::run(bench),
        Number::P15 => p15_journal::run(bench),
    }
}
