//! Whether the service lives and is ready, and what its API is.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use leasehold_net::{Check, readiness};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Service;
use super::problem::{ProblemDocument, Refusals};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz))
}

/// That it is so.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// Ask whether the process answers
#[utoipa::path(get, path = "/livez", tag = "service", operation_id = "livez", security(()),
    responses((status = OK, body = Health), Refusals))]
async fn livez() -> Response {
    Json(Health { status: "ok" }).into_response()
}

/// Ask whether requests can be carried out
///
/// Not while changes are refused, be it for the clock. With `verbose` every check is listed as text, `[+]` or `[-]`.
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "readyz", security(()),
    params(("verbose" = Option<bool>, Query, description = "List every check")),
    responses(
        (status = OK, description = "It is ready", content((Health = "application/json"), (String = "text/plain"))),
        (status = SERVICE_UNAVAILABLE, description = "It is not, and why",
            content((ProblemDocument = "application/problem+json"), (String = "text/plain"))),
        Refusals,
    ))]
async fn readyz(State(service): State<Service>, RawQuery(query): RawQuery) -> Response {
    readiness(checks(&service).await, query.as_deref(), &Health { status: "ok" })
}

async fn checks(service: &Service) -> Vec<Check> {
    let mut checks = vec![Check::new("serving", service.is_serving().then_some(()).ok_or_else(draining))];
    match service.writer.look(|durable| durable.issuer.check_clock(durable.now)).await {
        Err(problem) => checks.push(Check::new("writer", Err(problem))),
        Ok(clock) => checks.extend([Check::new("writer", Ok(())), Check::new("clock", clock)]),
    }
    checks
}

fn draining() -> Problem {
    Problem::new(Code::ShuttingDown, "the issuer is shutting down", "ask another, or ask again soon")
}
