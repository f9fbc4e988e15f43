//! `leasehold-issuer`: what vendors run. It records what was sold, signs it, and carries it to nodes in files.
//!
//! The shell around [`leasehold_issuer_core`]: it reads the clock and the disk, asks for the passphrase, signs, and
//! makes every record durable before anybody sees what it says. It decides nothing. Secret keys are in `signing` and
//! nowhere else; no command that does not sign needs the passphrase.

mod args;
mod audit_record;
mod commands;
mod context;
mod journal;
mod ledger;
mod limits;
mod signing;
mod state_dir;

use std::process::ExitCode;

use args::IssuerArgs;
use context::Context;

fn main() -> ExitCode {
    leasehold_cli::run(|args: IssuerArgs, output| {
        let context = Context::new(&args, output)?;
        commands::run(&context, args.command)
    })
}
