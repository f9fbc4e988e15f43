//! What the shell asks of the core, and what comes back.

use axum::Json;
use axum::response::{IntoResponse, Response};
use leasehold_node_core::{Cause, Checkout, Input, NamedIssuer, Principal, ReplyTo, Shown, Way};
use leasehold_protocol::api::{
    Decision, Denial, ForceReleaseAnswer, ImportAnswer, ReceiptAnswer, RecoverAnswer, ReleaseAnswer,
    RequestAnswer, SurrenderAnswer,
};
use leasehold_protocol::artefact::JournalTail;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use tokio::sync::oneshot;

use crate::ticket::SignedSeat;

/// One command, as far as the transport understands it.
#[derive(Debug)]
pub(crate) enum Command {
    /// A seat is wanted.
    Checkout { principal: Principal, checkout: Box<Checkout> },
    /// A lease shall live on.
    Renew { principal: Principal, lease: LeaseId, idle_ms: Option<i64>, shown: Option<Box<Shown>> },
    /// A seat is given back.
    Release { principal: Principal, lease: LeaseId },
    /// A request to the issuer shall be made.
    MakeRequest { cause: Cause, way: Way, present: bool, join: Option<JoinSecret> },
    /// A bundle, out of its armour, shall be applied.
    Import { cause: Cause, envelope: Vec<u8>, dry_run: bool, accept_time: bool },
    /// From now on the node talks to this issuer by itself.
    NameIssuer { cause: Cause, issuer: NamedIssuer },
    /// A receipt shall be made.
    MakeReceipt { cause: Cause },
    /// Free seats shall go back to the vendor.
    Surrender { cause: Cause, pool: PoolId, seats: u32, dry_run: bool },
    /// An operator takes a lease back.
    ForceRelease { cause: Cause, lease: LeaseId, dry_run: bool },
    /// The ledger may have regressed, and no copy of the node runs.
    Recover { cause: Cause, dry_run: bool },
    /// The issuer has heard something else from this node.
    Contradicted { report_seq: u64 },
}

/// What comes back where nothing was refused.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A seat is held.
    Seat(Box<SignedSeat>),
    /// A decision against it.
    Denied(Box<Denial>),
    /// Whether there was something to release.
    Released(ReleaseAnswer),
    /// A signed request.
    Request(Box<RequestAnswer>),
    /// What an import did.
    Imported(Box<ImportAnswer>),
    /// A signed receipt.
    Receipt(Box<ReceiptAnswer>),
    /// Which seats went back.
    Surrendered(Box<SurrenderAnswer>),
    /// What becomes of a lease that was taken back.
    ForceReleased(Box<ForceReleaseAnswer>),
    /// The issuer is named.
    IssuerNamed,
    /// How RECOVER stands.
    Recovering(Box<RecoverAnswer>),
    /// It is known from here on.
    Noted,
}

/// The end of a command.
pub(crate) type Outcome = Result<Answer, Problem>;
/// Where the outcome goes; nobody may be left to take it.
pub(crate) type AnswerTo = oneshot::Sender<Outcome>;

impl Command {
    /// Whether the command adds promises. They end first where the disk fills up; renewals and releases go on.
    pub(crate) const fn adds_promises(&self) -> bool {
        !matches!(
            self,
            Self::Renew { .. }
                | Self::Release { .. }
                | Self::Surrender { .. }
                | Self::Recover { .. }
                | Self::Contradicted { .. }
                | Self::ForceRelease { .. }
        )
    }

    /// The core's input. `journal` is how far the journal reaches.
    pub(crate) fn into_input(self, to: ReplyTo, journal: JournalTail) -> Input {
        match self {
            Self::Checkout { principal, checkout } => Input::Checkout { to, principal, checkout: *checkout },
            Self::Renew { principal, lease, idle_ms, shown } => {
                Input::Renew { to, principal, lease, idle_ms, shown }
            }
            Self::Release { principal, lease } => Input::Release { to, principal, lease },
            Self::MakeRequest { cause, way, present, join } => {
                Input::MakeRequest { to, cause, way, present, join, journal }
            }
            Self::Import { cause, envelope, dry_run, accept_time } => {
                Input::Import { to, cause, envelope, dry_run, accept_time }
            }
            Self::NameIssuer { cause, issuer } => Input::NameIssuer { to, cause, issuer },
            Self::MakeReceipt { cause } => Input::MakeReceipt { to, cause, journal },
            Self::Surrender { cause, pool, seats, dry_run } => {
                Input::Surrender { to, cause, pool, count: seats, dry_run }
            }
            Self::ForceRelease { cause, lease, dry_run } => Input::ForceRelease { to, cause, lease, dry_run },
            Self::Recover { cause, dry_run } => Input::Recover { to, cause, dry_run },
            Self::Contradicted { report_seq } => Input::Contradicted { to, report_seq },
        }
    }
}

/// As the API says it.
impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Seat(seat) => Json(Decision::Allow(seat.to_api())).into_response(),
            Self::Denied(denial) => Json(Decision::Deny(*denial)).into_response(),
            Self::Released(answer) => Json(answer).into_response(),
            Self::Request(answer) => Json(answer).into_response(),
            Self::Imported(answer) => Json(answer).into_response(),
            Self::Receipt(answer) => Json(answer).into_response(),
            Self::Surrendered(answer) => Json(answer).into_response(),
            Self::ForceReleased(answer) => Json(answer).into_response(),
            Self::Recovering(answer) => Json(answer).into_response(),
            Self::IssuerNamed | Self::Noted => Json(serde_json::Map::new()).into_response(),
        }
    }
}
