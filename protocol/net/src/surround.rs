//! What surrounds every request of a service.

use std::any::Any;

use axum::Router;
use axum::http::HeaderName;
use axum::response::{IntoResponse as _, Response};
use leasehold_protocol::code::Code;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes whose requests each have an `x-request-id`, the caller's or a new one, and whose panics are answers.
pub fn surround(routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}

fn answer_panic(_panic: Box<dyn Any + Send>) -> Response {
    Refusal::new(Code::Internal, "a fault of this service", "report this, with its log").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
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
        assert_eq!(answer.headers()[REQUEST_ID].len(), 36);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap().code, Code::Internal);
        let named = Request::post("/panics").header(REQUEST_ID, "mine").body(Body::empty()).unwrap();
        assert_eq!(ask(named).await.unwrap().headers()[REQUEST_ID], "mine");
    }
}
