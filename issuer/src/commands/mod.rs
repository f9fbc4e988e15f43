//! One file per noun of the command line. A command makes a request of the API, sends it, and prints the answer.

mod account;
mod allocation;
mod api_key;
mod audit;
mod backup;
mod bundle;
mod doctor;
mod grant;
mod init;
mod inspect;
mod key;
mod node;
mod pages;
mod pool;
mod product;
mod recover;
mod status;
mod trust;
mod validate;

use leasehold_cli::{Exit, Failure, GlobalArgs};

use crate::args::Verb;
use crate::context::Context;
use crate::serve;

/// Runs one command.
pub(crate) fn run(context: &Context, verb: Verb, global: GlobalArgs) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(args) => context.require_local("init").and_then(|()| init::run(context, &args)),
        Verb::Serve(args) => context.require_local("serve").and_then(|()| serve::run(context, &args, global)),
        Verb::Status => status::run(context),
        Verb::Doctor(args) => {
            context.require_local("doctor").and_then(|()| doctor::run(context, args.config.as_deref()))
        }
        Verb::Validate(args) => {
            context.require_local("validate").and_then(|()| validate::run(context, args.config.as_deref()))
        }
        Verb::Backup { file } => context.require_local("backup").and_then(|()| backup::back(context, &file)),
        Verb::Restore(args) => {
            context.require_local("restore").and_then(|()| backup::restore(context, &args))
        }
        Verb::Recover(args) => recover::run(context, &args),
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
        Verb::ApiKey(verb) => api_key::run(context, verb),
        Verb::Inspect { file, trust } => inspect::run(context, &file, trust.as_deref()),
    }
}
