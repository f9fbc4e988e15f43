//! `/v1/accounts`: customers.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_issuer_core::{Account, Command, ExternalId, Issuer, NewAccount, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::ids::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::commit::Turn;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::grant::known_timezone;
use super::link::Paged;
use super::page::PageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::{Caller, ReadQuery, Service, etag};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show))
}

/// A wish for an account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountCreate {
    /// What people call it.
    pub(crate) name: String,
    /// The account above it, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// Where its data belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// Where its dates are meant: a time zone of the IANA database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// What other systems call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) external: Vec<External>,
}

/// What another system calls an account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct External {
    /// Which system.
    pub(crate) system: String,
    /// Its id there.
    pub(crate) id: String,
}

/// A new account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountCreated {
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountDocument {
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    /// What people call it.
    pub(crate) name: String,
    /// The account above it.
    #[schema(value_type = Option<String>)]
    pub(crate) parent: Option<AccountId>,
    /// Where its data belongs.
    pub(crate) region: Option<String>,
    /// Where its dates are meant.
    pub(crate) timezone: Option<String>,
    /// What other systems call it.
    pub(crate) external: Vec<External>,
}

/// Accounts, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountList {
    pub(crate) accounts: Vec<AccountDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl From<&Account> for AccountDocument {
    fn from(account: &Account) -> Self {
        let external =
            account.external.iter().cloned().map(|ExternalId { system, id }| External { system, id });
        Self {
            account_id: account.id,
            name: account.name.clone(),
            parent: account.parent,
            region: account.region.clone(),
            timezone: account.timezone.clone(),
            external: external.collect(),
        }
    }
}

/// Make an account
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", operation_id = "create_account",
    params(ChangeQuery, IdempotencyHeader), request_body = AccountCreate,
    responses((status = OK, body = Changed<AccountCreated>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<AccountCreate>>,
) -> Result<Changed<AccountCreated>, Refusal> {
    change.caller.may(Action::CreateAccount)?;
    new.timezone.as_deref().map(known_timezone).transpose()?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let parent = match (new.parent, caller.subtree) {
            (Some(parent), _) => Some(caller.account(turn.issuer, &parent)?.id.to_string()),
            // What somebody makes must exist for them afterwards.
            (None, Some(root)) => Some(root.to_string()),
            (None, None) => None,
        };
        let external = new.external.into_iter().map(|External { system, id }| ExternalId { system, id });
        Ok(Command::CreateAccount(NewAccount {
            name: new.name,
            parent,
            region: new.region,
            timezone: new.timezone,
            external: external.collect(),
        }))
    };
    let done = service.command(change, command).await?;
    let What::AccountCreated(account) = &done.fact.what else { return Err(odd_fact().into()) };
    Ok(Changed::new(&done, AccountCreated { account_id: account.id }))
}

/// List accounts
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", operation_id = "list_accounts", params(PageQuery),
    responses((status = OK, body = AccountList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Paged<AccountList>, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    let page = service.page_key.open(format!("accounts {:?}", caller.subtree), &strict(query)?)?;
    let list = move |issuer: &Issuer| {
        let seen = issuer.accounts().filter(|account| caller.sees(issuer, account.id));
        let (accounts, next) = page.cut(seen, |account| account.id.0);
        let accounts = accounts.into_iter().map(AccountDocument::from).collect();
        AccountList { accounts, next_page_token: Some(next) }
    };
    Ok(Paged(service.look(list).await?))
}

/// Show an account
#[utoipa::path(get, path = "/v1/accounts/{account}", tag = "accounts", operation_id = "show_account",
    params(("account" = String, Path, description = "Id or name"), ReadQuery),
    responses((status = OK, body = AccountDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    account: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(account)?;
    let find = move |issuer: &Issuer| caller.account(issuer, &name).map(AccountDocument::from);
    let document = service.look(find).await??;
    Ok(etag::answer(&headers, 1, &document))
}
