//! `restore`: puts a backup in the place of the state, and writes down that it did.
//!
//! The node is in RECOVER from then on. That is written into the journal before it is in place, with the generation that
//! the MARK names which it replaces: a journal that was restored says so itself.

use leasehold_archive::Unpacked;
use leasehold_cli::{Failure, Output, People};
use leasehold_journal::file::newest_generation;
use leasehold_protocol::artefact::RecoverCause;
use serde::Serialize;

use super::{cause, next_command};
use crate::cli::RestoreArgs;
use crate::data_dir::DataDir;
use crate::recovery;
use crate::store::{Store, journal_failure};

#[derive(Serialize)]
struct Restored {
    result: &'static str,
    seq: u64,
    /// Where the state is that was replaced.
    replaced: Option<String>,
}

pub(super) fn run(dir: &DataDir, args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let by = cause(&args.mutation);
    by.check()?;
    let state = dir.archived();
    let unpacked = Unpacked::read(&args.file, state)?;
    // What names it is replaced with the journal. Not before a restore that was interrupted is finished, which may have
    // taken it away, and nobody else writes.
    let newest_generation = newest_generation(&dir.journal());
    let seq = unpacked.contents().seq;
    let mut store = Store::open(&DataDir::new(&unpacked.dir()))?;
    let provisioned = store.core.is_provisioned();
    if args.mutation.dry_run {
        let people =
            People::sentence(format!("would put a journal of {seq} records in the place of this one"));
        return output.answer(&Restored { result: "would_restore", seq, replaced: None }, &people);
    }
    let newest_generation = newest_generation.or_else(|| (!provisioned).then_some(0));
    recovery::regress(&mut store, RecoverCause::Restored, by, newest_generation)?;
    store.home.close().map_err(|error| journal_failure(&error))?;
    let replaced = unpacked.put_in_place()?.map(|path| path.display().to_string());
    let aside = replaced.as_ref().map(|path| format!("; what it replaced is in {path}")).unwrap_or_default();
    let people = People::sentence(format!("restored a journal of {seq} records{aside}"));
    let people = people.and(People::sentence(
        "the node is in RECOVER: running leases go on, no seat is given until what the backup lacks is over"
            .to_owned(),
    ));
    let next = format!(
        "{}; when no copy of this node runs: {}",
        next_command(dir, "run"),
        next_command(dir, "recover --reason TEXT")
    );
    output.answer(&Restored { result: "restored", seq, replaced }, &people.next(next))
}
