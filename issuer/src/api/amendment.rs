//! `/v1/grants/{grant}:amend`: a new version of a grant and its pool. Running leases keep their seats.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use leasehold_issuer_core::{Amended, Command, GrantView, NewAmendment, Row, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::ids::{AllocationId, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::etag::{self, IfMatch};
use super::grant::{GrantDocument, known_timezone};
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::named;
use super::seats::SeatCount;
use super::timestamp::{Moment, Timestamp};
use super::{Caller, Service};
use crate::commit::{Turn, problem};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(amend))
}

/// What shall change of a grant; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantAmend {
    /// How many seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seats: Option<SeatCount>,
    /// Features to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) add_features: Vec<String>,
    /// Features to take away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remove_features: Vec<String>,
    /// End, exclusive: RFC 3339, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) effective_to: Option<Moment>,
    /// Where a date is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// How long after the end it is still served, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grace_ms: Option<i64>,
    /// Which edition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edition: Option<String>,
}

/// A grant's new version, and what changed with it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GrantAmended {
    #[serde(flatten)]
    pub(crate) grant: GrantDocument,
    /// Allocations that end at another time or are new: seats that were added go to the node that has all others.
    pub(crate) allocations: Vec<AllocationChanged>,
}

/// An allocation that changed with its grant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AllocationChanged {
    #[schema(value_type = String)]
    pub(crate) allocation_id: AllocationId,
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    pub(crate) seats: u32,
    pub(crate) not_after: Timestamp,
}

impl From<&Row> for AllocationChanged {
    fn from(row: &Row) -> Self {
        Self {
            allocation_id: row.id,
            node_id: row.node,
            seats: row.slots.len(),
            not_after: Timestamp(row.not_after),
        }
    }
}

/// Change a grant: its seats, features, end, grace or edition
#[utoipa::path(post, path = "/v1/grants/{grant}/@amend", tag = "grants", operation_id = "amend_grant",
    params(("grant" = String, Path, description = "Its id"), ChangeQuery, IdempotencyHeader, IfMatch),
    request_body = GrantAmend, responses((status = OK, body = Changed<GrantAmended>), Refusals))]
async fn amend(
    State(service): State<Service>,
    grant: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Asked(change, JsonBody(new)): Asked<JsonBody<GrantAmend>>,
) -> Result<Changed<GrantAmended>, Refusal> {
    change.caller.may(Action::Sell)?;
    let (if_version, name) = (etag::expected(&headers, &change.caller)?, named(grant)?);
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let timezone = new.timezone.as_deref().map(known_timezone).transpose()?;
        let not_after = new.effective_to.map(|to| to.resolve(timezone)).transpose().map_err(problem)?;
        Ok(Command::AmendGrant(NewAmendment {
            grant: caller.grant(turn.issuer, &name)?.grant.issue.id,
            if_version,
            seats: new.seats.map(Into::into),
            add_features: new.add_features,
            remove_features: new.remove_features,
            not_after,
            grace_ms: new.grace_ms,
            edition: new.edition,
        }))
    };
    let done = service.command(change, command).await?;
    let What::GrantAmended(amended) = &done.fact.what else { return Err(odd_fact().into()) };
    let Amended { grant, pool, rows } = &**amended;
    let view = GrantView { grant, pool: pool.issue.id, seats: pool.seats, revoked_from: None };
    let grant = GrantDocument::new(view, done.seq);
    Ok(Changed::new(&done, GrantAmended { grant, allocations: rows.iter().map(Into::into).collect() }))
}
