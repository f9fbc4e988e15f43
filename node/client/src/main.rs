//! The `leasehold` command: seats for applications, scripts, CI and schedulers.

mod cli;
mod commands;
mod log;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_cli::run(commands::run)
}
