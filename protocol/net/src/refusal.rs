//! The one place where a problem becomes an HTTP answer.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::{MEDIA_TYPE, Problem};

/// What a request ends with when nothing was decided.
#[derive(Debug)]
pub struct Refusal(pub Problem);

/// Seconds after which an overloaded service may be asked again.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// What an unauthenticated caller is missing (RFC 9110 §11.6.1).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

impl Refusal {
    /// A request that cannot be carried out as it is.
    pub fn new(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Problem::new(code, detail, hint))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(mut problem) = self;
        let status = StatusCode::from_u16(problem.status).ok();
        // The code of a decision has no error status of its own; where it is refused outright, it is a conflict.
        let status = status.filter(|status| !status.is_success()).unwrap_or(StatusCode::CONFLICT);
        problem.status = status.as_u16();
        let body = serde_json::to_vec(&problem).expect("a problem is JSON");
        let mut response = (status, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
        }
        response
    }
}
