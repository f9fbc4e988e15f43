//! A customer's site: a node's directory, its daemon, and applications that ask it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use leasehold_journal::{FileHome, Genesis};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::trust_root::TrustRoot;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{Done, PATIENCE, armed, command, program, short_dir, within};
use crate::vendor::Vendor;

pub(crate) struct Site {
    dir: TempDir,
    trust_root: PathBuf,
    /// A command that runs the node in surroundings of its own.
    around: Vec<OsString>,
    /// What goes wrong in a node of the test build; without it the usual build runs.
    fault: Option<Fault>,
}

/// What the environment tells a program of the test build.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It writes down its steps.
    Log(PathBuf),
    /// Something fails.
    Plan(String),
}

impl Fault {
    pub(crate) fn tell(&self, command: &mut Command) {
        match self {
            Self::Log(path) => command.env("LEASEHOLD_FAIL_LOG", path),
            Self::Plan(plan) => command.env("LEASEHOLD_FAIL", plan),
        };
    }
}

impl Site {
    /// A site with a node that has no bundle yet.
    pub(crate) fn new(trust_root: &Path, name: &str) -> Self {
        Self::around(trust_root, name, &[])
    }

    /// One whose node only ever runs inside of `around`.
    pub(crate) fn around(trust_root: &Path, name: &str, around: &[&str]) -> Self {
        let site = Self::without_node(trust_root, around);
        site.init(name).done();
        site
    }

    /// One whose journal has segments of so many bytes: as if `init` had been interrupted after it made the journal.
    pub(crate) fn with_segments(trust_root: &Path, name: &str, segment_bytes: u32) -> Self {
        let site = Self::without_node(trust_root, &[]);
        DirBuilder::new().mode(0o700).create(site.data("")).unwrap();
        let root = TrustRoot::pin(&unarmour(&fs::read(trust_root).unwrap()).unwrap()).unwrap();
        let genesis = Genesis::new("node", root.realm().id.0, [7; 16]).unwrap();
        let genesis = genesis.with_segment_bytes(segment_bytes).unwrap();
        FileHome::create(&site.data("journal"), &genesis).unwrap().close().unwrap();
        site.init(name).done();
        site
    }

    /// One where no node was made yet.
    pub(crate) fn without_node(trust_root: &Path, around: &[&str]) -> Self {
        let around = around.iter().map(OsString::from).collect();
        let dir = short_dir();
        // The vendor may be gone by the time the site needs it.
        let own = dir.path().join("vendor-root.lh");
        fs::copy(trust_root, &own).unwrap();
        Self { dir, trust_root: own, around, fault: None }
    }

    /// Another site with the same files. Of a pair that runs, each is a clone of the other.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::without_node(&self.trust_root, &[]);
        let from = format!("{}/.", self.dir.path().display());
        assert!(Command::new("cp").args(["-a", &from]).arg(copy.dir.path()).status().unwrap().success());
        copy
    }

    pub(crate) fn init(&self, name: &str) -> Done {
        self.node(&["init", "--trust", self.trust_root.to_str().unwrap(), "--name", name])
    }

    /// From now on, or no longer, something goes wrong in the node.
    pub(crate) fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// Carries a request out and the bundle that answers it in.
    pub(crate) fn carry_bundle(&self, vendor: &Vendor, join: Option<&str>) {
        self.request(vendor, join, "bundle.lh");
        assert_eq!(self.import("bundle.lh").done()["result"], "applied");
    }

    /// Has the vendor answer a request of the node with a bundle of that name.
    pub(crate) fn request(&self, vendor: &Vendor, join: Option<&str>, bundle: &str) {
        let request = self.text("request.lh");
        let join = join.map_or_else(Vec::new, |code| vec!["--join", code]);
        self.json(&[&["request", "--out", &request], &join[..]].concat());
        vendor.bundle(&self.path("request.lh"), &self.path(bundle));
    }

    pub(crate) fn import(&self, bundle: &str) -> Done {
        self.node(&["import", &self.text(bundle)])
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn run(&self) -> Daemon {
        Daemon::start(&mut self.node_command(&["run", "--listen", "127.0.0.1:0"]))
    }

    /// Starts the daemon; how it ended, if it did before it was ready.
    #[track_caller]
    pub(crate) fn try_run(&self) -> Result<Daemon, Done> {
        let mut command = self.node_command(&["run", "--listen", "127.0.0.1:0"]);
        Daemon::try_start(command.arg("--json"), &self.path("node.log"))
    }

    /// The daemon, started by another program such as a tracer.
    pub(crate) fn run_under(&self, tracer: &mut Command) -> Daemon {
        let node = self.node_command(&["run", "--listen", "127.0.0.1:0"]);
        Daemon::start(tracer.arg(node.get_program()).args(node.get_args()))
    }

    /// The answer of a command of the node that must work.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.node(args).done()
    }

    pub(crate) fn node(&self, args: &[&str]) -> Done {
        Done::soon(self.node_command(args).arg("--json"))
    }

    /// The seq of the last record of the journal.
    pub(crate) fn seq(&self) -> u64 {
        self.json(&["status"])["journal"]["seq"].as_u64().unwrap()
    }

    /// The leases that have not ended.
    pub(crate) fn leases(&self) -> Vec<Value> {
        self.json(&["leases"])["leases"].as_array().unwrap().clone()
    }

    /// An application on this site.
    pub(crate) fn app(&self, args: &[&str]) -> Done {
        self.app_that_trusts(&self.trust_root, args)
    }

    /// The site's own copy.
    pub(crate) fn trust_root(&self) -> &Path {
        &self.trust_root
    }

    /// An application that reaches the node at these addresses.
    pub(crate) fn app_at(&self, addresses: &str, args: &[&str]) -> Done {
        app(&self.trust_root, addresses, args)
    }

    pub(crate) fn app_that_trusts(&self, trust_root: &Path, args: &[&str]) -> Done {
        app(trust_root, &self.socket_address(), args)
    }

    pub(crate) fn socket_address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data("node.sock")
    }

    /// What lies in the node's directory.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.path().join("node").join(name)
    }

    /// What lies beside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A command of the node for another user, if one is named.
    pub(crate) fn node_command_as(&self, user: Option<u32>, args: &[&str]) -> Command {
        let node = self.node_command(args);
        let Some(user) = user else { return node };
        let mut command = command("setpriv");
        let user = user.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.arg(node.get_program()).args(node.get_args());
        command
    }

    fn node_command(&self, args: &[&str]) -> Command {
        let node = if self.fault.is_some() { armed } else { program }("leasehold-node").into_os_string();
        let mut words = self.around.iter().chain([&node]);
        let mut command = command(words.next().unwrap());
        if let Some(fault) = &self.fault {
            fault.tell(&mut command);
        }
        command.args(words).args(args).arg("--data").arg(self.dir.path().join("node"));
        // Whatever /etc says about a real node of this machine.
        let config = self.path("node.toml");
        fs::write(&config, "").unwrap();
        command.arg("--config").arg(config);
        command
    }
}

fn app(trust_root: &Path, addresses: &str, args: &[&str]) -> Done {
    let mut app = command(program("leasehold"));
    Done::of(app.arg("--json").arg("--trust").arg(trust_root).args(["--node", addresses]).args(args))
}

/// A running daemon; killed if a test forgets it.
pub(crate) struct Daemon {
    process: Child,
    /// What it says when it is ready.
    ready: String,
}

impl Daemon {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("ready "), "{ready:?}, exit {:?}", child.wait());
        Self { process: child, ready }
    }

    /// Starts it with its log in a file; how it ended, if it did before it was ready.
    #[track_caller]
    pub(crate) fn try_start(command: &mut Command, log: &Path) -> Result<Self, Done> {
        let stderr = File::create(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let ready = within(PATIENCE, child.id(), move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line
        });
        let mut daemon = Self { process: child, ready };
        if daemon.ready.starts_with("ready ") {
            return Ok(daemon);
        }
        let exit = daemon.process.wait().unwrap();
        Err(Done {
            exit: exit.code().or_else(|| exit.signal().map(|signal| -signal)).unwrap(),
            stdout: std::mem::take(&mut daemon.ready),
            stderr: fs::read_to_string(log).unwrap(),
        })
    }

    /// Waits until it has ended: with this exit code, or negative, by this signal.
    #[track_caller]
    pub(crate) fn end(self) -> i32 {
        let pid = Pid::from_raw(self.pid().cast_signed());
        match within(PATIENCE, self.pid(), move || waitpid(pid, None).unwrap()) {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => -(signal as i32),
            other => panic!("{other:?}"),
        }
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        let _ = kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM);
    }

    /// Where it listens on the network.
    pub(crate) fn https(&self) -> &str {
        self.ready.split_whitespace().find(|word| word.starts_with("https://")).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
