//! `grant`: what was bought.

use clap::{Args, Subcommand};
use leasehold_cli::{SeatCount, Tz, duration, timezone};

use super::ChangeArgs;
use crate::api::Moment;

#[derive(Subcommand, Debug)]
pub(crate) enum GrantVerb {
    /// Record a sale: a grant and its pool of seats
    Create(Box<GrantCreateArgs>),
    /// List them
    List {
        /// Only those of this account
        #[arg(long)]
        account: Option<String>,
    },
    /// Show one
    Show {
        /// Its id
        grant: String,
    },
    /// Change its seats, features, end, grace or edition; leases go on
    Amend(Box<GrantAmendArgs>),
    /// Take it back, for good
    Revoke(GrantRevokeArgs),
    /// Show what was recorded of it, newest first
    History {
        /// Its id
        grant: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct GrantAmendArgs {
    /// Its id
    pub(crate) grant: String,
    /// How many seats from now on
    #[arg(long)]
    pub(crate) seats: Option<SeatCount>,
    /// A feature to add
    #[arg(long)]
    pub(crate) feature: Vec<String>,
    /// A feature to take away
    #[arg(long, value_name = "FEATURE")]
    pub(crate) remove_feature: Vec<String>,
    /// End (exclusive): RFC 3339, or a date
    #[arg(long, value_name = "T")]
    pub(crate) to: Option<Moment>,
    /// Where a date is meant
    #[arg(long, value_parser = timezone)]
    pub(crate) timezone: Option<Tz>,
    /// How long after the end it is still served
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) grace: Option<i64>,
    /// Which edition
    #[arg(long)]
    pub(crate) edition: Option<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GrantRevokeArgs {
    /// Its id
    pub(crate) grant: String,
    /// From when on: RFC 3339; the past means now [default: now]
    #[arg(long, value_name = "T")]
    pub(crate) effective_at: Option<Moment>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GrantCreateArgs {
    /// Who bought
    #[arg(long)]
    pub(crate) account: String,
    /// What: id or SKU
    #[arg(long)]
    pub(crate) product: String,
    /// Which edition
    #[arg(long)]
    pub(crate) edition: Option<String>,
    /// How many seats, or `unlimited`
    #[arg(long)]
    pub(crate) seats: SeatCount,
    /// Seats beyond them, to be paid when used
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) overdraft: u32,
    /// Begin: RFC 3339, or a date
    #[arg(long, value_name = "T")]
    pub(crate) from: Moment,
    /// End (exclusive): RFC 3339, or a date
    #[arg(long, value_name = "T")]
    pub(crate) to: Moment,
    /// Where dates are meant [default: the account's]
    #[arg(long, value_parser = timezone)]
    pub(crate) timezone: Option<Tz>,
    /// A feature that is included; without any, the bare product
    #[arg(long)]
    pub(crate) feature: Vec<String>,
    /// How long after the end it is still served
    #[arg(long, value_name = "D", default_value = "0", value_parser = duration)]
    pub(crate) grace: i64,
    /// An environment it may be used in [default: any]
    #[arg(long)]
    pub(crate) environment: Vec<String>,
    /// A region it may be used in [default: any]
    #[arg(long)]
    pub(crate) region: Vec<String>,
    /// Longest lease of a seat, up to 24h [default: 15m]
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) max_ttl: Option<i64>,
    /// How long a seat that is given back waits for the same user and host, up to the longest lease
    #[arg(long, value_name = "D", default_value = "0", value_parser = duration)]
    pub(crate) linger: i64,
    /// End leases that were not used for so long, as far as applications tell [default: never]
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) idle_timeout: Option<i64>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}
