//! The `leasehold` program, run on a node.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::fake_node::FakeNode;

/// The program with a bare environment, pointed at the node and its trust root.
pub(crate) fn leasehold(node: &FakeNode, args: &[&str]) -> Command {
    let mut command = bare(args);
    command.env("LEASEHOLD_NODE", node.address()).env("LEASEHOLD_TRUST", node.path("trust-root.lh"));
    command
}

/// The program with a bare environment.
pub(crate) fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_leasehold")));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output, standard error.
pub(crate) fn finish(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Exit code and the one document on standard output.
pub(crate) fn finish_json(command: Command) -> (i32, Value) {
    let (exit, stdout, stderr) = finish(command);
    let document =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr:?}"));
    (exit, document)
}

/// Exit code and the code of the problem document on standard error, with nothing on standard output.
pub(crate) fn finish_problem(command: Command) -> (i32, Value) {
    let (exit, stdout, stderr) = finish(command);
    assert_eq!(stdout, "", "{stderr}");
    let document = stderr.lines().last().unwrap_or_default();
    (exit, serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {stderr:?}")))
}
