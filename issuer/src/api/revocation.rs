//! Revocations: grants are taken back, for good, and it is said until when each node may still serve them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use leasehold_issuer_core::{Command, Exposure, Issuer, NewRevocation, Revocation, RevocationTarget, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, GrantId, NodeId, RevocationId};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, Change, ChangeQuery, Changed, IdempotencyHeader};
use super::node::Class;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::seats::True;
use super::timestamp::{Moment, Timestamp};
use super::{Answered, Caller, ReadQuery, Service};
use crate::commit::{Done, How, Intent, Turn, problem};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(revoke_grant)).routes(routes!(revoke_product)).routes(routes!(show))
}

/// Why and from when on a grant is taken back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantRevoke {
    /// Why; kept for ever. It may be in the query instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// RFC 3339; now unless said. The past means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) effective_at: Option<Moment>,
}

/// Which grants are taken back, why, and from when on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntitlementsRevoke {
    /// Whose, by id, name or external id.
    pub(crate) account_id: String,
    /// Every grant of this product that has not ended.
    pub(crate) product: String,
    /// Why; kept for ever.
    pub(crate) reason: String,
    /// RFC 3339; the past means now.
    pub(crate) effective_at: Moment,
}

/// A revocation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RevocationDocument {
    #[schema(value_type = String)]
    pub(crate) revocation_id: RevocationId,
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    #[schema(value_type = Vec<String>)]
    pub(crate) grants: Vec<GrantId>,
    /// As it was asked.
    pub(crate) effective_at: Timestamp,
    /// From when on nodes are told.
    pub(crate) enforced_from: Timestamp,
    /// Until when each node that has seats of the grants may still serve them.
    pub(crate) exposure: Vec<NodeExposure>,
    /// Present if nothing was done: all of it was revoked before, from no later instant on, by this revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub(crate) already: Option<True>,
}

/// What a revocation means at one node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeExposure {
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    pub(crate) name: String,
    pub(crate) class: Class,
    pub(crate) state: ExposureState,
    /// When the issuer learnt that the node applied it.
    pub(crate) applied_at: Option<Timestamp>,
    /// No lease of a revoked grant lives on at the node after this.
    pub(crate) guaranteed_dead_by: Timestamp,
    /// Seats that the node may serve until then; null: without number.
    pub(crate) seats_at_risk: Option<u32>,
}

/// Whether a node has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExposureState {
    /// It has said so.
    Applied,
    /// Not yet.
    Pending,
}

impl From<&Exposure<'_>> for NodeExposure {
    fn from(exposure: &Exposure<'_>) -> Self {
        let state =
            if exposure.applied_at.is_some() { ExposureState::Applied } else { ExposureState::Pending };
        Self {
            node_id: exposure.node.id,
            name: exposure.node.name.clone(),
            class: exposure.node.class.into(),
            state,
            applied_at: exposure.applied_at.map(Timestamp),
            guaranteed_dead_by: Timestamp(exposure.guaranteed_dead_by),
            seats_at_risk: exposure.seats_at_risk,
        }
    }
}

impl RevocationDocument {
    fn new(revocation: &Revocation, exposure: &[Exposure<'_>]) -> Self {
        Self {
            revocation_id: revocation.id,
            account_id: revocation.account,
            grants: revocation.grants.clone(),
            effective_at: Timestamp(revocation.effective_at),
            enforced_from: Timestamp(revocation.enforced_from),
            exposure: exposure.iter().map(Into::into).collect(),
            already: None,
        }
    }
}

/// Revoke a grant
#[utoipa::path(post, path = "/v1/grants/{grant}/@revoke", tag = "grants", operation_id = "revoke_grant",
    params(("grant" = String, Path, description = "Its id"), ChangeQuery, IdempotencyHeader),
    request_body = GrantRevoke, responses((status = OK, body = Changed<RevocationDocument>), Refusals))]
async fn revoke_grant(
    State(service): State<Service>,
    grant: Result<Path<String>, PathRejection>,
    Asked(mut change, JsonBody(GrantRevoke { reason, effective_at })): Asked<JsonBody<GrantRevoke>>,
) -> Result<Changed<RevocationDocument>, Refusal> {
    let name = named(grant)?;
    change.cause.reason = reason.or(change.cause.reason);
    let target = move |issuer: &Issuer, caller: &Caller| {
        Ok(RevocationTarget::Grant(caller.grant(issuer, &name)?.grant.issue.id))
    };
    revoke(&service, change, effective_at, target).await
}

/// Revoke every grant that an account has of a product
#[utoipa::path(post, path = "/v1/entitlements/revoke", tag = "grants", operation_id = "revoke_entitlements",
    params(ChangeQuery, IdempotencyHeader), request_body = EntitlementsRevoke,
    responses((status = OK, body = Changed<RevocationDocument>), Refusals))]
async fn revoke_product(
    State(service): State<Service>,
    Asked(mut change, JsonBody(wish)): Asked<JsonBody<EntitlementsRevoke>>,
) -> Result<Changed<RevocationDocument>, Refusal> {
    let EntitlementsRevoke { account_id, product, reason, effective_at } = wish;
    change.cause.reason = Some(reason);
    let target = move |issuer: &Issuer, caller: &Caller| {
        let account = caller.account(issuer, &account_id)?.id.to_string();
        Ok(RevocationTarget::Product { account, product })
    };
    revoke(&service, change, Some(effective_at), target).await
}

async fn revoke<F>(
    service: &Service,
    change: Change,
    effective_at: Option<Moment>,
    target: F,
) -> Result<Changed<RevocationDocument>, Refusal>
where
    F: FnOnce(&Issuer, &Caller) -> Result<RevocationTarget, Problem> + Send + 'static,
{
    change.caller.may(Action::Sell)?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let effective_at = effective_at.map(|at| at.resolve(None)).transpose().map_err(problem)?;
        Ok(Command::RevokeGrant(NewRevocation { target: target(turn.issuer, caller)?, effective_at }))
    };
    let (intent, asked) = (change.intent, change.cause.idempotency);
    let done = service.command(change, command).await?;
    let revocation = revocation_of(&done)?.clone();
    // The same request again is answered as it was; another one is told that it did nothing.
    let same_request = asked.is_some() && done.fact.meta.idempotency == asked;
    let already = (done.how == How::Before && !same_request).then_some(True);
    let exposed = move |issuer: &Issuer| match issuer.revocation(revocation.id) {
        Some(view) => RevocationDocument::new(view.revocation, &view.exposure),
        // It was only tried.
        None => RevocationDocument::new(&revocation, &issuer.exposure_to(&revocation)),
    };
    let document = RevocationDocument { already, ..service.look(exposed).await? };
    let mut answer = Changed::new(&done, document);
    answer.dry_run = (intent == Intent::DryRun).then_some(True);
    Ok(answer)
}

fn revocation_of(done: &Done) -> Result<&Revocation, Problem> {
    match &done.fact.what {
        What::GrantRevoked(revocation) => Ok(revocation),
        _ => Err(odd_fact()),
    }
}

/// Show a revocation, and which nodes have heard of it
#[utoipa::path(get, path = "/v1/revocations/{revocation}", tag = "grants", operation_id = "show_revocation",
    params(("revocation" = String, Path, description = "Its id"), ReadQuery),
    responses((status = OK, body = RevocationDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    revocation: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<RevocationDocument> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(revocation)?;
    let find = move |issuer: &Issuer| {
        let known = name.parse().ok().and_then(|id| issuer.revocation(id));
        let seen = known.filter(|view| caller.sees(issuer, view.revocation.account)).ok_or_else(|| {
            let hint = "`grant revoke` answers with its id";
            Problem::new(Code::NotFound, format!("there is no revocation {name:?}"), hint)
        })?;
        Ok::<_, Problem>(RevocationDocument::new(seen.revocation, &seen.exposure))
    };
    Ok(Json(service.look(find).await??))
}
