//! `/metrics`, and the counting of requests.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use leasehold_cli::openmetrics::MEDIA_TYPE;
use leasehold_net::Refusal;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::permission::Action;
use super::problem::Refusals;
use super::{Caller, Service, verbs};
use crate::metrics::{Answered, Observed};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Show what the issuer measures
#[utoipa::path(get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((status = OK, body = String, content_type = "application/openmetrics-text"), Refusals))]
async fn metrics(State(service): State<Service>, caller: Caller) -> Result<Response, Refusal> {
    caller.may(Action::ReadIssuer)?;
    let observed = service.writer.look(|durable| Observed::of(durable)).await?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], observed.expose(service.meter.clone())).into_response())
}

/// What a response is the answer of.
#[derive(Clone)]
struct Route {
    method: String,
    path: String,
}

/// Notes the route of a request; what no route takes is not noted.
pub(super) async fn note_route(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| verbs::sent(path.as_str()));
    let route = path.map(|path| Route { method: request.method().to_string(), path });
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Counts a request by its route and its answer.
pub(super) async fn count(State(service): State<Service>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let (method, route) = match response.extensions().get::<Route>() {
        Some(Route { method, path }) => (method.clone(), path.clone()),
        None => (String::new(), String::new()),
    };
    service.meter.count(&Answered { method, route, status: response.status().as_u16() });
    response
}
