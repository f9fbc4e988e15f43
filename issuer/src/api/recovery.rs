//! `/v1/recovery`: what an issuer that may have forgotten promises still lacks, and the words of operators that end it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use leasehold_issuer_core::{Command, Entered, Issuer, Missing, RecoverCause, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::ids::{AccountId, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::strict;
use super::timestamp::Timestamp;
use super::{Answered, Caller, Nothing, ReadQuery, Service};
use crate::commit::Turn;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(show, enter)).routes(routes!(attest))
}

/// Whether the journal may have forgotten promises, and what is lacking before seats are given again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RecoveryDocument {
    /// `whole`, `recovering`, or `recovered`.
    pub(crate) state: String,
    /// How the last RECOVER began.
    pub(crate) cause: Option<String>,
    pub(crate) entered_at: Option<Timestamp>,
    /// The issuer's generation since then.
    pub(crate) generation: Option<u32>,
    /// Accounts that give nothing yet.
    pub(crate) frozen: Vec<FrozenDocument>,
}

/// What keeps an account frozen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FrozenDocument {
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    pub(crate) name: String,
    /// Its enrolled nodes that have not told twice what they stand on.
    #[schema(value_type = Vec<String>)]
    pub(crate) awaited: Vec<NodeId>,
    /// Nodes that are not enrolled, as far as the journal knows: what is attested is that they got no seats.
    #[schema(value_type = Vec<String>)]
    pub(crate) not_enrolled: Vec<NodeId>,
    /// Whether an operator has attested that no other node got seats since the backup.
    pub(crate) attested: bool,
}

/// RECOVER began.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RecoverEntered {
    pub(crate) cause: String,
    pub(crate) generation: u32,
}

/// Of which accounts an operator attests that no other nodes than those that report got seats since the backup.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attest {
    /// By id or name; all that are frozen if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accounts: Vec<String>,
}

/// An operator has attested.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountsAttested {
    #[schema(value_type = Vec<String>)]
    pub(crate) accounts: Vec<AccountId>,
    /// Those of them that still lack reports.
    #[schema(value_type = Vec<String>)]
    pub(crate) still_frozen: Vec<AccountId>,
}

impl RecoveryDocument {
    pub(super) fn of(issuer: &Issuer) -> Self {
        let frozen: Vec<_> = issuer.frozen().map(|missing| frozen(issuer, missing)).collect();
        let recovery = issuer.recovery();
        let state = match (&recovery, frozen.is_empty()) {
            (None, _) => "whole",
            (Some(_), false) => "recovering",
            (Some(_), true) => "recovered",
        };
        Self {
            state: state.to_owned(),
            cause: recovery.map(|recovery| name(recovery.entered.cause).to_owned()),
            entered_at: recovery.map(|recovery| Timestamp(recovery.at)),
            generation: recovery.map(|recovery| recovery.entered.generation),
            frozen,
        }
    }
}

fn frozen(issuer: &Issuer, missing: Missing) -> FrozenDocument {
    let Missing { account, nodes, not_enrolled, attested } = missing;
    let name =
        issuer.account(&account.to_string()).map_or_else(|_| String::new(), |known| known.name.clone());
    FrozenDocument { account_id: account, name, awaited: nodes, not_enrolled, attested }
}

const fn name(cause: RecoverCause) -> &'static str {
    match cause {
        RecoverCause::Restored => "restored",
        RecoverCause::Declared => "declared",
        RecoverCause::Behind => "behind",
        RecoverCause::Presented => "presented",
    }
}

/// Show whether the issuer recovers, and what is lacking
#[utoipa::path(get, path = "/v1/recovery", tag = "issuer", operation_id = "show_recovery", params(ReadQuery),
    responses((status = OK, body = RecoveryDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<RecoveryDocument> {
    caller.may(Action::ReadIssuer)?;
    strict(query)?;
    service.try_read(|issuer| Ok(RecoveryDocument::of(issuer))).await
}

/// Say that the journal may have forgotten promises: everything is frozen
#[utoipa::path(post, path = "/v1/recovery", tag = "issuer", operation_id = "enter_recovery",
    params(ChangeQuery, IdempotencyHeader), request_body = Nothing,
    responses((status = OK, body = Changed<RecoverEntered>), Refusals))]
async fn enter(
    State(service): State<Service>,
    Asked(change, JsonBody(Nothing {})): Asked<JsonBody<Nothing>>,
) -> Result<Changed<RecoverEntered>, Refusal> {
    change.caller.may(Action::Recover)?;
    let command =
        |_: &mut Turn<'_>, _: &Caller| Ok(Command::Recover { cause: RecoverCause::Declared, seen: 0 });
    let done = service.command(change, command).await?;
    let What::RecoverEntered(Entered { cause, generation }) = done.fact.what else {
        return Err(odd_fact().into());
    };
    Ok(Changed::new(&done, RecoverEntered { cause: name(cause).to_owned(), generation }))
}

/// Attest that no other nodes than those that report got seats since the backup
#[utoipa::path(post, path = "/v1/recovery/@attest", tag = "issuer", operation_id = "attest_accounts",
    params(ChangeQuery, IdempotencyHeader), request_body = Attest,
    responses((status = OK, body = Changed<AccountsAttested>), Refusals))]
async fn attest(
    State(service): State<Service>,
    Asked(change, JsonBody(Attest { accounts })): Asked<JsonBody<Attest>>,
) -> Result<Changed<AccountsAttested>, Refusal> {
    change.caller.may(Action::Recover)?;
    let command = move |_: &mut Turn<'_>, _: &Caller| Ok(Command::Attest { accounts });
    let done = service.command(change, command).await?;
    let What::AccountsAttested(attested) = &done.fact.what else { return Err(odd_fact().into()) };
    let accounts = attested.accounts.clone();
    let still_frozen =
        service.look(|issuer| issuer.frozen().map(|missing| missing.account).collect::<Vec<_>>());
    let mut still_frozen = still_frozen.await?;
    still_frozen.retain(|account| accounts.contains(account));
    Ok(Changed::new(&done, AccountsAttested { accounts, still_frozen }))
}
