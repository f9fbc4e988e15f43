//! `/v1/pools`: floating seats of grants.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_issuer_core::{Issuer, PoolView};
use leasehold_net::Refusal;
use leasehold_protocol::artefact::{BorrowCaps, TtlBounds};
use leasehold_protocol::ids::{AccountId, GrantId, PoolId};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::link::Paged;
use super::page::AccountPageQuery;
use super::permission::Action;
use super::problem::Refusals;
use super::query::{named, strict};
use super::seats::SeatCount;
use super::{Caller, ReadQuery, Service, etag};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// A pool.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PoolDocument {
    #[schema(value_type = String)]
    pub(crate) pool_id: PoolId,
    #[schema(value_type = String)]
    pub(crate) grant_id: GrantId,
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    /// SKU of the product.
    pub(crate) product: String,
    pub(crate) seats: SeatCount,
    /// Seats beyond them, to be paid when used.
    pub(crate) overdraft: u32,
    /// Seats in live allocations; 0 for an unlimited pool.
    pub(crate) allocated: u32,
    /// Seats in no live allocation; none for an unlimited pool.
    pub(crate) free: Option<u32>,
    pub(crate) ttl: TtlDocument,
    /// How long a seat that is given back waits for the same user and host, milliseconds.
    pub(crate) linger_ms: i64,
    /// A lease that was not used for so long is not renewed, milliseconds; none: no bound.
    pub(crate) idle_ms: Option<i64>,
    pub(crate) borrow: BorrowDocument,
}

/// Bounds of the life of a lease, milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the unit stands in the name")]
pub(crate) struct TtlDocument {
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) default_ms: i64,
}

/// What may be borrowed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BorrowDocument {
    pub(crate) max_seats: u32,
    pub(crate) max_ms: i64,
    pub(crate) early_return: bool,
}

/// Pools, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PoolList {
    pub(crate) pools: Vec<PoolDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl From<PoolView<'_>> for PoolDocument {
    fn from(view: PoolView<'_>) -> Self {
        let pool = view.pool;
        let TtlBounds { min_ms, max_ms, default_ms } = pool.ttl;
        let BorrowCaps { max_seats, max_ms: borrow_ms, early_return } = pool.borrow;
        Self {
            pool_id: pool.issue.id,
            grant_id: pool.grant,
            account_id: pool.account,
            product: view.sku.to_owned(),
            seats: pool.seats.into(),
            overdraft: pool.overdraft,
            allocated: view.allocated,
            free: view.free,
            ttl: TtlDocument { min_ms, max_ms, default_ms },
            linger_ms: pool.linger_ms,
            idle_ms: pool.idle_ms,
            borrow: BorrowDocument { max_seats, max_ms: borrow_ms, early_return },
        }
    }
}

/// List pools
#[utoipa::path(get, path = "/v1/pools", tag = "pools", operation_id = "list_pools", params(AccountPageQuery),
    responses((status = OK, body = PoolList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<AccountPageQuery>, QueryRejection>,
) -> Result<Paged<PoolList>, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    let (account, query) = strict(query)?.split();
    let page = service.page_key.open(format!("pools {:?} {account:?}", caller.subtree), &query)?;
    let list = move |issuer: &Issuer| {
        let of = caller.filter(issuer, account.as_deref())?;
        let seen = issuer.pools().filter(|view| {
            let account = view.pool.account;
            of.is_none_or(|of| of == account) && caller.sees(issuer, account)
        });
        let (pools, next) = page.cut(seen, |view| view.pool.issue.id.0);
        Ok::<_, Problem>(PoolList {
            pools: pools.into_iter().map(Into::into).collect(),
            next_page_token: Some(next),
        })
    };
    Ok(Paged(service.look(list).await??))
}

/// Show a pool
#[utoipa::path(get, path = "/v1/pools/{pool}", tag = "pools", operation_id = "show_pool",
    params(("pool" = String, Path, description = "Id, or the SKU of its product"), ReadQuery),
    responses((status = OK, body = PoolDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    pool: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(pool)?;
    let find = move |issuer: &Issuer| caller.pool(issuer, &name).map(PoolDocument::from);
    let document = service.look(find).await??;
    Ok(etag::answer(&headers, 1, &document))
}
