//! The problem document of RFC 9457: how a refusal or failure travels, over HTTP and on a program's stderr.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::code::Code;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where nothing was decided, this says what happened, why, and what to do.
///
/// A document with a code that this version does not know is read as [`Code::Unrecognised`]: status and `retryable`
/// stay those of the sender, and its code is kept in `extra` as `received_code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(into = "Document", from = "Document")]
#[error("{detail}")]
pub struct Problem {
    /// What programs act on.
    pub code: Code,
    /// The HTTP status, that of the code unless the sender had a better one.
    pub status: u16,
    /// What happened, for people: one sentence, lower case, no final stop.
    pub detail: String,
    /// What to do about it, for people: one sentence, lower case, no final stop.
    pub hint: String,
    /// The same request may succeed when sent again soon.
    pub retryable: bool,
    /// Further members of the document, named by the code's documentation (`step`, `free`, …).
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem with status and retry class of its code.
    pub fn new(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            status: code.http(),
            detail: detail.into(),
            hint: hint.into(),
            retryable: code.retryable(),
            extra: Map::new(),
        }
    }

    /// The same with one more member. The names of RFC 9457 and of the fields above are not for this.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(!RESERVED.contains(&name), "{name} is a field of its own");
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

const RESERVED: [&str; 7] = ["type", "title", "status", "detail", "code", "hint", "retryable"];
const RECEIVED_CODE: &str = "received_code";

/// The document as it is on the wire.
#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(rename = "type", default)]
    type_uri: String,
    #[serde(default)]
    title: Cow<'static, str>,
    status: u16,
    #[serde(default)]
    detail: String,
    code: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    retryable: bool,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl From<Problem> for Document {
    fn from(problem: Problem) -> Self {
        let code = problem.code.as_str();
        Self {
            type_uri: format!("urn:leasehold:problem:{}", code.to_ascii_lowercase().replace('_', "-")),
            title: problem.code.title().into(),
            status: problem.status,
            detail: problem.detail,
            code: code.to_owned(),
            hint: problem.hint,
            retryable: problem.retryable,
            extra: problem.extra,
        }
    }
}

impl From<Document> for Problem {
    fn from(document: Document) -> Self {
        let mut extra = document.extra;
        let code = document.code.parse().unwrap_or_else(|_| {
            extra.insert(RECEIVED_CODE.to_owned(), document.code.into());
            Code::Unrecognised
        });
        Self {
            code,
            status: document.status,
            detail: document.detail,
            hint: document.hint,
            retryable: document.retryable,
            extra,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_has_every_member_and_survives() {
        let problem =
            Problem::new(Code::AllocationExceedsPool, "pool has 3 seats free, not 5", "ask for less")
                .with("free", 3);
        let document = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            document,
            json!({
                "type": "urn:leasehold:problem:allocation-exceeds-pool",
                "title": "the pool has fewer unallocated seats than asked",
                "status": 409,
                "detail": "pool has 3 seats free, not 5",
                "code": "ALLOCATION_EXCEEDS_POOL",
                "hint": "ask for less",
                "retryable": false,
                "free": 3,
            })
        );
        assert_eq!(serde_json::from_value::<Problem>(document).unwrap(), problem);
        assert_eq!(problem.to_string(), "pool has 3 seats free, not 5");
    }

    #[test]
    fn a_code_of_a_newer_peer_is_kept() {
        let problem: Problem =
            serde_json::from_value(json!({"status": 429, "code": "BRAND_NEW", "retryable": true})).unwrap();
        assert_eq!((problem.code, problem.status, problem.retryable), (Code::Unrecognised, 429, true));
        assert_eq!(problem.extra["received_code"], "BRAND_NEW");
    }

    #[test]
    fn what_is_no_problem_document_is_refused() {
        for document in [json!({}), json!({"status": 409}), json!({"code": "CONFLICT"}), json!([])] {
            assert!(serde_json::from_value::<Problem>(document.clone()).is_err(), "{document}");
        }
    }
}
