//! Applications and nodes over TLS: the same promise, and nothing for anybody else.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use http_body_util::Full;
use leasehold_net::{
    Address, Bounds, ClientTls, Connection, Endpoint, Listener, ServerFiles, ServerKey, ServerTls, Timeouts,
    TlsKey,
};
use rcgen::KeyPair;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::seats::hundred_of_five_hundred;
use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const CHECKOUT: [&str; 3] = ["checkout", "--product", PRODUCT];

#[test]
fn five_hundred_processes_get_a_hundred_seats_over_tls() {
    let vendor = Vendor::new();
    let site = vendor.site_with("plant", 100);
    let daemon = site.run();
    hundred_of_five_hundred(&site, daemon.https());
}

#[test]
fn a_node_that_is_not_the_vendors_is_asked_nothing() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let (site, foreign) = (vendor.site_with("plant", 3), other.site_with("plant", 3));
    let (daemon, foreign_daemon) = (site.run(), foreign.run());
    for command in [&CHECKOUT[..], &["status"], &["run", "--product", PRODUCT, "--", "true"]] {
        let refused = site.app_at(foreign_daemon.https(), command);
        assert_eq!((refused.exit, refused.code().as_str()), (6, "PEER_UNTRUSTED"), "{refused:?}");
    }
    assert!(foreign.leases().is_empty());
    // A node that the vendor knows nothing of yet proves nothing either.
    let fresh = Site::new(&vendor.trust_root(), "fresh");
    let fresh_daemon = fresh.run();
    let refused = site.app_at(fresh_daemon.https(), &CHECKOUT);
    assert_eq!((refused.exit, refused.code().as_str()), (6, "PEER_UNTRUSTED"), "{refused:?}");

    // None of them keeps an application from its own node.
    let addresses = [&foreign_daemon, &fresh_daemon, &daemon].map(|daemon| daemon.https().to_owned());
    assert_eq!(site.app_at(&addresses.join(","), &CHECKOUT).done()["proof"], "verified");
}

#[test]
fn whoever_relays_everything_hears_one_question() {
    let vendor = Vendor::new();
    let site = vendor.site_with("plant", 3);
    let daemon = site.run();
    let middle = InTheMiddle::of(daemon.https());
    std::fs::write(site.path("key"), "lk_live_secret\n").unwrap();
    let key = site.text("key");
    let refused = site.app_at(&middle.address, &[&CHECKOUT[..], &["--key-file", &key]].concat());
    assert_eq!((refused.exit, refused.code().as_str()), (6, "PEER_UNTRUSTED"), "{refused:?}");
    assert!(refused.stderr.contains("does not name the key of this connection"), "{refused:?}");
    assert_eq!(middle.heard(), ["GET /v1/identity"]);
    assert!(site.leases().is_empty());
}

/// Somebody with a key of his own who passes on what he hears and what he is told.
struct InTheMiddle {
    address: String,
    heard: mpsc::UnboundedReceiver<String>,
    _runtime: Runtime,
}

impl InTheMiddle {
    fn of(node: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let inside = runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = TlsKey::from_pkcs8(&pair.serialize_der()).unwrap();
        let tls = Arc::new(ServerTls::new(&key, &ServerFiles::default()).unwrap());
        let (tell, heard) = mpsc::unbounded_channel();
        let node: Address = node.parse().unwrap();
        let router = Router::new().fallback(move |request| relay(node.clone(), tell.clone(), request));
        let endpoint =
            Endpoint { listener: Listener::Tls(listener, tls), service: router, bounds: Bounds::default() };
        runtime.spawn(endpoint.serve(std::future::pending()));
        drop(inside);
        Self { address, heard, _runtime: runtime }
    }

    fn heard(mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(heard) = self.heard.try_recv() {
            all.push(heard);
        }
        all
    }
}

async fn relay(node: Address, tell: mpsc::UnboundedSender<String>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let credential = if head.headers.contains_key("authorization") { " with a credential" } else { "" };
    tell.send(format!("{} {}{credential}", head.method, head.uri)).unwrap();
    let body = to_bytes(body, 1_000_000).await.unwrap();
    let tls = ClientTls::new(&ServerKey::Any, None).unwrap();
    let mut connection = Connection::open(&node, &tls, Timeouts::default()).await.unwrap();
    let answer = connection.exchange(Request::from_parts(head, Full::new(body)), 1_000_000).await.unwrap();
    answer.map(Body::from)
}
