//! Whether the node lives, whether it can give seats, and what it measures.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use leasehold_cli::openmetrics;
use leasehold_net::{Check, Refusal, readiness};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde_json::{Value, json};

use super::routes::Node;
use crate::commit::disk_full;
use crate::daemon::Phase;
use crate::metrics::Observed;
use crate::writer::Durable;

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Json<Value> {
    Json(json!({"live": true}))
}

/// `GET /readyz`: 200 where seats can be given, else 503 with the first reason. With `?verbose` every check is listed
/// as text, `[+]` or `[-]`.
pub(super) async fn readyz(State(node): State<Node>, RawQuery(query): RawQuery) -> Response {
    readiness(checks(&node).await, query.as_deref(), &json!({"ready": true}))
}

/// `GET /metrics`.
pub(super) async fn metrics(State(node): State<Node>) -> Result<Response, Refusal> {
    let observed = node.writer.look(Observed::of).await?.with_issuer(node.reach.is_reachable());
    Ok(([(CONTENT_TYPE, openmetrics::MEDIA_TYPE)], observed.expose()).into_response())
}

async fn checks(node: &Node) -> Vec<Check> {
    let serving = match *node.phase.borrow() {
        Phase::Serving => Ok(()),
        Phase::Draining => Err(draining()),
    };
    let mut checks = vec![Check::new("serving", serving)];
    let look = |durable: &Durable<'_>| {
        let recovering = durable.core.not_serving(durable.now);
        (durable.core.is_provisioned(), recovering, durable.can_grow)
    };
    match node.writer.look(look).await {
        Err(problem) => checks.push(Check::new("writer", Err(problem))),
        Ok((provisioned, recovering, can_grow)) => checks.extend([
            Check::new("writer", Ok(())),
            Check::new("provisioned", provisioned.then_some(()).ok_or_else(unprovisioned)),
            Check::new("recovered", recovering.map_or(Ok(()), Err)),
            Check::new("journal", can_grow.then_some(()).ok_or_else(disk_full)),
        ]),
    }
    checks
}

fn draining() -> Problem {
    Problem::new(Code::ShuttingDown, "the node is shutting down", "ask another node")
}

fn unprovisioned() -> Problem {
    Problem::new(
        Code::NodeUnprovisioned,
        "the node has no bundle yet",
        "import a bundle: `leasehold-node import FILE`",
    )
}
