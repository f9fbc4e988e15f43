//! `/v1/allocations`: which node serves how many seats of a pool.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use leasehold_issuer_core::{Command, Issuer, Mobility, NewAllocation, NewShrink, Row, RowView, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::artefact::AllocationKind;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId, PoolId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::slots::SlotSet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::grant::timezone_of;
use super::link::Paged;
use super::page::AccountPageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::seats::{SeatCount, True};
use super::timestamp::{Moment, Timestamp};
use super::{Caller, Service};
use crate::commit::{Turn, problem};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(shrink))
}

/// A wish for an allocation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllocationCreate {
    /// Which pool, by id or by the SKU of its product.
    pub(crate) pool: String,
    /// Which node, by id or name.
    pub(crate) node: String,
    /// How many seats.
    pub(crate) seats: SeatCount,
    /// Its end, cut to what the grant allows: RFC 3339, or a date; unless said, that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Moment>,
    /// Where a date is meant; unless said, where the account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Base needs no contact; elastic is for 7 days at most, renewed at half of it.
    #[serde(default)]
    pub(crate) kind: Life,
    /// Whether it may be taken back before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mobility: Option<Movement>,
}

/// How long an allocation lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Life {
    /// To the grant's end, without contact.
    #[default]
    Base,
    /// For 7 days at most, renewed at half of it.
    Elastic,
}

/// Whether an allocation may be taken back before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Movement {
    Fixed,
    Movable,
}

/// A new allocation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AllocationCreated {
    #[schema(value_type = String)]
    pub(crate) allocation_id: AllocationId,
    #[schema(value_type = String)]
    pub(crate) pool_id: PoolId,
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    pub(crate) seats: RowSeats,
    pub(crate) kind: Life,
    pub(crate) mobility: Movement,
    pub(crate) not_after: Timestamp,
}

/// An allocation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AllocationDocument {
    #[schema(value_type = String)]
    pub(crate) allocation_id: AllocationId,
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    #[schema(value_type = String)]
    pub(crate) pool_id: PoolId,
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    pub(crate) seats: RowSeats,
    /// The numbers of its seats; none of an unlimited pool.
    #[schema(value_type = Vec<SlotRange>)]
    pub(crate) slots: SlotSet,
    pub(crate) kind: Life,
    pub(crate) mobility: Movement,
    pub(crate) not_before: Timestamp,
    /// When its node asks for the next version.
    pub(crate) renew_after: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Whether its node was given it.
    pub(crate) carried: bool,
    /// How many seats its node shall keep, as long as it has more.
    pub(crate) shrink_to: Option<u32>,
}

/// How far an allocation shall shrink.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllocationShrink {
    /// How many seats its node shall keep; as many as it has takes the wish back.
    pub(crate) seats: u32,
}

/// What the wish to shrink came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AllocationShrunk {
    #[schema(value_type = String)]
    pub(crate) allocation_id: AllocationId,
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    /// How many seats its node shall keep: they are free once it has released the others. Null: nothing is left to wish.
    pub(crate) shrink_to: Option<u32>,
    /// Seats that are free at once, because no node was ever given them.
    pub(crate) freed: u32,
}

/// Seats with numbers that follow each other.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes slots")]
pub(crate) struct SlotRange {
    first: u32,
    count: u32,
}

/// How many seats an allocation has: a number, or `{"unlimited": true}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum RowSeats {
    Count(u32),
    Unlimited { unlimited: True },
}

/// Allocations, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AllocationList {
    pub(crate) allocations: Vec<AllocationDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl RowSeats {
    /// A row of an unlimited pool has no slots.
    fn of(row: &Row) -> Self {
        if row.slots.is_empty() { Self::Unlimited { unlimited: True } } else { Self::Count(row.slots.len()) }
    }
}

/// For people.
impl std::fmt::Display for RowSeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Unlimited { unlimited: True } => f.write_str("unlimited"),
        }
    }
}

impl From<AllocationKind> for Life {
    fn from(kind: AllocationKind) -> Self {
        match kind {
            AllocationKind::Base => Self::Base,
            AllocationKind::Elastic => Self::Elastic,
        }
    }
}

impl From<Life> for AllocationKind {
    fn from(life: Life) -> Self {
        match life {
            Life::Base => Self::Base,
            Life::Elastic => Self::Elastic,
        }
    }
}

impl From<Mobility> for Movement {
    fn from(mobility: Mobility) -> Self {
        match mobility {
            Mobility::Fixed => Self::Fixed,
            Mobility::Movable => Self::Movable,
        }
    }
}

impl From<Movement> for Mobility {
    fn from(movement: Movement) -> Self {
        match movement {
            Movement::Fixed => Self::Fixed,
            Movement::Movable => Self::Movable,
        }
    }
}

impl From<RowView<'_>> for AllocationDocument {
    fn from(view: RowView<'_>) -> Self {
        let row = view.row;
        Self {
            allocation_id: row.id,
            account_id: row.account,
            pool_id: row.pool,
            node_id: row.node,
            seats: RowSeats::of(row),
            slots: row.slots.clone(),
            kind: row.kind.into(),
            mobility: row.mobility.into(),
            not_before: Timestamp(row.not_before),
            renew_after: Timestamp(row.renew_after),
            not_after: Timestamp(row.not_after),
            carried: view.signed,
            shrink_to: view.shrink_to,
        }
    }
}

/// Give a node seats of a pool
#[utoipa::path(post, path = "/v1/allocations", tag = "allocations", operation_id = "create_allocation",
    params(ChangeQuery, IdempotencyHeader), request_body = AllocationCreate,
    responses((status = OK, body = Changed<AllocationCreated>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<AllocationCreate>>,
) -> Result<Changed<AllocationCreated>, Refusal> {
    change.caller.may(Action::Allocate)?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| wish(turn.issuer, caller, new);
    let done = service.command(change, command).await?;
    let What::AllocationCreated { row, .. } = &done.fact.what else { return Err(odd_fact().into()) };
    let body = AllocationCreated {
        allocation_id: row.id,
        pool_id: row.pool,
        node_id: row.node,
        seats: RowSeats::of(row),
        kind: row.kind.into(),
        mobility: row.mobility.into(),
        not_after: Timestamp(row.not_after),
    };
    Ok(Changed::new(&done, body))
}

/// Ask a node to give seats of an allocation back
#[utoipa::path(post, path = "/v1/allocations/{allocation}/@shrink", tag = "allocations",
    operation_id = "shrink_allocation",
    params(("allocation" = String, Path, description = "Its id"), ChangeQuery, IdempotencyHeader),
    request_body = AllocationShrink, responses((status = OK, body = Changed<AllocationShrunk>), Refusals))]
async fn shrink(
    State(service): State<Service>,
    allocation: Result<Path<String>, PathRejection>,
    Asked(change, JsonBody(AllocationShrink { seats })): Asked<JsonBody<AllocationShrink>>,
) -> Result<Changed<AllocationShrunk>, Refusal> {
    change.caller.may(Action::Allocate)?;
    let name = named(allocation)?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let id = name.parse().ok();
        let seen = |view: &RowView<'_>| Some(view.row.id) == id && caller.sees(turn.issuer, view.row.account);
        let row = turn.issuer.rows().find(seen).ok_or_else(|| {
            let hint = "`allocation list` shows them";
            Problem::new(Code::NotFound, format!("there is no allocation {name:?}"), hint)
        })?;
        Ok(Command::ShrinkAllocation(NewShrink { allocation: row.row.id, seats }))
    };
    let done = service.command(change, command).await?;
    let What::AllocationShrunk(shrunk) = &done.fact.what else { return Err(odd_fact().into()) };
    let body = AllocationShrunk {
        allocation_id: shrunk.allocation,
        node_id: shrunk.node,
        shrink_to: shrunk.shrink_to,
        freed: shrunk.freed.len(),
    };
    Ok(Changed::new(&done, body))
}

/// A node's name is one of the account that bought the seats.
fn wish(issuer: &Issuer, caller: &Caller, new: AllocationCreate) -> Result<Command, Problem> {
    let pool = caller.pool(issuer, &new.pool)?.pool;
    let timezone = timezone_of(issuer, pool.account, new.timezone.as_deref())?;
    Ok(Command::CreateAllocation(NewAllocation {
        pool: pool.issue.id.to_string(),
        node: caller.node_of(issuer, &new.node, pool.account)?,
        seats: new.seats.into(),
        until: new.until.map(|until| until.resolve(timezone)).transpose().map_err(problem)?,
        kind: new.kind.into(),
        mobility: new.mobility.map(Into::into),
    }))
}

/// List allocations
#[utoipa::path(get, path = "/v1/allocations", tag = "allocations", operation_id = "list_allocations",
    params(AccountPageQuery), responses((status = OK, body = AllocationList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<AccountPageQuery>, QueryRejection>,
) -> Result<Paged<AllocationList>, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    let (account, query) = strict(query)?.split();
    let page = service.page_key.open(format!("allocations {:?} {account:?}", caller.subtree), &query)?;
    let list = move |issuer: &Issuer| {
        let of = caller.filter(issuer, account.as_deref())?;
        let seen = issuer.rows().filter(|view| {
            let account = view.row.account;
            of.is_none_or(|of| of == account) && caller.sees(issuer, account)
        });
        let (rows, next) = page.cut(seen, |view| view.row.id.0);
        let allocations = rows.into_iter().map(Into::into).collect();
        Ok::<_, Problem>(AllocationList { allocations, next_page_token: Some(next) })
    };
    Ok(Paged(service.look(list).await??))
}
