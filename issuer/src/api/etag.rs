//! Versions of what is read: `ETag` in answers, `If-None-Match` and `If-Match` in requests.

use axum::Json;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::caller::{Caller, Principal};

/// Which version a change is meant for
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header")]
pub(super) struct IfMatch {
    /// The `ETag` of what was read, or `*`.
    #[param(rename = "If-Match", required = true)]
    if_match: Option<String>,
}

/// Answers with a document and its tag, or that the caller has it already.
pub(super) fn answer<T: Serialize>(headers: &HeaderMap, version: u32, document: &T) -> Response {
    let body = serde_json::to_vec(document).expect("answers are JSON");
    let hash = HEXLOWER.encode(&Sha256::digest(&body)[..8]);
    let tag = format!("\"v{version}-{hash}\"");
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|sent| sent.to_str().ok());
    let known = known.flat_map(|sent| sent.split(',')).map(str::trim).any(|sent| sent == tag || sent == "*");
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Json(document).into_response() };
    response.headers_mut().insert(ETAG, HeaderValue::from_str(&tag).expect("a tag is ASCII"));
    response
}

/// The version that a change is meant for: of an `If-Match` that this service gave; none for `*`, that is, whatever
/// the version is. Users of this machine may leave it out.
pub(super) fn expected(headers: &HeaderMap, caller: &Caller) -> Result<Option<u32>, Problem> {
    let Some(sent) = headers.get(IF_MATCH) else {
        return match caller.principal {
            Principal::User(_) => Ok(None),
            Principal::ApiKey(_) => Err(Problem::new(
                Code::PreconditionRequired,
                "the request has no If-Match",
                "send the ETag of what you have read, or * for whatever there is",
            )),
        };
    };
    let text = sent.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix("\"v").and_then(|rest| rest.split('-').next()?.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::new(
            Code::PreconditionFailed,
            "the If-Match is no ETag of this service",
            "read it again, then send its ETag",
        )
    })
}
