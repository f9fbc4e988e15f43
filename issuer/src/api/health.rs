//! Whether the service lives and is ready, and what its API is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use leasehold_net::Refusal;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Refusals;
use super::{Answered, Service};

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
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "readyz", security(()),
    responses((status = OK, body = Health), Refusals))]
async fn readyz(State(service): State<Service>) -> Answered<Health> {
    if !service.is_serving() {
        let problem =
            Problem::new(Code::ShuttingDown, "the issuer is shutting down", "ask another, or ask again soon");
        return Err(Refusal::from(problem));
    }
    service.writer.look(|_| ()).await?;
    Ok(Json(Health { status: "ok" }))
}
