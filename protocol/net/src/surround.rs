//! What surrounds every request of a service.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use axum::response::{IntoResponse as _, Response};
use leasehold_protocol::code::Code;
use tower::Service;

use crate::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What can be served: a router, or something around one.
pub trait HttpService: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response> + Send;
}

impl HttpService for Router {
    async fn answer(&self, request: Request<Body>) -> Response {
        let Ok(answer) = self.clone().call(request).await;
        answer
    }
}

/// A service whose requests each have an `x-request-id`, the caller's or a new one, and whose panics are answers.
///
/// It is no layer of a router: each of those costs a request several allocations.
#[derive(Clone, Debug)]
pub struct Surround<S> {
    service: S,
    ids: RequestIds,
}

impl<S> Surround<S> {
    /// Around `service`.
    pub fn new(service: S) -> Self {
        Self { service, ids: RequestIds::new() }
    }
}

impl<S: HttpService> HttpService for Surround<S> {
    async fn answer(&self, mut request: Request<Body>) -> Response {
        let id = request.headers_mut().entry(REQUEST_ID).or_insert_with(|| self.ids.next()).clone();
        let mut answer = unless_it_panics(self.service.answer(request)).await;
        answer.headers_mut().insert(REQUEST_ID, id);
        answer
    }
}

/// Ids that no other process makes, nor this one twice: random once, then counted.
#[derive(Clone, Debug)]
struct RequestIds {
    process: u64,
    requests: Arc<AtomicU64>,
}

impl RequestIds {
    fn new() -> Self {
        // Without randomness ids are still unique in this process.
        Self { process: getrandom::u64().unwrap_or_default(), requests: Arc::default() }
    }

    fn next(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut id = [b'-'; 33];
        let (process, count) = (hex(self.process), hex(number));
        id[..16].copy_from_slice(&process);
        id[17..].copy_from_slice(&count);
        HeaderValue::from_bytes(&id).expect("hex digits are a header value")
    }
}

/// Every request pays for it: formatting would cost several times as much.
fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|digit| b"0123456789abcdef"[(number >> (60 - 4 * digit) & 15) as usize])
}

async fn unless_it_panics(answer: impl Future<Output = Response>) -> Response {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(fault()))
    })
    .await
}

fn fault() -> Response {
    Refusal::new(Code::Internal, "a fault of this service", "report this, with its log").into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use leasehold_protocol::problem::Problem;

    use super::*;

    async fn panics() {
        panic!("on purpose");
    }

    #[test]
    fn ids_are_counted_in_hex() {
        let ids = RequestIds { process: 0xfeed_0000_0000_00ab, requests: Arc::new(AtomicU64::new(255)) };
        let next = [ids.next(), ids.next()];
        assert_eq!(next, ["feed0000000000ab-00000000000000ff", "feed0000000000ab-0000000000000100"]);
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_every_answer_has_an_id() {
        let echo = |headers: axum::http::HeaderMap| async move { headers[REQUEST_ID].as_bytes().to_vec() };
        let service = Surround::new(Router::new().route("/panics", get(panics).post(echo)));
        let answer = service.answer(Request::get("/panics").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers()[REQUEST_ID].len(), 33);
        let answer_id = answer.headers()[REQUEST_ID].clone();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap().code, Code::Internal);
        let named = Request::post("/panics").header(REQUEST_ID, "mine").body(Body::empty()).unwrap();
        assert_eq!(service.answer(named).await.headers()[REQUEST_ID], "mine");
        let other = service.answer(Request::post("/panics").body(Body::empty()).unwrap()).await;
        assert_ne!(other.headers()[REQUEST_ID], answer_id);
        let id = other.headers()[REQUEST_ID].clone();
        assert_eq!(
            other.into_body().collect().await.unwrap().to_bytes(),
            id.as_bytes(),
            "the service sees it"
        );
    }
}
