//! The node over TLS: who it is, who is let in, and what changes while it runs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use leasehold_net::{Address, ClientTls, ConnectError, Connection, ServerKey, Timeouts, TlsKey};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::rig::{Daemon, Rig, ask, post};

/// A caller over TLS.
struct Caller {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
    bearer: Option<String>,
}

impl Caller {
    /// One who takes any key of the other end for good, and may have one itself.
    fn of(daemon: &Daemon, own: Option<&TlsKey>) -> Self {
        Self::connect(&daemon.https[0], &ServerKey::Any, own).unwrap()
    }

    fn connect(address: &Address, server: &ServerKey, own: Option<&TlsKey>) -> Result<Self, ConnectError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tls = ClientTls::new(server, own).unwrap();
        let connection = runtime.block_on(Connection::open(address, &tls, Timeouts::default()))?;
        Ok(Self { runtime, connection, bearer: None })
    }

    fn showing(mut self, key: &str) -> Self {
        self.bearer = Some(format!("Bearer {key}"));
        self
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, "")
    }

    fn ask(&mut self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let request = request.body(Full::from(Bytes::from(body.to_owned()))).unwrap();
        let answer = self.runtime.block_on(self.connection.exchange(request, 1024 * 1024)).unwrap();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    fn checkout(&mut self, user: &str, key: u8) -> Value {
        let body = json!({
            "product": "cad", "count": 1, "holder": {"user": user, "host": "desk"}, "key": format!("{key:032x}"),
        });
        let (status, answer) = self.ask(Method::POST, "/v1/leases", &body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn tls_key() -> TlsKey {
    TlsKey::from_pkcs8(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_der()).unwrap()
}

#[test]
fn the_certificate_of_the_node_names_the_key_of_the_connection() {
    let rig = Rig::provisioned(2);
    let daemon = rig.run(&[]);
    let mut caller = Caller::of(&daemon, None);
    let (status, identity) = caller.get("/v1/identity");
    assert_eq!(status, 200);
    let certificate = rig.vendor.certificate_of(identity["certificate"].as_str().unwrap());
    assert_eq!(certificate.tls_keys, [caller.connection.server_key().unwrap()]);
}

#[test]
fn a_seat_is_taken_over_tls_by_somebody_on_this_machine() {
    let rig = Rig::provisioned(2);
    let daemon = rig.run(&[]);
    let lease = Caller::of(&daemon, None).checkout("ann", 1);
    assert_eq!(lease["decision"], "allow", "{lease}");
    let id = lease["lease_id"].as_str().unwrap();
    // A caller who has proved a key is somebody else, and so is a user at the socket.
    let renew = format!("/v1/leases/{id}/renew");
    let (status, refused) = Caller::of(&daemon, Some(&tls_key())).ask(Method::POST, &renew, "{}");
    assert_eq!((status, refused["code"].as_str()), (404, Some("TICKET_NEEDED")));
    assert_eq!(ask(&daemon.socket, post(&renew, "{}").as_bytes()).code(), "TICKET_NEEDED");
    let (status, renewed) = Caller::of(&daemon, None).ask(Method::POST, &renew, "{}");
    assert_eq!((status, &renewed["decision"]), (200, &json!("allow")));
}

#[test]
fn a_lease_belongs_to_the_key_that_took_it() {
    let rig = Rig::provisioned(2);
    let daemon = rig.run(&[]);
    let (own, other) = (tls_key(), tls_key());
    let lease = Caller::of(&daemon, Some(&own)).checkout("ann", 1);
    let path = format!("/v1/leases/{}", lease["lease_id"].as_str().unwrap());
    let released = |key: &TlsKey| Caller::of(&daemon, Some(key)).ask(Method::DELETE, &path, "").1;
    assert_eq!(released(&other), json!({"released": false}));
    assert_eq!(released(&own), json!({"released": true}));
}

#[test]
fn a_bearer_key_proves_its_name_and_opens_what_it_may() {
    let rig = Rig::provisioned(2);
    let seats = rig.json(&["key", "add", "--name", "ann"]);
    let secret = seats["secret"].as_str().unwrap();
    let daemon = rig.run(&[]);
    let mut ann = Caller::of(&daemon, None).showing(secret);
    assert_eq!(ann.checkout("ann", 1)["decision"], "allow");
    assert_eq!(ann.get("/v1/leases"), (403, ann.get("/v1/leases").1));
    assert_eq!(ann.get("/v1/leases").1["code"], "NOT_AUTHORISED");

    // A key that is made while the daemon runs is known at once.
    let admin = rig.json(&["key", "add", "--name", "ops", "--admin"]);
    let mut ops = Caller::of(&daemon, None).showing(admin["secret"].as_str().unwrap());
    let (status, leases) = ops.get("/v1/leases");
    assert_eq!((status, leases["leases"].as_array().unwrap().len()), (200, 1));
    assert_eq!(ops.ask(Method::POST, "/v1/request", "{}").0, 200);

    let listed = rig.json(&["key", "list"]);
    let names: Vec<_> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!((names, listed.to_string().contains("lhk_")), (vec!["ann", "ops"], false));
    // And one that is removed is unknown at once, on the connection that it was shown on, too.
    rig.json(&["key", "remove", seats["key_id"].as_str().unwrap()]);
    let (status, refused) = ann.get("/v1/pools");
    assert_eq!((status, refused["code"].as_str()), (401, Some("UNAUTHENTICATED")));
    assert_eq!(ann.get("/livez").0, 200, "whether it lives is told to everybody");
    assert_eq!(ann.get("/v1/identity").0, 200, "and who it is");
    assert_eq!(rig.node(&["key", "remove", "ann"]).exit, 66);
    assert_eq!(rig.node(&["key", "add", "--name", "ops"]).exit, 73);
}

#[test]
fn administration_over_the_network_needs_an_admin_key() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    let mut nobody = Caller::of(&daemon, None);
    for (method, path) in [
        (Method::GET, "/v1/leases"),
        (Method::POST, "/v1/bundles"),
        (Method::POST, "/v1/request"),
        (Method::GET, "/v1/journal"),
        (Method::POST, "/v1/api-keys/reload"),
    ] {
        let (status, refused) = nobody.ask(method, path, "");
        assert_eq!((status, refused["code"].as_str()), (403, Some("NOT_AUTHORISED")), "{path}");
    }
    assert_eq!(nobody.get("/v1/status").0, 200);
    assert_eq!(nobody.get("/v1/nothing").1["code"], "NOT_FOUND");
}

#[test]
fn an_open_network_without_a_proof_is_refused_unless_it_is_written_down() {
    let rig = Rig::initialised();
    let refused = rig.node(&["run", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.exit, 78, "{refused:?}");
    assert!(refused.stderr.contains("no client could prove who it is"), "{refused:?}");
    fs::write(rig.path("node.toml"), "allow_anonymous = true\n").unwrap();
    drop(rig.run(&["--listen", "0.0.0.0:0"]));
    fs::write(rig.path("node.toml"), "").unwrap();
    rig.json(&["key", "add", "--name", "ann"]);
    drop(rig.run(&["--listen", "0.0.0.0:0"]));
}

#[test]
fn a_daemon_listens_where_it_is_told_and_nowhere_else() {
    let rig = Rig::initialised();
    let socket = rig.text("n.sock");
    let daemon = rig.run(&["--socket", &socket]);
    assert_eq!(daemon.ready, format!("ready unix:{socket} node=unprovisioned\n"));
    drop(daemon);
    let daemon = rig.run(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--socket", &socket]);
    assert_eq!(daemon.https.len(), 2);
    for address in &daemon.https {
        assert_eq!(Caller::connect(address, &ServerKey::Any, None).unwrap().get("/livez").0, 200);
    }
    drop(daemon);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = rig.node(&["run", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(busy.exit, 75, "{busy:?}");
    for bad in ["localhost", "127.0.0.1", ":7580", "127.0.0.1:70000"] {
        assert_eq!(rig.node(&["run", "--listen", bad]).exit, 64, "{bad}");
    }
    assert_eq!(rig.node(&["run", "--listen", "192.0.2.1:0"]).exit, 78, "not without a proof");
}

/// A customer's authority: its file, and certificates of it.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    fn new(rig: &Rig) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(rig.path("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    fn certify(&self, rig: &Rig) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        fs::write(rig.path("node.crt"), params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        fs::write(rig.path("node.key"), key.serialize_pem()).unwrap();
    }
}

#[test]
fn a_hang_up_takes_over_certificates_and_keeps_the_old_over_bad_ones() {
    let rig = Rig::initialised();
    let authority = Authority::new(&rig);
    authority.certify(&rig);
    let files =
        format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", rig.path("node.crt"), rig.path("node.key"));
    fs::write(rig.path("node.toml"), format!("{files}[log]\nlevel = \"info\"\n")).unwrap();
    let mut log = None;
    let daemon = rig.run_prepared(&["--listen", "127.0.0.1:0"], |command| {
        let (read, write) = std::io::pipe().unwrap();
        command.stderr(Stdio::from(write));
        log = Some(BufReader::new(read).lines());
    });
    let mut log = log.unwrap();
    let mut hang_up = |wanted: &str| {
        daemon.signal(Signal::SIGHUP);
        log.find(|line| line.as_ref().unwrap().contains(wanted)).unwrap().unwrap()
    };
    let by_authority = ServerKey::Authority(rig.path("ca.pem"));
    let shown = || {
        let caller = Caller::connect(&daemon.https[0], &by_authority, None).unwrap();
        caller.connection.server_key().unwrap()
    };
    let first = shown();
    authority.certify(&rig);
    assert_eq!(shown(), first, "not before it is told");
    hang_up("config.reloaded");
    hang_up("config.reloaded");
    let second = shown();
    assert_ne!(second, first);
    fs::write(rig.path("node.key"), "no key").unwrap();
    let refused = hang_up("tls.refused");
    assert!(refused.contains("node.key"), "{refused}");
    assert_eq!(shown(), second);
    // Who knows the node's own key needs none of this.
    assert_eq!(Caller::of(&daemon, None).get("/livez").0, 200);
}

#[test]
fn a_bad_certificate_is_no_beginning() {
    let rig = Rig::initialised();
    for (tls, detail) in [
        ("certificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"", "/nowhere/c.pem"),
        ("client_ca = \"/nowhere/ca.pem\"", "/nowhere/ca.pem"),
        ("certificate = \"/nowhere/c.pem\"", "belong together"),
    ] {
        fs::write(rig.path("node.toml"), format!("[tls]\n{tls}\n")).unwrap();
        let refused = rig.node(&["run", "--listen", "127.0.0.1:0"]);
        assert_eq!(refused.exit, 78, "{refused:?}");
        assert!(refused.stderr.contains(detail), "{refused:?}");
    }
    assert!(!rig.data("ready.json").exists());
}
