//! A running service and whoever asks it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use leasehold_net::{Address, ClientTls, Connection, ServerKey, Timeouts, TlsKey};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::issuer::{Issuer, text};

/// A service that runs on the state of an issuer; killed when dropped.
pub(crate) struct Service {
    child: Child,
    url: Address,
    pub(crate) pin: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

/// What is asked.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Service {
    /// Starts the service and waits until it is ready.
    pub(crate) fn start(issuer: &Issuer) -> Self {
        Self::start_with(issuer, &[])
    }

    pub(crate) fn start_with(issuer: &Issuer, args: &[&str]) -> Self {
        let serve = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        Self::spawn(issuer, &mut issuer.command(&serve))
    }

    /// Runs a command that serves.
    pub(crate) fn spawn(issuer: &Issuer, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let ready = first_line(child.stdout.as_mut().unwrap());
        assert!(ready.starts_with("ready https://127.0.0.1:"), "{ready:?}");
        let file: Value =
            serde_json::from_slice(&fs::read(issuer.data().join("ready.json")).unwrap()).unwrap();
        let url = file["listen"][0].as_str().unwrap();
        assert_eq!(ready.split(' ').nth(1), Some(url));
        Self { child, url: url.parse().unwrap(), pin: file["tls_key"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        self.url.to_string()
    }

    /// Ends it as a service manager does, and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        self.ask_as(None, ask)
    }

    /// Asks over a connection that shows a TLS key.
    pub(crate) fn ask_as(&self, own: Option<&TlsKey>, ask: &Ask) -> Answer {
        let server = ServerKey::Pinned([self.pin.parse().unwrap()].into());
        let tls = ClientTls::new(&server, own).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let timeouts = Timeouts { answer: std::time::Duration::from_mins(1), ..Timeouts::default() };
            let mut connection = Connection::open(&self.url, &tls, timeouts).await.unwrap();
            connection.exchange(ask.request(), 64 * 1024 * 1024).await.unwrap()
        });
        let (head, bytes) = answer.into_parts();
        Answer { status: head.status, headers: head.headers, bytes }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The document of a request that was carried out.
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// Whether it is a problem of this status and code, and complete.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{problem}");
        problem
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Ask {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), ..Self::default() }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { method: Method::POST, path: path.to_owned(), headers: Vec::new(), body }
            .with("content-type", "application/json")
    }

    pub(crate) fn send(path: &str, artefact: Vec<u8>) -> Self {
        Self { method: Method::POST, path: path.to_owned(), headers: Vec::new(), body: artefact }
            .with("content-type", "application/octet-stream")
    }

    pub(crate) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn by(self, secret: &str) -> Self {
        self.with("authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn once(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(&self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::from(self.body.clone())).unwrap()
    }
}

/// The secret of a new key of that role.
pub(crate) fn api_key(issuer: &Issuer, role: &str, account: Option<&str>) -> String {
    let create = ["api-key", "create", "--name", role, "--role", role];
    let account = account.map_or_else(Vec::new, |account| vec!["--account", account]);
    let answer = issuer.json(&[&create[..], &account].concat());
    assert!(answer["api_key_id"].as_str().unwrap().starts_with("apk_"));
    answer["secret"].as_str().unwrap().to_owned()
}

/// A file with a secret.
pub(crate) fn key_file(issuer: &Issuer, secret: &str) -> PathBuf {
    let file = issuer.path("api-key");
    fs::write(&file, format!("{secret}\n")).unwrap();
    file
}

/// What a command prints that asks the service over TLS.
pub(crate) fn remote(
    issuer: &Issuer,
    service: &Service,
    secret: &str,
    args: &[&str],
) -> std::process::Output {
    let file = key_file(issuer, secret);
    let url = service.url();
    issuer.run(&[args, &["--url", &url, "--key-file", text(&file), "--pin", &service.pin]].concat())
}

/// How many records the journal has.
pub(crate) fn records(issuer: &Issuer) -> u64 {
    issuer.json(&["audit", "verify"])["records"].as_u64().unwrap()
}

/// The first line that a child writes there.
pub(crate) fn first_line(from: &mut impl std::io::Read) -> String {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).unwrap();
    line
}
