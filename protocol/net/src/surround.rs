//! What surrounds every request of a service.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Request};
use axum::response::{IntoResponse as _, Response};
use leasehold_protocol::code::Code;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};

use crate::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes whose requests each have an `x-request-id`, the caller's or a new one, and whose panics are answers.
pub fn surround(routes: Router) -> Router {
    // As one layer: each costs the router an allocation and an indirect call per request.
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(REQUEST_ID, Counted::new()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(CatchPanicLayer::custom(answer_panic));
    routes.layer(layers)
}

/// Ids that no other process makes, nor this one twice: random once, then counted.
#[derive(Clone)]
struct Counted {
    process: u64,
    requests: Arc<AtomicU64>,
}

impl Counted {
    fn new() -> Self {
        // Without randomness ids are still unique in this process.
        Self { process: getrandom::u64().unwrap_or_default(), requests: Arc::default() }
    }
}

impl MakeRequestId for Counted {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016x}-{number:016x}", self.process);
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}

fn answer_panic(_panic: Box<dyn Any + Send>) -> Response {
    Refusal::new(Code::Internal, "a fault of this service", "report this, with its log").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use leasehold_protocol::problem::Problem;
    use tower::ServiceExt as _;

    use super::*;

    async fn panics() {
        panic!("on purpose");
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_every_answer_has_an_id() {
        let routes = surround(Router::new().route("/panics", get(panics).post(|| async { "fine" })));
        let ask = |request: Request<Body>| routes.clone().oneshot(request);
        let answer = ask(Request::get("/panics").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.headers()[REQUEST_ID].len(), 33);
        let answer_id = answer.headers()[REQUEST_ID].clone();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap().code, Code::Internal);
        let named = Request::post("/panics").header(REQUEST_ID, "mine").body(Body::empty()).unwrap();
        assert_eq!(ask(named).await.unwrap().headers()[REQUEST_ID], "mine");
        let other = ask(Request::post("/panics").body(Body::empty()).unwrap()).await.unwrap();
        assert_ne!(other.headers()[REQUEST_ID], answer_id);
    }
}
