//! Queries and paths that are not as they should be.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

/// The query, or why it is refused.
pub(super) fn strict<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| {
        let why =
            std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), ToString::to_string);
        Problem::new(
            Code::InvalidRequest,
            format!("the query is not what this request takes: {why}"),
            "see the description of the API",
        )
    })
}

/// The name in the path, or why it is refused.
pub(super) fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|rejection| {
        let detail = format!("the path cannot be read: {}", rejection.body_text());
        Problem::new(Code::Malformed, detail, "see the description of the API")
    })
}
