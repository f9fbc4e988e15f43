//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::drive::Load;

/// Measures Leasehold beside what the machine can do, and says which targets are met
#[derive(Parser, Debug)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
}

#[derive(clap::Args, Debug)]
pub(crate) struct BenchArgs {
    /// What to measure [default: all]
    #[arg(value_name = "NUMBER", ignore_case = true)]
    pub(crate) numbers: Vec<Number>,
    /// All in three minutes: short rounds and fewer leases, so that only ratios say something
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure other stores of leases too, as far as they are installed (P2)
    #[arg(long)]
    pub(crate) peers: bool,
    /// Rounds of each [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Length of a round [default: 3, quick: 0.5]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,
    /// Live leases where it is about many [default: 1 000 000, quick: 100 000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=5_000_000))]
    live: Option<u32>,
    /// A directory on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub(crate) dir: PathBuf,
    /// Where the reports go [default: bench/ in the target directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Parts of this program that are processes of their own.
#[derive(Subcommand, Debug)]
#[command(disable_help_subcommand = true)]
pub(crate) enum Part {
    /// Serve a word from axum
    #[command(hide = true)]
    Hello {
        /// The Unix socket
        socket: PathBuf,
    },
    /// Serve leases out of `SQLite`
    #[cfg(feature = "peers")]
    #[command(hide = true)]
    Sqlite {
        /// Where its socket and its database lie
        dir: PathBuf,
    },
}

/// A row of the table of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
pub(crate) enum Number {
    /// Checkout and release, durable
    P1,
    /// The same against other stores
    P2,
    /// Latency of a durable checkout
    P3,
    /// Large pools and many live leases
    P4,
    /// Renewal, durable
    P5,
    /// Denial
    P6,
    /// Memory of live leases
    P7,
    /// Start after a kill
    P8,
    /// Verification of a proof
    P9,
    /// Polling the issuer
    P10,
    /// A herd of clients
    P13,
    /// Bytes and time of the journal
    P15,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Scale {
    pub(crate) rounds: usize,
    pub(crate) seconds: Duration,
    pub(crate) live: u32,
}

impl BenchArgs {
    pub(crate) fn scale(&self) -> Scale {
        let (seconds, live) = if self.quick { (0.5, 100_000) } else { (3.0, 1_000_000) };
        Scale {
            rounds: usize::from(self.rounds.unwrap_or(5)),
            seconds: self.seconds.unwrap_or(Duration::from_secs_f64(seconds)),
            live: self.live.unwrap_or(live),
        }
    }

    /// What was asked for, in order. Peers are measured only where they are asked for.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        let mut numbers = self.numbers.clone();
        if numbers.is_empty() {
            numbers.extend(Number::value_variants().iter().filter(|number| **number != Number::P2));
        }
        if self.peers {
            numbers.push(Number::P2);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl Scale {
    /// One round of load.
    pub(crate) fn load(self) -> Load {
        Load { warm_up: self.seconds / 5, measured: self.seconds }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if !(0.1..=600.0).contains(&seconds) {
        return Err("a round takes 0.1 to 600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
