//! The `leasehold` command: seats for applications, scripts, CI and schedulers.

mod cli;
mod commands;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_cli::run(commands::run)
}
