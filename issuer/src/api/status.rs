//! `/v1/status`: what the issuer holds and how it sees the time.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use leasehold_net::Refusal;
use leasehold_protocol::artefact::Role;
use leasehold_protocol::envelope::{Mode, RealmId};
use leasehold_protocol::keys::KeyId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::strict;
use super::recovery::RecoveryDocument;
use super::timestamp::Timestamp;
use super::{Answered, Caller, ReadQuery, Service};
use crate::writer::Durable;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(show))
}

/// An issuer at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StatusDocument {
    #[schema(value_type = String)]
    pub(crate) realm: RealmId,
    /// What people call it.
    pub(crate) realm_name: String,
    /// `live` or `sandbox`.
    #[schema(value_type = String)]
    pub(crate) mode: Mode,
    pub(crate) root_version: u32,
    #[schema(value_type = Option<String>)]
    pub(crate) root_key_id: Option<KeyId>,
    pub(crate) clock: ClockDocument,
    pub(crate) journal: JournalDocument,
    /// Whether it may have forgotten promises.
    pub(crate) recovery: RecoveryDocument,
    pub(crate) accounts: usize,
    pub(crate) products: usize,
    pub(crate) grants: usize,
    pub(crate) pools: usize,
    pub(crate) nodes: usize,
    pub(crate) allocations: usize,
}

/// How the issuer sees the time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClockDocument {
    /// `GOOD` or `SUSPECT`.
    pub(crate) status: String,
    /// True time is not before this.
    pub(crate) earliest: Timestamp,
    /// True time is not after this.
    pub(crate) latest: Timestamp,
    /// What the machine's clock shows.
    pub(crate) wall: Timestamp,
    pub(crate) kernel_synchronised: bool,
    pub(crate) last_recorded_at: Option<Timestamp>,
    /// Why changes are refused, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// What heals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// How far the journal reaches.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JournalDocument {
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    /// The chain hash of its end.
    pub(crate) head: String,
}

/// Show what the issuer holds and how it sees the time
#[utoipa::path(get, path = "/v1/status", tag = "issuer", operation_id = "show_status", params(ReadQuery),
    responses((status = OK, body = StatusDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<StatusDocument> {
    caller.may(Action::ReadIssuer)?;
    strict(query)?;
    let document = service.writer.look(|durable| status(durable)).await.map_err(Refusal::from)??;
    Ok(axum::Json(document))
}

fn status(durable: &Durable<'_>) -> Result<StatusDocument, Problem> {
    let issuer = durable.issuer;
    let trust = issuer.trust_root().ok_or_else(odd_fact)?;
    let root = trust.root();
    let bounds = issuer.bounds_of_time();
    let refused = issuer.check_clock(durable.now).err();
    let (cause, hint) = refused.map(|problem| (problem.detail, problem.hint)).unzip();
    Ok(StatusDocument {
        realm: trust.realm().id,
        realm_name: root.realm_name.clone(),
        mode: trust.realm().mode,
        root_version: root.version,
        root_key_id: root.role(Role::Root).and_then(|role| role.keys.first()).copied(),
        clock: ClockDocument {
            status: if durable.stamp.suspect { "SUSPECT" } else { "GOOD" }.to_owned(),
            earliest: Timestamp(bounds.earliest),
            latest: Timestamp(bounds.latest),
            wall: Timestamp(durable.now.wall_ms),
            kernel_synchronised: durable.now.kernel_synced,
            last_recorded_at: issuer.last_recorded().map(Timestamp),
            cause,
            hint,
        },
        journal: JournalDocument {
            seq: durable.tail.next_seq.previous(),
            head: durable.tail.chain.to_string(),
        },
        recovery: RecoveryDocument::of(issuer),
        accounts: issuer.accounts().count(),
        products: issuer.products().count(),
        grants: issuer.grants().count(),
        pools: issuer.pools().count(),
        nodes: issuer.nodes().count(),
        allocations: issuer.rows().count(),
    })
}
