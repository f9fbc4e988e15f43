//! `/v1/grants/{grant}/history`: every record about a grant, newest first.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use leasehold_issuer_core::{Issuer, What};
use leasehold_protocol::ids::GrantId;
use leasehold_protocol::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::{AuditRecords, each};
use super::permission::Action;
use super::problem::Refusals;
use super::query::{named, strict};
use super::{Answered, Caller, ReadQuery, Service};
use crate::audit_record::document;
use crate::state_dir::StateDir;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Show what was recorded of a grant
#[utoipa::path(get, path = "/v1/grants/{grant}/history", tag = "grants", operation_id = "show_grant_history",
    params(("grant" = String, Path, description = "Its id"), ReadQuery),
    responses((status = OK, body = AuditRecords), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    grant: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<AuditRecords> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(grant)?;
    let find = move |issuer: &Issuer| Ok::<_, Problem>(caller.grant(issuer, &name)?.grant.issue.id);
    let grant = service.look(find).await??;
    let read = move |dir: &StateDir| {
        let mut records = Vec::new();
        each(dir, &|fact| is_about(&fact.what, grant), |seq, fact| {
            records.push(document(seq, &fact));
            Ok(())
        })?;
        records.reverse();
        Ok(AuditRecords { records })
    };
    Ok(Json(service.read_journal(read).await?))
}

fn is_about(what: &What, grant: GrantId) -> bool {
    match what {
        What::GrantCreated(sold) => sold.grant.issue.id == grant,
        What::GrantAmended(amended) => amended.grant.issue.id == grant,
        What::GrantRevoked(revocation) => revocation.grants.contains(&grant),
        _ => false,
    }
}
