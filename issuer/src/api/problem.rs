//! Refusals, as the description of the API shows them.

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Any refusal.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) enum Refusals {
    /// The request was refused, and nothing was changed
    #[response(status = "default", content_type = "application/problem+json")]
    Any(#[to_schema] ProblemDocument),
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    type_uri: String,
    /// The same in a few words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened.
    detail: String,
    /// What programs act on; stable.
    code: String,
    /// What to do about it.
    hint: String,
    /// Whether the same request may succeed when sent again soon.
    retryable: bool,
}

/// A fact of another kind than the command makes: cannot be.
pub(crate) fn odd_fact() -> Problem {
    Problem::new(
        Code::Internal,
        "the record does not say what the request asked for",
        "this is a fault of the program: report it",
    )
}
