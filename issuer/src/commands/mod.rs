//! One file per noun of the command line. A command parses, asks the core, and prints.

mod account;
mod allocation;
mod audit;
mod bundle;
mod grant;
mod init;
mod inspect;
mod key;
mod node;
mod pool;
mod product;
mod status;
mod trust;

use leasehold_cli::{Exit, Failure};
use leasehold_issuer_core::Command;
use serde_json::Value;

use crate::args::{ChangeArgs, Verb};
use crate::context::Context;
use crate::ledger::{Done, Intent, Ledger};

/// Runs one command.
pub(crate) fn run(context: &Context, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(args) => init::run(context, &args),
        Verb::Status => status::run(context),
        Verb::Trust(verb) => trust::run(context, &verb),
        Verb::Key(verb) => key::run(context, &verb),
        Verb::Account(verb) => account::run(context, verb),
        Verb::Product(verb) => product::run(context, verb),
        Verb::Grant(verb) => grant::run(context, verb),
        Verb::Pool(verb) => pool::run(context, &verb),
        Verb::Node(verb) => node::run(context, verb),
        Verb::Allocation(verb) => allocation::run(context, verb),
        Verb::Bundle(verb) => bundle::run(context, &verb),
        Verb::Audit(verb) => audit::run(context, verb),
        Verb::Inspect { file, trust } => inspect::run(context, &file, trust.as_deref()),
    }
}

/// Does one command of the core.
fn change(context: &Context, args: &ChangeArgs, command: Command) -> Result<Done, Failure> {
    let cause = args.cause()?;
    let mut ledger = Ledger::open(&context.dir)?;
    ledger.begin()?.commit(cause, command, args.intent())
}

/// How a sentence about a change begins.
const fn verb(intent: Intent, done: &'static str, tried: &'static str) -> &'static str {
    match intent {
        Intent::Do => done,
        Intent::DryRun => tried,
    }
}

/// The answer of a change that was only tried says so.
fn mark(mut document: Value, intent: Intent) -> Value {
    if intent == Intent::DryRun
        && let Some(fields) = document.as_object_mut()
    {
        fields.insert("dry_run".to_owned(), true.into());
    }
    document
}

/// A fact of another kind than the command makes: cannot be.
fn odd_fact() -> Failure {
    Failure::new(
        leasehold_protocol::code::Code::Internal,
        "the record does not say what the command asked for",
        "this is a fault of the program: report it",
    )
}

/// A seat count as JSON: a tagged value.
fn seats_json(seats: leasehold_protocol::artefact::Seats) -> Value {
    match seats {
        leasehold_protocol::artefact::Seats::Value(count) => serde_json::json!({"value": count}),
        leasehold_protocol::artefact::Seats::Unlimited => serde_json::json!({"unlimited": true}),
    }
}

/// A seat count for people.
fn seats_text(seats: leasehold_protocol::artefact::Seats) -> String {
    match seats {
        leasehold_protocol::artefact::Seats::Value(count) => count.to_string(),
        leasehold_protocol::artefact::Seats::Unlimited => "unlimited".to_owned(),
    }
}
