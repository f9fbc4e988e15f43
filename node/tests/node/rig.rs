//! A node's real program on a directory of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use leasehold_net::Address;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::vendor::Vendor;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) vendor: Arc<Vendor>,
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Rig {
    /// A directory with the vendor's trust root beside it.
    pub(crate) fn new() -> Self {
        let rig = Self { dir: tempfile::tempdir().unwrap(), vendor: Arc::new(Vendor::new()) };
        fs::write(rig.path("trust-root.lh"), rig.vendor.trust_root()).unwrap();
        fs::write(rig.path("node.toml"), "").unwrap();
        rig
    }

    /// One with a node.
    pub(crate) fn initialised() -> Self {
        let rig = Self::new();
        let done = rig.node(&["init", "--trust", &rig.text("trust-root.lh"), "--name", "plant"]);
        assert_eq!(done.exit, 0, "{done:?}");
        rig
    }

    /// One with a node that serves `seats`.
    pub(crate) fn provisioned(seats: u32) -> Self {
        let rig = Self::initialised();
        let bundle = rig.new_bundle(1, seats);
        fs::write(rig.path("bundle.lh"), bundle).unwrap();
        let done = rig.node(&["import", &rig.text("bundle.lh")]);
        assert_eq!(done.exit, 0, "{done:?}");
        rig
    }

    /// Has the node make a request, and the vendor answer it.
    pub(crate) fn new_bundle(&self, serial: u64, seats: u32) -> Vec<u8> {
        let done = self.node(&["request", "--out", &self.text("request.lh")]);
        assert_eq!(done.exit, 0, "{done:?}");
        let request = fs::read(self.path("request.lh")).unwrap();
        let request = leasehold_protocol::armour::unarmour(&request).unwrap();
        self.vendor.bundle(&request, serial, seats)
    }

    /// The node's directory, and what lies in it.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.path().join("data").join(name)
    }

    /// A file beside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a command on the node's directory to its end.
    pub(crate) fn node(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    /// The JSON answer of a command that must work.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let done = self.node(&[args, &["--json"]].concat());
        assert_eq!(done.exit, 0, "{args:?}: {done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// Starts a daemon, at a free port unless the arguments name one or a socket, and waits until it is ready.
    pub(crate) fn run(&self, args: &[&str]) -> Daemon {
        self.run_prepared(args, |_| {})
    }

    /// The same, with more said to its process: such as its environment, or where its log goes.
    pub(crate) fn run_prepared(&self, args: &[&str], prepare: impl FnOnce(&mut Command)) -> Daemon {
        let said = args.iter().any(|arg| ["--listen", "--socket"].contains(arg));
        let listen = if said { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let mut command = self.command(&[&["run"], listen, args].concat());
        prepare(command.stdout(Stdio::piped()));
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        let socket = ready.split_whitespace().find_map(|word| word.strip_prefix("unix:")).map(PathBuf::from);
        let Some(socket) = socket else { panic!("{ready:?}, exit {:?}", child.wait()) };
        let https = ready.split_whitespace().filter(|word| word.starts_with("https://"));
        let https = https.map(|address| address.parse().unwrap()).collect();
        Daemon { child, ready, https, socket, admin: self.data("admin.sock") }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold-node"));
        let data = self.data("");
        command.args(args).arg("--data").arg(data.to_str().unwrap().trim_end_matches('/'));
        if !args.contains(&"--config") {
            command.arg("--config").arg(self.path("node.toml"));
        }
        command.env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null());
        command
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A running daemon; killed if a test forgets it.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) ready: String,
    pub(crate) https: Vec<Address>,
    pub(crate) socket: PathBuf,
    pub(crate) admin: PathBuf,
}

impl Daemon {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end. The exit code, or none if it was killed.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// A request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        ask(&self.socket, request.as_bytes())
    }

    /// A request with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(&post(path, body))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem document.
    pub(crate) fn code(&self) -> String {
        assert!(self.head.to_lowercase().contains("application/problem+json"), "{self:?}");
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

pub(crate) fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends all of a request and reads to the end of the connection.
pub(crate) fn ask(socket: &Path, request: &[u8]) -> Answer {
    let mut stream = connect(socket);
    // A server may refuse before it has read everything.
    let _ = stream.write_all(request);
    read_answer(stream)
}

pub(crate) fn read_answer(mut stream: UnixStream) -> Answer {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?} {end:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
