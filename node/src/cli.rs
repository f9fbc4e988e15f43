//! The command line of `leasehold-node`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use leasehold_cli::files::FileOrStdin;
use leasehold_cli::{Failure, GlobalArgs, MutationArgs, Program, Side, default_data_dir};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::join_code::JoinCode;

use crate::config::{self, Config};
use crate::data_dir::DataDir;

/// Serves floating seats inside your own network
#[derive(Parser, Debug)]
#[command(name = "leasehold-node", version, about, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the state is; accepted before and after the verb.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArgs {
    /// The data directory
    #[arg(long, global = true, value_name = "DIR", env = "LEASEHOLD_NODE_DATA", help_heading = "State")]
    data: Option<PathBuf>,
    /// The configuration file [default: /etc/leasehold/node.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "State")]
    config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Make a new node: its keys and its journal
    Init(InitArgs),
    /// Enrol at the vendor's issuer over the network; the daemon then stays in contact by itself
    Enroll(EnrollArgs),
    /// Write a request to carry to the vendor
    Request(RequestArgs),
    /// Apply a bundle from the vendor
    Import(ImportArgs),
    /// Write a receipt to carry to the vendor: what is in force, and which seats are given back
    Receipt(ReceiptArgs),
    /// Give free seats back to the vendor
    Surrender(SurrenderArgs),
    /// Serve seats, in the foreground
    Run(RunArgs),
    /// Say that the journal may be older than what was promised, and attest that no copy of the node runs
    Recover(RecoverArgs),
    /// Write the whole state to one file, also beside a daemon
    Backup(BackupArgs),
    /// Put a backup in the place of the state
    Restore(RestoreArgs),
    /// Show trust, clock, pools and journal
    Status,
    /// Show the pools
    Pools,
    /// Show the leases that have not ended
    Leases(LeasesArgs),
    /// Look after one lease
    #[command(subcommand)]
    Lease(LeaseVerb),
    /// Look after the journal
    #[command(subcommand)]
    Journal(JournalVerb),
    /// Look for faults, beside a daemon or without one
    Doctor,
    /// Tell a monitoring system how the daemon is: exits 0 to 3
    Healthcheck,
    /// Check the configuration
    Validate,
    /// Look after the keys that callers of the network show
    #[command(subcommand)]
    Key(KeyVerb),
    /// Show what an artefact says
    Inspect(InspectArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The vendor's trust root
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: PathBuf,
    /// What you call the node [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EnrollArgs {
    /// Where the issuer is: https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
    /// The join code of the vendor
    #[arg(long, value_name = "CODE")]
    pub(crate) join: JoinCode,
    /// Vouch for a signed time that is far ahead of this machine's clock
    #[arg(long)]
    pub(crate) accept_time: bool,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RequestArgs {
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The join code of the vendor, for the first request
    #[arg(long, value_name = "CODE")]
    pub(crate) join: Option<JoinCode>,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The bundle, in any form; `-` for standard input
    #[arg(value_name = "FILE", value_parser = file_or_stdin)]
    pub(crate) file: FileOrStdin,
    /// Vouch for a signed time that is far ahead of this machine's clock
    #[arg(long)]
    pub(crate) accept_time: bool,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReceiptArgs {
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SurrenderArgs {
    /// Of which pool: its id, or the SKU of its product
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: String,
    /// How many seats, all of them or none
    #[arg(long, value_name = "SEATS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seats: u32,
    /// Where to write the receipt that tells the vendor
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

/// No seat is given from then on until the longest lease that may have been forgotten is over and the vendor has
/// answered. Running leases go on.
#[derive(Args, Debug)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The new file; the node's keys are in it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The file that `backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Args, Debug, Default)]
pub(crate) struct RunArgs {
    /// The Unix socket for applications [default: DIR/node.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// A TCP address, served with TLS; repeat it for more [default: 127.0.0.1:7580, unless a socket is named]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<SocketAddr>,
}

#[derive(Args, Debug)]
pub(crate) struct LeasesArgs {
    /// Only those of this pool: its id, or the SKU of its product
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
    /// Only those of this holder: `user@host`, `user` or `@host`
    #[arg(long, value_name = "HOLDER")]
    pub(crate) holder: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LeaseVerb {
    /// Take a lease back through the running daemon: it is not renewed, and counted until its promise ends
    Release(ForceReleaseArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ForceReleaseArgs {
    /// Which lease; `leases` shows them
    #[arg(value_name = "LEASE")]
    pub(crate) lease: LeaseId,
    /// Against the will of its holder, who alone releases without it
    #[arg(long, required = true)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) mutation: MutationArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum JournalVerb {
    /// Check every record, the chain, and that it replays
    Verify {
        /// Check a copy of a data directory instead
        #[arg(long, value_name = "DIR")]
        offline: Option<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeyVerb {
    /// Make a key; its secret is shown once
    Add {
        /// Who will show it; it proves a holder of this user name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// It may do everything, not only take seats
        #[arg(long)]
        admin: bool,
    },
    /// Show the keys, without their secrets
    List,
    /// Take a key away, at once
    Remove {
        /// Its id or its name
        #[arg(value_name = "KEY")]
        key: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The artefact, in any form; `-` for standard input
    #[arg(value_name = "FILE", value_parser = file_or_stdin)]
    pub(crate) file: FileOrStdin,
    /// The trust root to verify with [default: the node's own]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

impl Program for Cli {
    fn global(&self) -> GlobalArgs {
        self.global
    }
}

impl PlaceArgs {
    /// The configuration file, if one was named.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        config::load(self.config.as_deref())
    }

    /// The data directory: a flag wins over its environment variable, that over the configuration.
    pub(crate) fn data_dir(&self, config: &Config) -> Result<DataDir, Failure> {
        match self.data.as_ref().or(config.data.as_ref()) {
            Some(path) => Ok(DataDir::new(path)),
            None => default_data_dir(Side::Node).map(|path| DataDir::new(&path)),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature clap asks for")]
fn file_or_stdin(argument: &str) -> Result<FileOrStdin, std::convert::Infallible> {
    Ok(FileOrStdin::from(std::ffi::OsStr::new(argument)))
}
