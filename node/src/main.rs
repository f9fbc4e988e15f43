//! `leasehold-node`: the daemon that customers run inside their own network, and its admin command line.
//!
//! The shell decides nothing: it parses, hands inputs to the pure core of `leasehold-node-core`, makes the core's
//! records durable, signs its tickets and only then lets answers out ([`commit`], [`writer`]). There is no other way to
//! change the state, no network contact that was not asked for, no cache beside the core, no retry of a
//! failed write: a durable write that fails ends the process with exit 70.
//!
//! * [`store`]: a data directory as a replayed core, locked for writing or looked at read-only.
//! * [`commit`]: one frame: decide, sign, write, answer. [`writer`]: the one thread that makes them in a daemon.
//! * [`ticket`]: the batch signatures of a frame, and tickets rebuilt from it. [`signing`]: the only holder of secrets.
//! * [`http`]: the API, and who may call it. [`listening`]: where. [`api_keys`]: what callers show.
//! * [`daemon`]: from start to drained end.
//! * [`recovery`]: what is written down of a journal that may not be all that was promised.
//! * [`admin`]: commands that go through a running daemon. [`commands`]: one file per verb.

mod admin;
mod api_keys;
mod causes;
mod cli;
mod command;
mod commands;
mod commit;
mod config;
mod daemon;
mod data_dir;
mod exchange;
mod http;
mod journal_check;
mod limits;
mod listening;
mod machine;
mod metrics;
mod pace;
mod ready;
mod received;
mod recovery;
mod reload;
mod replay;
mod shown;
mod signing;
mod snapshots;
mod store;
mod tally;
mod ticket;
mod writer;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// What a request takes is allocated by one thread and freed by another, which the allocator of the C library is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    leasehold_cli::run(commands::run)
}
