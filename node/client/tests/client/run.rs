//! `run -- CMD`.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use leasehold_protocol::code::Code;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake_node::{FakeNode, Reply, denial};
use crate::program::{finish, leasehold};
use crate::vendor::Vendor;

/// Work that ends by itself, late enough for every signal of a test to come before.
const A_WHILE: &str = "n=0; while [ $n -lt 400 ]; do sleep 0.05; n=$((n+1)); done; exit 1";

fn run(node: &FakeNode, more: &[&str], script: &str) -> Command {
    leasehold(node, &[&["run", "--product", "cad"], more, &["--", "sh", "-c", script]].concat())
}

#[test]
fn the_commands_code_is_returned_and_the_seat_given_back() {
    for (script, expected) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)] {
        let node = FakeNode::honest();
        assert_eq!(finish(run(&node, &[], script)).0, expected, "{script}");
        let asked: Vec<String> = node.take_asked().into_iter().map(|asked| asked.what).collect();
        assert_eq!(asked, ["POST /v1/leases", "GET /v1/proof", "DELETE /v1/leases"], "{script}");
    }
}

#[test]
fn standard_output_is_the_commands_alone() {
    let node = FakeNode::honest();
    let (exit, stdout, stderr) = finish(run(&node, &["--json"], "echo out; echo err >&2"));
    assert_eq!((exit, stdout.as_str()), (0, "out\n"));
    assert!(stderr.contains("proof verified") && stderr.ends_with("err\n"), "{stderr}");
}

#[test]
fn a_command_without_a_seat_never_starts() {
    let full = FakeNode::start(|_, _, _| denial(Code::PoolExhausted));
    let (exit, stdout, _) = finish(run(&full, &[], "echo started"));
    assert!(exit == 3 && !stdout.contains("started"), "{exit} {stdout}");
    let foreign = FakeNode::of(Vendor::new("another vendor"), 900_000, |_, _, _| Reply::Honest);
    let (exit, stdout, _) = finish(run(&foreign, &[], "echo started"));
    assert_eq!((exit, stdout.as_str()), (6, ""));
    let silent = FakeNode::start(|_, _, _| Reply::Silent);
    let (exit, stdout, _) = finish(run(&silent, &["--timeout", "200ms"], "echo started"));
    assert_eq!((exit, stdout.as_str()), (5, ""));
}

#[test]
fn a_command_that_cannot_start_gives_the_seat_back() {
    for (command, expected) in [("/nonexistent/command", 66), ("/etc/hostname", 73)] {
        let node = FakeNode::honest();
        let (exit, ..) = finish(leasehold(&node, &["run", "--product", "cad", "--", command]));
        assert_eq!(exit, expected, "{command}");
        node.wait_for("DELETE /v1/leases");
    }
}

#[test]
fn signals_reach_the_command() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let node = FakeNode::honest();
        let name = &signal.as_str()[3..];
        let script =
            format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let mut child = run(&node, &[], &script).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("got {name}"));
        assert_eq!(child.wait().unwrap().code(), Some(9));
        node.wait_for("DELETE /v1/leases");
    }
}

#[test]
fn a_long_command_has_its_seat_renewed() {
    let node = FakeNode::of(Vendor::new("vendor"), 1_500, |_, _, _| Reply::Honest);
    // The command ends when the node has renewed three times.
    let mut child = run(&node, &["--holder", "ada@ws-17", "--feature", "base"], "read line")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        node.wait_for("POST /v1/leases/renew");
    }
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("warning"), "{stderr}");
}

/// A node that gives one seat and falls silent.
fn falls_silent() -> FakeNode {
    FakeNode::of(Vendor::new("vendor"), 2_000, |_, asked, before| match (asked.what.as_str(), before) {
        ("POST /v1/leases" | "GET /v1/proof", 0) => Reply::Honest,
        _ => Reply::Cut,
    })
}

#[test]
fn a_lost_seat_warns_or_ends_the_command() {
    let stubborn = format!("trap '' TERM; {A_WHILE}");
    let polite = format!("trap 'exit 9' TERM; {A_WHILE}");
    for (action, script, expected) in [("term", &polite, 9), ("kill", &stubborn, 137)] {
        let node = falls_silent();
        let (exit, _, stderr) = finish(run(&node, &["--on-loss", action, "--timeout", "2s"], script));
        assert_eq!(exit, expected, "{action}");
        assert!(stderr.contains("warning: the seat could not be renewed"), "{stderr}");
        assert!(stderr.contains("warning: the seat is lost"), "{stderr}");
    }
}
