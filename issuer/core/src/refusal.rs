//! Refusals that several commands share.

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

/// What was asked cannot be meant.
pub(crate) fn invalid(detail: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail, hint)
}

/// A bound of the product is reached.
pub(crate) fn limit(what: &str, most: usize) -> Problem {
    Problem::new(
        Code::LimitExceeded,
        format!("{what}: {most} is the most"),
        "stay within the bound; nothing was changed",
    )
}

/// There is no such thing.
pub(crate) fn not_found(what: &str, name: &str, hint: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {what} {name:?}"), hint)
}

/// Refuses with `problem` unless `holds`.
pub(crate) fn require(holds: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(problem()) }
}
