//! One file per verb, and the two ways to the state: through the running daemon, or in its directory.

mod backup;
mod doctor;
mod enroll;
mod healthcheck;
mod import;
mod init;
mod inspect;
mod journal;
mod key;
mod lease;
mod leases;
mod pools;
mod receipt;
mod recover;
mod request;
mod restore;
mod run;
mod status;
mod surrender;
mod validate;

use std::path::Path;

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Exit, Failure, MutationArgs, Output, Program as _, log};
use leasehold_node_core::Cause;
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::armour::{armour, unarmour};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::sync::oneshot;

use crate::cli::{Cli, JournalVerb, LeaseVerb, Verb};
use crate::command::{Command, Outcome};
use crate::commit::{Commit, Fatal};
use crate::data_dir::DataDir;
use crate::store::{Store, fatal_failure};

/// The whole program, from its arguments to its exit.
pub(crate) fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let global = cli.global();
    let Cli { place, verb, .. } = cli;
    // A daemon logs as its configuration says.
    if !matches!(verb, Verb::Run(_)) {
        log::begin(global);
    }
    let config = match (place.config(), &verb) {
        (Ok(config), _) => config,
        // What an artefact says can be shown without configuration, and who looks for faults must not stumble over one.
        (Err(_), Verb::Inspect(args)) => return inspect::run(args, None, output),
        (failed, Verb::Doctor) => return doctor::run(&place, failed, output),
        (failed, Verb::Healthcheck) => return healthcheck::run(&place, failed, output),
        (Err(failure), _) => return Err(failure),
    };
    let dir = match (place.data_dir(&config), &verb) {
        (Ok(dir), _) => dir,
        (Err(_), Verb::Inspect(args)) => return inspect::run(args, None, output),
        (Err(failure), _) => return Err(failure),
    };
    match verb {
        Verb::Init(args) => init::run(&dir, &args, output),
        Verb::Enroll(args) => enroll::run(&dir, &args, output),
        Verb::Request(args) => request::run(&dir, &args, output),
        Verb::Import(args) => import::run(&dir, &args, output),
        Verb::Receipt(args) => receipt::run(&dir, &args, output),
        Verb::Surrender(args) => surrender::run(&dir, &args, output),
        Verb::Recover(args) => recover::run(&dir, &args, output),
        Verb::Backup(args) => backup::run(&dir, &args, output),
        Verb::Restore(args) => restore::run(&dir, &args, output),
        Verb::Run(args) => run::run(dir, &args, &place, &config, global),
        Verb::Status => status::run(&dir, output),
        Verb::Pools => pools::run(&dir, output),
        Verb::Leases(args) => leases::run(&dir, &args, output),
        Verb::Lease(LeaseVerb::Release(args)) => lease::force_release(&dir, &args, output),
        Verb::Journal(JournalVerb::Verify { offline }) => journal::verify(&dir, offline.as_deref(), output),
        Verb::Validate => validate::run(&place, &dir, &config, output),
        Verb::Doctor => return doctor::run(&place, Ok(config), output),
        Verb::Healthcheck => return healthcheck::run(&place, Ok(config), output),
        Verb::Key(verb) => key::run(&dir, &verb, output),
        Verb::Inspect(args) => return inspect::run(&args, Some(&dir), output),
    }
    .map(|()| Exit::DONE)
}

/// Who acts and why, as said on the command line.
fn cause(mutation: &MutationArgs) -> Cause {
    let idempotency_key = mutation.idempotency_key.as_ref().map(|key| IdempotencyKey(key.0));
    Cause { actor: mutation.actor(), reason: mutation.reason.clone(), idempotency_key }
}

/// Carries out one command on the directory itself, under its lock: one frame.
fn carry_out(store: &mut Store, command: Command) -> Result<Outcome, Failure> {
    let (asker, mut outcome) = oneshot::channel();
    let commit = || {
        let now = leasehold_clock::read().map_err(Fatal::Clock)?;
        let mut commit = Commit::begin(store, now)?;
        commit.ask(command, asker);
        commit.finish()
    };
    commit().map_err(|fatal| fatal_failure(&fatal))?;
    Ok(outcome.try_recv().unwrap_or_else(|_| Err(unanswered())))
}

/// Writes an artefact that the core made, in the form that files have.
fn write_artefact(line: &str, out: &Path) -> Result<(), Failure> {
    let envelope = unarmour(line.as_bytes()).ok();
    let text = envelope.and_then(|envelope| armour(&envelope).ok());
    let text =
        text.ok_or_else(|| Failure::new(Code::Internal, "what was made is no artefact", "report this"))?;
    files::write(out, text.as_bytes(), Access::Everyone, Existing::Replace)
}

fn unanswered() -> Problem {
    Problem::new(Code::Internal, "the core did not answer", "report this")
}

/// The command line that does something on the same directory.
fn next_command(dir: &DataDir, rest: &str) -> String {
    format!("leasehold-node --data {} {rest}", dir.path().display())
}
