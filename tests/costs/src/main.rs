//! What one operation of the node's core costs: instructions and allocations, held against a baseline.
//!
//! There is no time here: valgrind counts, so the figures are the same on a busy machine and on an idle one. Nothing of
//! the shell is counted either: no HTTP, no journal, no signature. That is what the load program measures.
//!
//! ```text
//! cargo xtask costs            compares with baseline.tsv; fails where something costs over a tenth more
//! cargo xtask costs --bless    writes baseline.tsv anew
//! ```

mod baseline;
mod counts;
mod node;
mod operation;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::baseline::Baseline;
use crate::operation::Operation;

#[derive(Parser)]
#[command(about = "What one operation of the node's core costs")]
struct Args {
    /// Write the figures down as the new baseline
    #[arg(long)]
    bless: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Carry an operation out so many times: what valgrind looks at
    #[command(hide = true)]
    Repeat {
        /// Which
        operation: Operation,
        /// How often
        times: u32,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { bless, verb } = Args::parse();
    if let Some(Verb::Repeat { operation, times }) = verb {
        operation.repeat(times);
        return Ok(ExitCode::SUCCESS);
    }
    let measured = Operation::ALL.map(|operation| (operation, counts::of(operation)));
    let measured: Vec<_> = measured
        .into_iter()
        .map(|(operation, counts)| Ok((operation, counts.with_context(|| operation.name())?)))
        .collect::<anyhow::Result<_>>()?;
    if bless {
        baseline::write(&measured)?;
    }
    let comparison = Baseline::read()?.compare(&measured);
    println!("{comparison}");
    Ok(if comparison.is_within_tolerance() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
