//! `leasehold-issuer`: what vendors run. It records what was sold, signs it, and carries it to nodes in files.
//!
//! The shell around [`leasehold_issuer_core`]: it reads the clock and the disk, asks for the passphrase, signs, and
//! makes every record durable before anybody sees what it says. It decides nothing. Secret keys are in `signing` and
//! nowhere else; no command that does not sign needs the passphrase.

mod api;
mod args;
mod audit_check;
mod audit_record;
mod backend;
mod changes;
mod commands;
mod commit;
mod context;
mod entropy;
mod journal;
mod keyring;
mod limits;
mod metrics;
mod recovery;
mod serve;
mod signing;
mod state_dir;
mod store;
mod writer;

use std::process::ExitCode;

use args::IssuerArgs;
use context::Context;
use leasehold_cli::Program as _;

fn main() -> ExitCode {
    leasehold_cli::run(|args: IssuerArgs, output| {
        let global = args.global();
        let context = Context::new(&args, output)?;
        commands::run(&context, args.command, global)
    })
}
