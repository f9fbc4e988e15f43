//! `/v1/grants`: what was bought.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_cli::{Tz, timezone};
use leasehold_issuer_core::{Command, GrantView, Issuer, NewGrant, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, GrantId, PoolId, ProductId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::link::Paged;
use super::page::AccountPageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::seats::SeatCount;
use super::timestamp::{Moment, Timestamp};
use super::{Caller, ReadQuery, Service, etag};
use crate::commit::{Turn, problem};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show))
}

/// A wish for a grant and its pool.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantCreate {
    /// Who bought, by id or name.
    pub(crate) account: String,
    /// What, by id or SKU.
    pub(crate) product: String,
    /// Which edition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edition: Option<String>,
    /// How many seats.
    pub(crate) seats: SeatCount,
    /// Seats beyond them, to be paid when used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) overdraft: u32,
    /// First instant: RFC 3339, or a date.
    pub(crate) effective_from: Moment,
    /// End, exclusive: RFC 3339, or a date.
    pub(crate) effective_to: Moment,
    /// Where dates are meant; unless said, where the account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Features that are included; without any, the bare product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) features: Vec<String>,
    /// How long after the end it is still served, milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) grace_ms: i64,
    /// Environments it may be used in; without any, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) environments: Vec<String>,
    /// Regions it may be used in; without any, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) regions: Vec<String>,
    /// Longest lease of a seat, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_ttl_ms: Option<i64>,
    /// How long a seat that is given back waits for the same user and host, milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) linger_ms: i64,
    /// A lease that was not used for so long is not renewed, milliseconds; unless said, there is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idle_ms: Option<i64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A grant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GrantDocument {
    #[schema(value_type = String)]
    pub(crate) grant_id: GrantId,
    #[schema(value_type = String)]
    pub(crate) pool_id: PoolId,
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    #[schema(value_type = String)]
    pub(crate) product_id: ProductId,
    /// SKU of the product.
    pub(crate) product: String,
    pub(crate) edition: Option<String>,
    pub(crate) features: Vec<String>,
    /// Environments it may be used in; empty = any.
    pub(crate) environments: Vec<String>,
    /// Regions it may be used in; empty = any.
    pub(crate) regions: Vec<String>,
    /// 1 at first, and one more with each amendment.
    pub(crate) version: u32,
    /// The revision of the issuer that this is of.
    #[schema(value_type = u64)]
    pub(crate) revision: Seq,
    pub(crate) effective_from: Timestamp,
    /// Exclusive.
    pub(crate) effective_to: Timestamp,
    pub(crate) grace_ms: i64,
    pub(crate) seats: SeatCount,
    /// From when on it is revoked, if it is.
    pub(crate) revoked_from: Option<Timestamp>,
}

/// Grants, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GrantList {
    pub(crate) grants: Vec<GrantDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl GrantDocument {
    pub(super) fn new(view: GrantView<'_>, revision: Seq) -> Self {
        let GrantView { grant, pool, seats, revoked_from } = view;
        Self {
            grant_id: grant.issue.id,
            pool_id: pool,
            account_id: grant.account,
            product_id: grant.product,
            product: grant.sku.clone(),
            edition: grant.edition.clone(),
            features: grant.features.clone(),
            environments: grant.environments.clone(),
            regions: grant.regions.clone(),
            version: grant.version,
            revision,
            effective_from: Timestamp(grant.not_before),
            effective_to: Timestamp(grant.not_after),
            grace_ms: grant.grace_ms,
            seats: seats.into(),
            revoked_from: revoked_from.map(Timestamp),
        }
    }
}

/// Record a sale: a grant and its pool of seats
#[utoipa::path(post, path = "/v1/grants", tag = "grants", operation_id = "create_grant",
    params(ChangeQuery, IdempotencyHeader), request_body = GrantCreate,
    responses((status = OK, body = Changed<GrantDocument>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<GrantCreate>>,
) -> Result<Changed<GrantDocument>, Refusal> {
    change.caller.may(Action::Sell)?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| wish(turn.issuer, caller, new);
    let done = service.command(change, command).await?;
    let What::GrantCreated(sold) = &done.fact.what else { return Err(odd_fact().into()) };
    let (pool, seats) = (sold.pool.issue.id, sold.pool.seats);
    let view = GrantView { grant: &sold.grant, pool, seats, revoked_from: None };
    Ok(Changed::new(&done, GrantDocument::new(view, done.seq)))
}

/// Dates are meant where the request says, else where the account is.
fn wish(issuer: &Issuer, caller: &Caller, new: GrantCreate) -> Result<Command, Problem> {
    let account = caller.account(issuer, &new.account)?;
    let timezone = timezone_of(issuer, account.id, new.timezone.as_deref())?;
    Ok(Command::CreateGrant(NewGrant {
        not_before: new.effective_from.resolve(timezone).map_err(problem)?,
        not_after: new.effective_to.resolve(timezone).map_err(problem)?,
        account: account.id.to_string(),
        product: new.product,
        edition: new.edition,
        seats: new.seats.into(),
        overdraft: new.overdraft,
        grace_ms: new.grace_ms,
        features: new.features,
        environments: new.environments,
        regions: new.regions,
        max_ttl_ms: new.max_ttl_ms,
        linger_ms: new.linger_ms,
        idle_ms: new.idle_ms,
    }))
}

/// Where dates of an account are meant: as the request says, else where the account is, if that is known.
pub(super) fn timezone_of(
    issuer: &Issuer,
    account: AccountId,
    named: Option<&str>,
) -> Result<Option<Tz>, Problem> {
    if let Some(name) = named {
        return known_timezone(name).map(Some);
    }
    let account = issuer.account(&account.to_string())?;
    Ok(account.timezone.as_deref().and_then(|name| timezone(name).ok()))
}

pub(super) fn known_timezone(name: &str) -> Result<Tz, Problem> {
    timezone(name).map_err(|why| {
        Problem::new(Code::InvalidRequest, why, "write the time zone as the IANA database does")
    })
}

/// List grants
#[utoipa::path(get, path = "/v1/grants", tag = "grants", operation_id = "list_grants", params(AccountPageQuery),
    responses((status = OK, body = GrantList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<AccountPageQuery>, QueryRejection>,
) -> Result<Paged<GrantList>, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    let (account, query) = strict(query)?.split();
    let page = service.page_key.open(format!("grants {:?} {account:?}", caller.subtree), &query)?;
    let list = move |issuer: &Issuer| {
        let of = caller.filter(issuer, account.as_deref())?;
        let revision = issuer.next_seq().previous();
        let seen = issuer.grants().filter(|view| {
            let account = view.grant.account;
            of.is_none_or(|of| of == account) && caller.sees(issuer, account)
        });
        let (grants, next) = page.cut(seen, |view| view.grant.issue.id.0);
        let grants = grants.into_iter().map(|view| GrantDocument::new(view, revision)).collect();
        Ok::<_, Problem>(GrantList { grants, next_page_token: Some(next) })
    };
    Ok(Paged(service.look(list).await??))
}

/// Show a grant
#[utoipa::path(get, path = "/v1/grants/{grant}", tag = "grants", operation_id = "show_grant",
    params(("grant" = String, Path, description = "Its id"), ReadQuery),
    responses((status = OK, body = GrantDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    grant: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(grant)?;
    let find = move |issuer: &Issuer| {
        let view = caller.grant(issuer, &name)?;
        Ok::<_, Problem>(GrantDocument::new(view, issuer.next_seq().previous()))
    };
    let document = service.look(find).await??;
    Ok(etag::answer(&headers, document.version, &document))
}
