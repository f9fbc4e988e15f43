//! Whether the node lives, whether it can give seats, and what it measures.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use leasehold_cli::openmetrics;
use leasehold_net::Refusal;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde_json::{Value, json};

use super::routes::Node;
use crate::commit::disk_full;
use crate::daemon::Phase;
use crate::metrics::Observed;

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Json<Value> {
    Json(json!({"live": true}))
}

/// `GET /readyz`: 200 where seats can be given, else 503 with the first reason. With `?verbose` every check is listed
/// as text, `[+]` or `[-]`.
pub(super) async fn readyz(State(node): State<Node>, RawQuery(query): RawQuery) -> Response {
    let checks = Check::all(&node).await;
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=true"));
    if verbose {
        return in_words(&checks);
    }
    match checks.into_iter().find_map(|check| check.outcome.err()) {
        None => Json(json!({"ready": true})).into_response(),
        Some(problem) => {
            let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
            Refusal(Problem { status, ..problem }).into_response()
        }
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(node): State<Node>) -> Result<Response, Refusal> {
    let observed = node.writer.look(Observed::of).await?.with_issuer(node.reach.is_reachable());
    Ok(([(CONTENT_TYPE, openmetrics::MEDIA_TYPE)], observed.expose()).into_response())
}

/// One condition of being ready.
struct Check {
    name: &'static str,
    outcome: Result<(), Problem>,
}

impl Check {
    async fn all(node: &Node) -> Vec<Self> {
        let serving = match *node.phase.borrow() {
            Phase::Serving => Ok(()),
            Phase::Draining => Err(draining()),
        };
        let mut checks = vec![Self { name: "serving", outcome: serving }];
        match node.writer.look(|durable| (durable.core.is_provisioned(), durable.can_grow)).await {
            Err(problem) => checks.push(Self { name: "writer", outcome: Err(problem) }),
            Ok((provisioned, can_grow)) => checks.extend([
                Self { name: "writer", outcome: Ok(()) },
                Self { name: "provisioned", outcome: provisioned.then_some(()).ok_or_else(unprovisioned) },
                Self { name: "journal", outcome: can_grow.then_some(()).ok_or_else(disk_full) },
            ]),
        }
        checks
    }

    fn in_words(&self) -> String {
        let name = self.name;
        match &self.outcome {
            Ok(()) => format!("[+] {name}: ok"),
            Err(Problem { code, detail, hint, .. }) => format!("[-] {name}: {code}: {detail}; {hint}"),
        }
    }
}

fn in_words(checks: &[Check]) -> Response {
    let ready = checks.iter().all(|check| check.outcome.is_ok());
    let (status, verdict) =
        if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    let lines: Vec<String> = checks.iter().map(Check::in_words).collect();
    (status, format!("{}\n{verdict}\n", lines.join("\n"))).into_response()
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
