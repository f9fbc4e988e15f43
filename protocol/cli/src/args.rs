//! Arguments that many commands share; flatten them.

use clap::{ArgAction, Args};

use crate::{Failure, IdempotencyKey, Output, os_user};

/// Flags of every command, accepted before and after the verb.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalArgs {
    /// Print one JSON document instead of text for people
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Print answers and failures only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
}

impl GlobalArgs {
    /// Where and how answers are printed.
    pub const fn output(self) -> Output {
        Output::new(self.json, self.quiet)
    }

    /// The least serious log level to print, as `tracing` spells it.
    pub const fn log_level(self) -> &'static str {
        match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, _) => "debug",
        }
    }
}

/// What every mutation accepts.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct MutationArgs {
    /// Why, for the audit record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who, for the audit record [default: the user of the operating system]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Makes a retry safe: the same key does the work once
    #[arg(long, value_name = "32 HEX DIGITS")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl MutationArgs {
    /// Who acts: as said, or the user of the operating system.
    pub fn actor(&self) -> String {
        self.actor.clone().unwrap_or_else(os_user)
    }

    /// The reason, for a command that must have one.
    pub fn required_reason(&self) -> Result<&str, Failure> {
        self.reason
            .as_deref()
            .filter(|reason| !reason.trim().is_empty())
            .ok_or_else(|| Failure::usage("this command needs a reason", "add --reason TEXT"))
    }
}
