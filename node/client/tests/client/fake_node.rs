//! A node on a Unix socket whose every answer a test can change.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use leasehold_protocol::api::{CheckoutRequest, Decision, Denial};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

use crate::vendor::{Given, Vendor, wish};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /v1/leases`, without ids.
    pub(crate) what: String,
    pub(crate) path: String,
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
    issues: AtomicU8,
}

pub(crate) struct FakeNode {
    dir: TempDir,
    asked: mpsc::Receiver<Asked>,
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
        let dir = tempfile::tempdir().unwrap();
        // What the application trusts, whoever runs the node.
        std::fs::write(dir.path().join("trust-root.lh"), Vendor::new("vendor").root).unwrap();
        let (tell, asked) = mpsc::channel();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(dir.path().join("node.sock")).unwrap()
        };
        let node = Node { vendor, ttl_ms, issues: AtomicU8::new(0) };
        runtime.spawn(serve(listener, Arc::new(Shared { node, script: Box::new(script), tell })));
        Self { dir, asked, runtime: Some(runtime) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.path("node.sock").display())
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
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let counts = Arc::new(std::sync::Mutex::new(std::collections::BTreeMap::new()));
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, counts) = (Arc::clone(&shared), Arc::clone(&counts));
        tokio::spawn(serve_connection(stream, shared, counts));
    }
}

type Counts = Arc<std::sync::Mutex<std::collections::BTreeMap<String, usize>>>;

async fn serve_connection(stream: UnixStream, shared: Arc<Shared>, counts: Counts) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, counts) = (Arc::clone(&shared), Arc::clone(&counts));
        async move {
            let asked = receive(request).await;
            let before = {
                let mut counts = counts.lock().unwrap();
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
    let ids_cut: Vec<&str> =
        path.split('/').filter(|part| !part.starts_with("lse_") && part.len() != 64).collect();
    let what = format!("{method} {}", ids_cut.join("/"));
    let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    Asked { what, path, body }
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
