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
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;
use serde_json::{Value, json};

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
    Ledger::open(&context.dir)?.begin()?.commit(cause, command, args.intent())
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
        Code::Internal,
        "the record does not say what the command asked for",
        "this is a fault of the program: report it",
    )
}

/// A seat count as JSON: a tagged value.
fn seats_json(seats: Seats) -> Value {
    match seats {
        Seats::Value(count) => json!({"value": count}),
        Seats::Unlimited => json!({"unlimited": true}),
    }
}

/// A seat count for people.
fn seats_text(seats: Seats) -> String {
    match seats {
        Seats::Value(count) => count.to_string(),
        Seats::Unlimited => "unlimited".to_owned(),
    }
}
