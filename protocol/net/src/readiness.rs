//! Whether a service can do its work: by its status for whoever sends it traffic, check by check for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use leasehold_protocol::problem::Problem;
use serde::Serialize;

use crate::Refusal;

/// One condition of being ready.
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    outcome: Result<(), Problem>,
}

impl Check {
    /// What was looked at, and why it stands in the way if it does.
    pub const fn new(name: &'static str, outcome: Result<(), Problem>) -> Self {
        Self { name, outcome }
    }

    fn in_words(&self) -> String {
        let name = self.name;
        match &self.outcome {
            Ok(()) => format!("[+] {name}: ok"),
            Err(Problem { code, detail, hint, .. }) => format!("[-] {name}: {code}: {detail}; {hint}"),
        }
    }
}

/// 200 with `ready`, or 503 with the first problem; where the query says `verbose`, every check as a line of text.
pub fn readiness(checks: Vec<Check>, query: Option<&str>, ready: &impl Serialize) -> Response {
    let is_verbose = |part: &str| part == "verbose" || part == "verbose=true";
    if query.is_some_and(|query| query.split('&').any(is_verbose)) {
        return in_words(&checks);
    }
    match checks.into_iter().find_map(|check| check.outcome.err()) {
        None => Json(ready).into_response(),
        Some(problem) => {
            let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
            Refusal(Problem { status, ..problem }).into_response()
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
