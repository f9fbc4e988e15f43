//! The command line of `leasehold`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use leasehold_cli::files::FileOrStdin;
use leasehold_cli::{GlobalArgs, Instant, Program, Tz, duration, timezone};
use leasehold_protocol::api::{HolderName, IdempotencyKey};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::limits::{HOLDER_HOST_BYTES, HOLDER_USER_BYTES};

/// Checks out seats, keeps them, proves them
#[derive(Parser, Debug)]
#[command(name = "leasehold", version, about, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which node, and whom to trust; accepted before and after the verb.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArgs {
    /// Addresses of the node, tried in this order
    #[arg(
        long,
        global = true,
        value_name = "ADDR[,ADDR…]",
        env = "LEASEHOLD_NODE",
        default_value = "unix:/run/leasehold/node.sock",
        help_heading = "Node"
    )]
    pub(crate) node: String,
    /// The vendor's trust root [default: leasehold/trust-root.lh in the user's configuration, then in /etc]
    #[arg(long, global = true, value_name = "FILE", env = "LEASEHOLD_TRUST", help_heading = "Node")]
    pub(crate) trust: Option<PathBuf>,
    /// Believe a node by a certificate for its host from these authorities of your own (PEM). It must still be a node
    /// of the vendor
    #[arg(long, global = true, value_name = "FILE", help_heading = "Node")]
    pub(crate) ca: Option<PathBuf>,
    /// The bearer key by which the node knows this application, in a file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Node")]
    pub(crate) key_file: Option<PathBuf>,
    /// The certificate by which the node knows this application, and those between it and its authority (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "client_key", help_heading = "Node")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The secret key of that certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert", help_heading = "Node")]
    pub(crate) client_key: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Check out a seat; it lives for its TTL unless it is renewed
    Checkout(CheckoutArgs),
    /// Renew a lease
    Renew(LeaseArgs),
    /// Give a lease back
    Release(LeaseArgs),
    /// Hold a seat while a command runs
    Run(RunArgs),
    /// Ask the node how it is
    Status(ReachArgs),
    /// Verify the saved proof of a seat, offline
    Verify(VerifyArgs),
    /// Show what an artefact says, offline, verified or marked UNVERIFIED
    Inspect(InspectArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CheckoutArgs {
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// The same key gives the same seat [default: a random one]
    #[arg(long, value_name = "32 HEX DIGITS", value_parser = key)]
    pub(crate) key: Option<IdempotencyKey>,
    /// Write the proof of the seat to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// Which seat.
#[derive(Args, Debug)]
pub(crate) struct WishArgs {
    /// The product
    #[arg(long, value_name = "SKU")]
    pub(crate) product: String,
    /// A feature the seat must include; may be repeated
    #[arg(long = "feature", value_name = "FEATURE")]
    pub(crate) features: Vec<String>,
    /// How many seats at once, all or nothing
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Who holds the seat [default: the user and host of the operating system]
    #[arg(long, value_name = "USER@HOST", value_parser = holder)]
    pub(crate) holder: Option<HolderName>,
    /// How long to wait for a seat if none is free
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = span)]
    pub(crate) wait: Duration,
    /// Wished life of the lease between renewals; the pool's bounds cut it
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) ttl: Option<Duration>,
}

/// How hard to try.
#[derive(Args, Debug)]
pub(crate) struct ReachArgs {
    /// Give up if no node answers for so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = span)]
    pub(crate) timeout: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct LeaseArgs {
    /// The lease, `lse_…`
    #[arg(value_name = "LEASE")]
    pub(crate) lease: LeaseId,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    /// What to do to the command when its seat is lost
    #[arg(long, value_name = "ACTION", default_value = "warn")]
    pub(crate) on_loss: OnLoss,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// What to do to the command when its seat is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLoss {
    /// Say so on standard error
    Warn,
    /// Ask it to end (SIGTERM)
    Term,
    /// End it (SIGKILL)
    Kill,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The proof, in any form; `-` for standard input
    #[arg(value_name = "FILE", value_parser = file_or_stdin)]
    pub(crate) file: FileOrStdin,
    /// Whether it is live at this time [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Instant>,
    /// Where the date of --at begins
    #[arg(long, value_name = "ZONE", value_parser = timezone)]
    pub(crate) timezone: Option<Tz>,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The artefact, in any form; `-` for standard input
    #[arg(value_name = "FILE", value_parser = file_or_stdin)]
    pub(crate) file: FileOrStdin,
}

impl Program for Cli {
    fn global(&self) -> GlobalArgs {
        self.global
    }
}

fn span(text: &str) -> Result<Duration, String> {
    duration(text).map(|span_ms| Duration::from_millis(span_ms.unsigned_abs()))
}

fn key(text: &str) -> Result<IdempotencyKey, String> {
    text.parse::<leasehold_cli::IdempotencyKey>().map(|key| IdempotencyKey(key.0))
}

/// Splits at the last `@`: user names may hold one.
fn holder(text: &str) -> Result<HolderName, String> {
    let (user, host) = text.rsplit_once('@').ok_or("a holder is written user@host")?;
    for (part, name, most) in [(user, "user", HOLDER_USER_BYTES), (host, "host", HOLDER_HOST_BYTES)] {
        if part.is_empty() || part.len() > most || part.chars().any(char::is_control) {
            return Err(format!("the {name} of a holder is 1 to {most} bytes of printable text"));
        }
    }
    Ok(HolderName { user: user.to_owned(), host: host.to_owned(), process: None })
}

#[expect(clippy::unnecessary_wraps, reason = "the signature clap asks for")]
fn file_or_stdin(argument: &str) -> Result<FileOrStdin, std::convert::Infallible> {
    Ok(FileOrStdin::from(std::ffi::OsStr::new(argument)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_split_at_the_last_at_sign() {
        let parsed = holder("ada@corp@ws-17").unwrap();
        assert_eq!((parsed.user.as_str(), parsed.host.as_str()), ("ada@corp", "ws-17"));
        for (bytes, allowed) in [(127, true), (128, true), (129, false)] {
            let part = "u".repeat(bytes);
            assert_eq!(holder(&format!("{part}@h")).is_ok(), allowed, "{bytes}");
            assert_eq!(holder(&format!("u@{part}")).is_ok(), allowed, "{bytes}");
        }
        for text in ["", "ada", "@", "ada@", "@ws-17", "a\nb@ws-17"] {
            assert!(holder(text).is_err(), "{text:?}");
        }
    }
}
