//! The built programs, run to their end.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that was built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join(name);
    let flag = if cfg!(debug_assertions) { "" } else { " --release" };
    assert!(
        path.is_file(),
        "there is no {}: run `cargo build{flag} --workspace --bins` first",
        path.display()
    );
    path
}

/// The same program of the test build, which has fail points.
pub(crate) fn armed(name: &str) -> PathBuf {
    let usual = program(name);
    let profile = usual.parent().unwrap();
    let path = profile.parent().unwrap().join("failpoints").join(profile.file_name().unwrap()).join(name);
    assert!(path.is_file(), "there is no {}: run `cargo xtask failpoints` first", path.display());
    path
}

/// No program may take longer to start, to refuse or to end, whatever its disk does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What `wait` gives, which ends with the process `pid`; a process that hangs is killed, and fails the test.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(
    patience: Duration,
    pid: u32,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(wait()));
    outcome.recv_timeout(patience).unwrap_or_else(|_| {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        panic!("process {pid} hangs")
    })
}

/// A command without any setting of whoever runs the tests.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let ambient = std::env::vars_os().map(|(name, _)| name);
    for name in ambient.filter(|name| name.to_string_lossy().starts_with("LEASEHOLD_")) {
        command.env_remove(name);
    }
    for name in ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A directory with a path short enough for the sockets in it, wherever `$TMPDIR` is.
pub(crate) fn short_dir() -> TempDir {
    tempfile::Builder::new().prefix("lh-").tempdir_in("/tmp").unwrap()
}

impl Done {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// The same, and it may not hang.
    #[track_caller]
    pub(crate) fn soon(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        within(PATIENCE, child.id(), move || child.wait_with_output().unwrap()).into()
    }

    /// The JSON document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON document of a program that must have done what it was asked.
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        self.json()
    }

    /// The stable code of a denial or a failure.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let problem = || self.stderr.lines().find(|line| line.starts_with('{'));
        let document = if self.stdout.is_empty() { problem().unwrap_or_default() } else { &self.stdout };
        let document: Value =
            serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        document["code"].as_str().unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
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
