//! Snapshots on a real disk: a start that finds good ones, bad ones, or evidence of loss.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Daemon, Rig};
use crate::vendor::SKU;

#[test]
fn a_clean_end_leaves_a_snapshot_of_all_and_a_kill_what_was_there() {
    let rig = Rig::provisioned(10);
    assert_eq!(rig.json(&["status"])["journal"]["snapshot"], Value::Null);
    for round in 1..=5_usize {
        let daemon = rig.run(&[]);
        let seat = checkout(&daemon, round);
        end(daemon);
        let journal = rig.json(&["status"])["journal"].clone();
        assert_eq!(journal["snapshot"]["seq"], journal["seq"]);
        let files = snapshots(&rig);
        assert_eq!(files.len(), round.min(3));
        assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(rig.json(&["journal", "verify"])["snapshots"], json!(round.min(3)));

        let daemon = rig.run(&[]);
        assert_eq!(identity(&checkout(&daemon, round)), identity(&seat), "the same seat, byte for byte");
        let status = daemon.ask(&crate::rig::get("/v1/status")).json();
        assert_eq!(status["journal"]["snapshot"]["seq"], journal["seq"]);
        daemon.signal(Signal::SIGKILL);
        daemon.wait();
        assert_eq!(snapshots(&rig).len(), round.min(3));
        assert_eq!(leases(&rig), round);
    }
}

#[test]
fn a_snapshot_that_is_not_as_it_was_written_is_told_of_and_changes_nothing() {
    let (rig, other) = (with_snapshots(), with_snapshots());
    let sound: Vec<(PathBuf, Vec<u8>)> =
        snapshots(&rig).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    let newest = &sound[2].0;
    let foreign = fs::read(&snapshots(&other)[2]).unwrap();
    let bytes = sound[2].1.len();
    let mut changes: Vec<(String, Vec<u8>)> = Vec::new();
    for at in [0, 5, 7, 20, 45, 60, 85, 90, 93, 100, bytes / 2, bytes - 40, bytes - 33, bytes - 1] {
        let mut flipped = sound[2].1.clone();
        flipped[at] ^= 1;
        changes.push((format!("byte {at}"), flipped));
    }
    for kept in [0, 1, 91, 92, bytes / 2, bytes - 1] {
        changes.push((format!("{kept} bytes"), sound[2].1[..kept].to_vec()));
    }
    changes.push(("an older one".to_owned(), sound[0].1.clone()));
    changes.push(("one of another node".to_owned(), foreign));
    for (what, content) in changes {
        fs::write(newest, content).unwrap();
        check_falls_back(&rig, &what);
    }
    for (path, _) in &sound {
        fs::write(path, b"LHS1").unwrap();
    }
    check_falls_back(&rig, "none is left");
    for (path, content) in &sound {
        fs::write(path, content).unwrap();
    }
    fs::rename(newest, rig.path("aside")).unwrap();
    symlink(rig.path("aside"), newest).unwrap();
    check_falls_back(&rig, "a link");
    fs::remove_file(newest).unwrap();
    assert_eq!(rig.json(&["journal", "verify"])["snapshots"], 2);
    assert_eq!(leases(&rig), 3);
}

#[test]
fn what_an_interrupted_snapshot_left_is_made_anew() {
    let rig = with_snapshots();
    fs::write(rig.data("journal").join("SNAPSHOT"), vec![7; 100_000]).unwrap();
    let daemon = rig.run(&[]);
    checkout(&daemon, 4);
    end(daemon);
    assert!(!rig.data("journal").join("SNAPSHOT").exists());
    assert_eq!(rig.json(&["journal", "verify"])["snapshots"], 3);
    assert_eq!(leases(&rig), 4);
}

#[test]
fn a_journal_that_is_older_than_its_snapshot_has_lost_records() {
    let rig = with_snapshots();
    let backup = rig.path("backup");
    copy(&rig.data("journal"), &backup);
    let daemon = rig.run(&[]);
    checkout(&daemon, 4);
    end(daemon);
    for path in files(&backup) {
        fs::copy(&path, rig.data("journal").join(path.file_name().unwrap())).unwrap();
    }
    let done = rig.node(&["status"]);
    assert!(done.exit == 4 && done.stderr.contains("there is a snapshot"), "{done:?}");
    let verdict = rig.node(&["journal", "verify"]);
    assert!(verdict.exit == 6 && verdict.stderr.contains("there is a snapshot"), "{verdict:?}");
    let daemon = rig.run(&[]);
    assert_eq!(rig.json(&["status"])["trust_state"], "RECOVER");
    end(daemon);
    assert_eq!(rig.json(&["journal", "verify"])["verified"], true);
}

/// With three leases, and a snapshot after each.
fn with_snapshots() -> Rig {
    let rig = Rig::provisioned(10);
    for key in 1..=3 {
        let daemon = rig.run(&[]);
        checkout(&daemon, key);
        end(daemon);
    }
    assert_eq!(snapshots(&rig).len(), 3);
    rig
}

/// All is served, the log says that a snapshot is of no use, and so does the check.
#[track_caller]
fn check_falls_back(rig: &Rig, what: &str) {
    let log = fs::File::create(rig.path("log")).unwrap();
    let daemon = rig.run_prepared(&[], |command| {
        command.stderr(Stdio::from(log));
    });
    let answer = daemon.ask(&crate::rig::get("/v1/status")).json();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    assert_eq!(answer["pools"][0]["in_use"], 3, "{what}: {answer}");
    assert!(fs::read_to_string(rig.path("log")).unwrap().contains("snapshot.unused"), "{what}");
    assert_eq!(leases(rig), 3, "{what}");
    let verdict = rig.node(&["journal", "verify"]);
    assert!(verdict.exit == 6 && verdict.stderr.contains("snapshot"), "{what}: {verdict:?}");
}

fn end(daemon: Daemon) {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
}

fn leases(rig: &Rig) -> usize {
    rig.json(&["leases"])["leases"].as_array().unwrap().len()
}

fn checkout(daemon: &Daemon, key: usize) -> Value {
    let body = format!(r#"{{"product":"{SKU}","key":"{key:032x}","holder":{{"user":"ann","host":"cad1"}}}}"#);
    let seat = daemon.post("/v1/leases", &body).json();
    assert_eq!(seat["decision"], "allow", "{seat}");
    seat
}

fn identity(seat: &Value) -> (&Value, &Value, &Value) {
    (&seat["lease_id"], &seat["epoch"], &seat["ticket"])
}

/// The oldest first.
fn snapshots(rig: &Rig) -> Vec<PathBuf> {
    let mut found = files(&rig.data("journal"));
    found.retain(|path| path.extension().is_some_and(|extension| extension == "snap"));
    found.sort();
    found
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for path in files(from) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
