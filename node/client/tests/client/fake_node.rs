//! A node on a Unix socket or behind TLS whose every answer a test can change.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use leasehold_protocol::api::{CheckoutRequest, Decision, Denial};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::door::{Door, Recorded};
use crate::vendor::{Given, Vendor, wish};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /v1/leases`, without ids.
    pub(crate) what: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What to do with a request.
pub(crate) enum Reply {
    /// As a node with free seats would.
    Honest,
    Json(u16, Value),
    Bytes(u16, Vec<u8>),
    /// Close the connection instead.
    Cut,
    /// Never answer.
    Silent,
}

type Script = dyn Fn(&Node, &Asked, usize) -> Reply + Send + Sync;

/// What a script can make answers of.
pub(crate) struct Node {
    pub(crate) vendor: Vendor,
    pub(crate) ttl_ms: i64,
    /// The keys by which its certificate lets it be known.
    pub(crate) tls_keys: Vec<SpkiDigest>,
    issues: AtomicU8,
}

pub(crate) struct FakeNode {
    dir: TempDir,
    address: String,
    asked: mpsc::Receiver<Asked>,
    heard: Arc<Mutex<Vec<u8>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl FakeNode {
    /// A node with free seats.
    pub(crate) fn honest() -> Self {
        Self::start(|_, _, _| Reply::Honest)
    }

    /// `script` is told each request and how many of its kind came before.
    pub(crate) fn start(script: impl Fn(&Node, &Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(Vendor::new("vendor"), 900_000, script)
    }

    pub(crate) fn of(
        vendor: Vendor,
        ttl_ms: i64,
        script: impl Fn(&Node, &Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let node = Node { vendor, ttl_ms, tls_keys: Vec::new(), issues: AtomicU8::new(0) };
        Self::serving(node, Box::new(script), None)
    }

    /// A node behind TLS. Its connections come in through these doors, one after the other, then through the last.
    pub(crate) fn behind(
        doors: Vec<Door>,
        vendor: Vendor,
        script: impl Fn(&Node, &Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut tls_keys: Vec<SpkiDigest> = doors.iter().map(|door| door.key).collect();
        tls_keys.sort_unstable();
        tls_keys.dedup();
        let node = Node { vendor, ttl_ms: 900_000, tls_keys, issues: AtomicU8::new(0) };
        Self::serving(node, Box::new(script), Some(doors))
    }

    fn serving(node: Node, script: Box<Script>, doors: Option<Vec<Door>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // What the application trusts, whoever runs the node.
        std::fs::write(dir.path().join("trust-root.lh"), Vendor::new("vendor").root).unwrap();
        let (tell, asked) = mpsc::channel();
        let shared = Arc::new(Shared { node, script, tell, counts: Mutex::default() });
        let heard = Arc::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inside = runtime.enter();
        let address = if let Some(doors) = doors {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("https://{}", listener.local_addr().unwrap());
            listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            runtime.spawn(serve_tls(listener, doors, Arc::clone(&heard), shared));
            address
        } else {
            let path = dir.path().join("node.sock");
            runtime.spawn(serve(UnixListener::bind(&path).unwrap(), shared));
            format!("unix:{}", path.display())
        };
        drop(inside);
        Self { dir, address, asked, heard, runtime: Some(runtime) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// All that came in through TLS.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// The requests that came so far and were not taken yet.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    /// The next request of this kind.
    pub(crate) fn wait_for(&self, what: &str) -> Asked {
        loop {
            let asked = self.asked.recv_timeout(PATIENCE).unwrap();
            if asked.what == what {
                return asked;
            }
        }
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Node {
    /// A seat, each with a ticket of its own.
    pub(crate) fn allow(&self, asked: &CheckoutRequest) -> Value {
        let issue = self.issues.fetch_add(1, Ordering::Relaxed);
        let given = Given { lease: 1, issue, ttl_ms: self.ttl_ms, age_ms: 0 };
        json!(Decision::Allow(self.vendor.seat(asked, given)))
    }

    fn answer(&self, asked: &Asked) -> Reply {
        match asked.what.as_str() {
            "POST /v1/leases" => Reply::Json(200, self.allow(&serde_json::from_slice(&asked.body).unwrap())),
            "POST /v1/leases/renew" => Reply::Json(200, self.allow(&wish())),
            "DELETE /v1/leases" => Reply::Json(200, json!({"released": true})),
            "GET /v1/proof" => Reply::Json(200, json!(self.vendor.chain_answer())),
            "GET /v1/identity" => Reply::Json(200, json!(self.vendor.identity(&self.tls_keys))),
            "GET /v1/status" => Reply::Json(200, status()),
            _ => problem(Code::NotFound),
        }
    }
}

/// A denial with this code.
pub(crate) fn denial(code: Code) -> Reply {
    let denial = Denial {
        code,
        detail: "denied by the test".into(),
        hint: "none".into(),
        queue_position: None,
        retry_after_ms: Some(1_000),
        held_by: vec!["eve@ws-18".into()],
        would_allow: Vec::new(),
    };
    Reply::Json(200, json!(Decision::Deny(denial)))
}

/// A problem with this code.
pub(crate) fn problem(code: Code) -> Reply {
    Reply::Json(code.http(), json!(Problem::new(code, "trouble of the test", "none")))
}

struct Shared {
    node: Node,
    script: Box<Script>,
    tell: mpsc::Sender<Asked>,
    /// How many of each kind of request came.
    counts: Mutex<BTreeMap<String, usize>>,
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, Arc::clone(&shared)));
    }
}

async fn serve_tls(listener: TcpListener, doors: Vec<Door>, heard: Arc<Mutex<Vec<u8>>>, shared: Arc<Shared>) {
    let mut doors = doors.into_iter().peekable();
    while let Ok((stream, _)) = listener.accept().await {
        let Some(door) = doors.next() else { return };
        if doors.peek().is_none() {
            doors = vec![door.clone()].into_iter().peekable();
        }
        let (heard, shared) = (Arc::clone(&heard), Arc::clone(&shared));
        tokio::spawn(async move {
            // Clients that do not like the door go away.
            if let Ok(stream) = TlsAcceptor::from(door.config).accept(stream).await {
                serve_connection(Recorded { stream, heard }, shared).await;
            }
        });
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let asked = receive(request).await;
            let before = {
                let mut counts = shared.counts.lock().unwrap();
                let count: &mut usize = counts.entry(asked.what.clone()).or_default();
                *count += 1;
                *count - 1
            };
            let reply = (shared.script)(&shared.node, &asked, before);
            let reply = if matches!(reply, Reply::Honest) { shared.node.answer(&asked) } else { reply };
            // The test may have ended.
            let _ = shared.tell.send(asked);
            match reply {
                Reply::Json(status, body) => Ok(response(status, body.to_string().into_bytes())),
                Reply::Bytes(status, body) => Ok(response(status, body)),
                Reply::Cut | Reply::Honest => Err(io::Error::other("cut")),
                Reply::Silent => {
                    let never: Infallible = pending().await;
                    match never {}
                }
            }
        }
    });
    // Cut connections are part of the tests.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(request: Request<Incoming>) -> Asked {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let authorization = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let ids_cut: Vec<&str> =
        path.split('/').filter(|part| !part.starts_with("lse_") && part.len() != 64).collect();
    let what = format!("{method} {}", ids_cut.join("/"));
    let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    Asked { what, path, authorization, body }
}

fn response(status: u16, body: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
}

/// A status as a node without a bundle has it.
pub(crate) fn status() -> Value {
    json!({
        "node_id": null, "name": "plant", "trust_state": "UNPROVISIONED", "trust_cause": "no bundle yet",
        "next_transition_at": null,
        "clock": {"status": "COARSE", "floor": null, "best": "2025-11-24T16:00:00Z", "hi": null,
            "wall": "2025-11-24T16:00:00Z", "svc_ms": 0},
        "issuer": {"reachable": null, "last_sync_at": null},
        "pools": [],
        "journal": {"seq": 1, "head": "00".repeat(32)},
        "running": true
    })
}
