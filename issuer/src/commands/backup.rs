//! `backup`: the whole state in one file, also beside a daemon; `restore`: a backup in the place of the state, which is
//! in RECOVER from then on.

use std::path::Path;

use leasehold_archive::{Unpacked, back_up, check};
use leasehold_cli::{Exit, Failure, People};
use leasehold_issuer_core::RecoverCause;
use leasehold_journal::file::newest_generation;
use serde_json::json;

use crate::args::RestoreArgs;
use crate::commit::Intent;
use crate::context::Context;
use crate::journal;
use crate::recovery;
use crate::state_dir::StateDir;
use crate::store::Store;

pub(super) fn back(context: &Context, file: &Path) -> Result<Exit, Failure> {
    context.dir.check_not_lost()?;
    let state = context.dir.archived();
    let made = back_up(&state, file)?;
    // As whoever restores it would find it.
    check(file, &state)?;
    let document = json!({"backup": file, "seq": made.seq, "head": made.head, "files": made.files.len()});
    let people = People::sentence(format!(
        "wrote {} records and the sealed keys to {}, and read them back",
        made.seq,
        file.display()
    ));
    let people = people.next("keep it apart from this machine, and the passphrase apart from both");
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

pub(super) fn restore(context: &Context, args: &RestoreArgs) -> Result<Exit, Failure> {
    let state = context.dir.archived();
    if args.change.intent() == Intent::DryRun {
        let found = check(&args.file, &state)?;
        let document =
            json!({"result": "would_restore", "seq": found.seq, "head": found.head, "dry_run": true});
        let people =
            People::sentence(format!("would put {} records in the place of this journal", found.seq));
        return context.output.answer(&document, &people).map(|()| Exit::DONE);
    }
    let unpacked = Unpacked::read(&args.file, state)?;
    // The generation is replaced with the journal, and must not be used again.
    let seen = newest_generation(&context.dir.journal());
    let dir = StateDir::new(unpacked.dir());
    let mut store = Store::open(&dir, &context.passphrase)?;
    let entered = recovery::enter(&mut store, args.change.cause()?, RecoverCause::Restored, seen)?;
    store.close().map_err(|error| journal::failure(&dir, &error))?;
    let seq = unpacked.contents().seq;
    let replaced = unpacked.put_in_place()?;
    let document = json!({
        "result": "restored",
        "seq": seq,
        "generation": entered.generation,
        "replaced": replaced,
    });
    let aside = replaced.map(|path| format!("; what it replaced is in {}", path.display()));
    let people = People::sentence(format!(
        "restored {seq} records{}\nevery account is frozen until its nodes have told what they stand on",
        aside.unwrap_or_default()
    ));
    let people =
        people.next(format!("{}; then {}", context.command("serve"), context.command("recover --dry-run")));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}
