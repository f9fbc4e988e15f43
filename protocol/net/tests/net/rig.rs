//! A service with a few routes at a free port of this machine, and clients of it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::http::{Request, Version};
use axum::routing::get;
use http_body_util::Full;
use hyper::body::Bytes;
use leasehold_net::{
    Address, Bounds, CertificateFiles, ClientTls, ConnectError, Connection, Endpoint, Listener, Peer,
    ServerFiles, ServerKey, ServerTls, Timeouts, TlsKey, bind_tcp,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Longer than any answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A bound that a test waits for.
pub(crate) const SOON: Duration = Duration::from_millis(200);
/// One that must not be what ends it.
pub(crate) const NEVER: Duration = Duration::from_mins(10);

/// Bounds that end nothing.
pub(crate) const PATIENT: Bounds = Bounds {
    connections: 100,
    connections_per_peer: 100,
    handshake: NEVER,
    head: NEVER,
    idle: NEVER,
    linger: NEVER,
};

pub(crate) fn key() -> TlsKey {
    TlsKey::from_pkcs8(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_der()).unwrap()
}

/// A running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) key: TlsKey,
    pub(crate) tls: Arc<ServerTls>,
    /// Told when `/slow` is asked for; told, it answers.
    pub(crate) slow: Arc<(Notify, Notify)>,
    drain: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Service {
    pub(crate) fn start(files: &ServerFiles, bounds: Bounds) -> Self {
        let key = key();
        let tls = Arc::new(ServerTls::new(&key, files).unwrap());
        let slow = Arc::new((Notify::new(), Notify::new()));
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let router = routes(Arc::clone(&slow));
        let endpoint =
            Endpoint { listener: Listener::Tls(listener, Arc::clone(&tls)), service: router, bounds };
        let (drain, drained) = oneshot::channel();
        let serving = tokio::spawn(endpoint.serve(async {
            let _ = drained.await;
        }));
        Self { address, key, tls, slow, drain: Some(drain), serving }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Https { host: "localhost".to_owned(), port: self.address.port() }
    }

    pub(crate) fn drain(&mut self) {
        self.drain.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end of what was drained.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }

    pub(crate) fn pinned(&self) -> ServerKey {
        ServerKey::Pinned(BTreeSet::from([self.key.digest()]))
    }

    /// A connection as a client that believes `server`.
    pub(crate) async fn connect(
        &self,
        server: &ServerKey,
        own: Option<&TlsKey>,
    ) -> Result<Connection, ConnectError> {
        Connection::open(&self.address(), &ClientTls::new(server, own).unwrap(), Timeouts::default()).await
    }

    /// A connection that says nothing yet.
    pub(crate) async fn silent(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn routes(slow: Arc<(Notify, Notify)>) -> Router {
    let wait = move || async move {
        slow.0.notify_one();
        slow.1.notified().await;
        "at last"
    };
    let who = |Extension(peer): Extension<Peer>| async move { format!("{:?}", peer.identity) };
    let version = |version: Version| async move { format!("{version:?}") };
    let large = || async { vec![b'x'; 8 * 1024 * 1024] };
    Router::new()
        .route("/who", get(who))
        .route("/version", get(version))
        .route("/large", get(large))
        .route("/slow", get(wait))
}

/// What a service answers at `path`.
pub(crate) async fn ask(connection: &mut Connection, path: &str) -> String {
    let answer = connection.exchange(request(path), 64 * 1024).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    String::from_utf8(answer.into_body().to_vec()).unwrap()
}

pub(crate) fn request(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// A customer's certificate authority, and the files it gives out.
pub(crate) struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    /// The file that says whom to believe.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for `name`, in files of their own.
    pub(crate) fn certificate(&self, name: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.dir.path().join(format!("{name}.{kind}.pem"));
        fs::write(file("chain"), certificate.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        CertificateFiles { chain: file("chain"), key: file("key") }
    }
}
