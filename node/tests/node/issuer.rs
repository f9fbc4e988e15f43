//! An issuer that a test holds: it serves what a real one serves, over real TLS, and lies when it is told to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes as Body;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use leasehold_net::{Bounds, Endpoint, Listener, ServerFiles, ServerTls, TlsKey, bind_tcp};
use leasehold_protocol::code::Code;
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::vendor::{Vendor, Word};

/// How the issuer answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    /// With a head of this version, and so many seats.
    Honest { version: u64, seats: u32 },
    /// The same with `seats`, but a node's own head is a version ahead of the one that is polled, and fresh for a week.
    Apart { polled: u64, seats: u32 },
    /// Polls with a head of this version, and exchanges with an error.
    Failing { version: u64 },
    /// The poll with these bytes, as a head of a later version.
    Head(Vec<u8>),
    /// Polls with a head of this version, and exchanges with this problem.
    Refusing { version: u64, problem: Problem },
    /// Polls with a head of this version, and exchanges only with who shows what it stands on.
    Curious { version: u64, seats: u32 },
    /// Everything with this status and no word why.
    Status(u16),
    /// Nothing, ever.
    Silent,
}

/// A running issuer; it ends with the test.
pub(crate) struct TestIssuer {
    pub(crate) url: String,
    pub(crate) join: String,
    manner: watch::Sender<Manner>,
    shared: Shared,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Shared {
    vendor: Arc<Vendor>,
    manner: watch::Receiver<Manner>,
    requests: Arc<AtomicUsize>,
    exchanges: Arc<AtomicUsize>,
    sent: Arc<Mutex<Vec<Body>>>,
    serial: Arc<Mutex<u64>>,
}

impl TestIssuer {
    pub(crate) fn start(vendor: &Arc<Vendor>, manner: Manner) -> Self {
        Self::start_with(vendor, manner, 77)
    }

    /// One with the TLS key of this number.
    pub(crate) fn start_with(vendor: &Arc<Vendor>, manner: Manner, key: u8) -> Self {
        let runtime = Runtime::new().unwrap();
        let (sender, manner) = watch::channel(manner);
        let shared = Shared {
            vendor: Arc::clone(vendor),
            manner,
            requests: Arc::default(),
            exchanges: Arc::default(),
            sent: Arc::default(),
            serial: Arc::default(),
        };
        let der = SigningKey::from_bytes(&[key; 32]).to_pkcs8_der().unwrap();
        let key = TlsKey::from_pkcs8(der.as_bytes()).unwrap();
        let tls = Arc::new(ServerTls::new(&key, &ServerFiles::default()).unwrap());
        let router = Router::new()
            .route("/v1/enroll", post(exchange))
            .route("/v1/sync", post(exchange))
            .route("/v1/receipts", post(|| async { StatusCode::OK }))
            .route("/v1/accounts/{account}/head", get(head))
            .with_state(shared.clone());
        let entered = runtime.enter();
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let endpoint =
            Endpoint { listener: Listener::Tls(listener, tls), service: router, bounds: Bounds::default() };
        runtime.spawn(endpoint.serve(std::future::pending()));
        drop(entered);
        let join = JoinCode { secret: JoinSecret([3; 16]), issuer_key: key.digest() }.to_string();
        Self { url, join, manner: sender, shared, _runtime: runtime }
    }

    /// From now on it answers so.
    pub(crate) fn be(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// How many requests have arrived, and how many of them were exchanges.
    pub(crate) fn asked(&self) -> (usize, usize) {
        (self.shared.requests.load(Ordering::SeqCst), self.shared.exchanges.load(Ordering::SeqCst))
    }

    /// The requests for bundles, in the order in which they arrived.
    pub(crate) fn sent(&self) -> Vec<Body> {
        self.shared.sent.lock().unwrap().clone()
    }
}

impl Shared {
    fn bundle(&self, request: &[u8], word: Word, seats: u32) -> Response {
        let mut serial = self.serial.lock().unwrap();
        *serial += 1;
        self.vendor.bundle_at(request, *serial, word, seats).into_response()
    }
}

async fn exchange(State(shared): State<Shared>, request: Body) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    shared.exchanges.fetch_add(1, Ordering::SeqCst);
    shared.sent.lock().unwrap().push(request.clone());
    let manner = shared.manner.borrow().clone();
    match manner {
        Manner::Honest { version, seats } => shared.bundle(&request, Word::of_now(version), seats),
        Manner::Apart { polled, seats } => {
            let own = Word { version: polled + 1, hours_old: 0, fresh_hours: 168 };
            shared.bundle(&request, own, seats)
        }
        Manner::Curious { version, seats } => match shared.vendor.opened(&request).presented {
            Some(_) => shared.bundle(&request, Word::of_now(version), seats),
            None => refusal(&Problem::new(Code::ArtefactsNeeded, "what do you stand on", "show it")),
        },
        Manner::Refusing { problem, .. } => refusal(&problem),
        Manner::Failing { .. } => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        other => dishonest(other).await,
    }
}

async fn head(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let mut manner = shared.manner.clone();
    let now = manner.borrow_and_update().clone();
    match now {
        Manner::Apart { polled, .. } => shared.vendor.signed_head(Word::of_now(polled)).into_response(),
        Manner::Honest { version, .. }
        | Manner::Failing { version }
        | Manner::Refusing { version, .. }
        | Manner::Curious { version, .. } => {
            let etag = format!("\"{version}\"");
            if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
                // Held until there is another word.
                let _ = tokio::time::timeout(Duration::from_secs(20), manner.changed()).await;
                return StatusCode::NOT_MODIFIED.into_response();
            }
            ([(ETAG, etag)], shared.vendor.signed_head(Word::of_now(version))).into_response()
        }
        Manner::Head(bytes) => bytes.into_response(),
        other => dishonest(other).await,
    }
}

fn refusal(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap();
    (status, serde_json::to_vec(problem).unwrap()).into_response()
}

async fn dishonest(manner: Manner) -> Response {
    match manner {
        Manner::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Manner::Silent => std::future::pending().await,
        _ => b"no bundle".to_vec().into_response(),
    }
}
