//! `import`: applies a bundle.

use leasehold_cli::files;
use leasehold_cli::{Failure, Output, People};
use leasehold_node_core::Cause;
use leasehold_protocol::api::{ImportAnswer, ImportResult};
use leasehold_protocol::limits::ARMOUR_BYTES;

use super::{carry_out, cause, next_command, unanswered};
use crate::admin::{Admin, Content};
use crate::cli::ImportArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::http::ImportQuery;
use crate::received;
use crate::store::Store;

pub(super) fn run(dir: &DataDir, args: &ImportArgs, output: Output) -> Result<(), Failure> {
    let envelope = received::envelope(&files::read(&args.file, ARMOUR_BYTES)?)?;
    let answer = apply(dir, envelope, args.mutation.dry_run, args.accept_time, &cause(&args.mutation))?;
    output.answer(&answer, &for_people(&answer).next(next_command(dir, "pools")))
}

/// Applies a bundle through the running daemon or in its directory.
pub(super) fn apply(
    dir: &DataDir,
    envelope: Vec<u8>,
    dry_run: bool,
    accept_time: bool,
    cause: &Cause,
) -> Result<ImportAnswer, Failure> {
    let cause = cause.clone();
    if let Some(admin) = Admin::find(dir)? {
        let query = ImportQuery { dry_run, accept_time, actor: Some(cause.actor), reason: cause.reason };
        let query = serde_urlencoded::to_string(query).expect("texts and switches make a query");
        let path = format!("/v1/bundles?{query}");
        return admin.post(&path, Content::Artefact(envelope));
    }
    let mut store = Store::open(dir)?;
    match carry_out(&mut store, Command::Import { cause, envelope, dry_run, accept_time })?? {
        Answer::Imported(answer) => Ok(*answer),
        _ => Err(unanswered().into()),
    }
}

pub(super) fn for_people(answer: &ImportAnswer) -> People {
    let result = match answer.result {
        ImportResult::Applied => "applied",
        ImportResult::AlreadyApplied => "already applied, nothing changed:",
        ImportResult::WouldApply => "would apply",
    };
    let sentence = People::sentence(format!("{result} bundle {}", answer.bundle_id));
    if answer.changes.is_empty() {
        return sentence;
    }
    sentence.and(People::table(["changes"], answer.changes.iter().map(|change| [change.clone()])))
}
