//! `backup`: the whole state in one file, also beside a daemon.

use leasehold_archive::{back_up, check};
use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::bytes::Digest;
use serde::Serialize;

use crate::cli::BackupArgs;
use crate::data_dir::DataDir;
use crate::store::require_node;

#[derive(Serialize)]
struct Made<'a> {
    backup: &'a str,
    seq: u64,
    head: Digest,
}

pub(super) fn run(dir: &DataDir, args: &BackupArgs, output: Output) -> Result<(), Failure> {
    require_node(dir)?;
    let state = dir.archived();
    let made = back_up(&state, &args.file)?;
    // As whoever restores it would find it.
    check(&args.file, &state)?;
    let backup = args.file.display().to_string();
    let people =
        People::sentence(format!("wrote {} records and the keys to {backup}, and read them back", made.seq));
    let next = "keep it as safe as the node's keys, which are in it";
    output.answer(&Made { backup: &backup, seq: made.seq, head: made.head }, &people.next(next))
}
