//! How far the issuer has got: said in every answer, demanded by whoever must not read the past.

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use leasehold_net::Refusal;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

use super::Service;

/// The last durable record.
const ENTITLEMENT_REVISION: HeaderName = HeaderName::from_static("entitlement-revision");
/// The date of the API that an answer is of.
const API_VERSION: HeaderName = HeaderName::from_static("api-version");
/// The only one there is.
const VERSION: &str = "2026-11-01";

/// Refuses what asks for another API or for a revision that has not come; marks every answer with both.
pub(super) async fn mark(State(service): State<Service>, request: Request, next: Next) -> Response {
    let mut response = match check(&service, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) if problem.retryable => ([(RETRY_AFTER, "1")], Refusal::from(problem)).into_response(),
        Err(problem) => Refusal::from(problem).into_response(),
    };

    let headers = response.headers_mut();
    headers.insert(ENTITLEMENT_REVISION, service.writer.revision().0.into());
    headers.insert(API_VERSION, HeaderValue::from_static(VERSION));
    response
}

fn check(service: &Service, request: &Request) -> Result<(), Problem> {
    let version = request.headers().get(API_VERSION);
    if version.is_some_and(|version| version.as_bytes() != VERSION.as_bytes()) {
        let detail = "the API-Version is not one of this issuer";
        return Err(Problem::new(Code::InvalidRequest, detail, format!("ask for {VERSION}, or for none")));
    }
    if *request.method() != Method::GET {
        return Ok(());
    }
    // A query that cannot be read is refused by whoever reads the rest of it.
    let query: Vec<(String, String)> =
        serde_urlencoded::from_str(request.uri().query().unwrap_or_default()).unwrap_or_default();
    let wanted = query.iter().find(|(name, _)| name == "min_revision");
    let Some(wanted) = wanted.and_then(|(_, wanted)| wanted.parse::<u64>().ok()) else { return Ok(()) };
    let reached = service.writer.revision().0;
    if wanted <= reached {
        return Ok(());
    }
    let detail = format!("revision {wanted} has not been reached: this is revision {reached}");
    let hint = "ask again soon, or ask for a revision that an answer has named";
    Err(Problem::new(Code::EpochNotReached, detail, hint).with("revision", reached))
}
