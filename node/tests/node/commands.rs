//! What the admin commands promise when no daemon runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::rig::Rig;

#[test]
fn init_makes_a_node_once() {
    let rig = Rig::new();
    let trust = rig.text("trust-root.lh");
    let made = rig.json(&["init", "--trust", &trust]);
    assert_eq!(made["node_key_id"].as_str().unwrap().len(), 16, "{made}");
    for (path, mode) in [("", 0o700), ("keys", 0o700), ("keys/sign.pem", 0o600), ("keys/tls.pem", 0o600)] {
        assert_eq!(fs::metadata(rig.data(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    let before = fs::read(rig.data("keys/sign.pem")).unwrap();
    let again = rig.node(&["init", "--trust", &trust]);
    assert_eq!(again.exit, 73, "{again:?}");
    assert_eq!(fs::read(rig.data("keys/sign.pem")).unwrap(), before);
    fs::remove_dir_all(rig.data("journal")).unwrap();
    let lost = rig.node(&["init", "--trust", &trust]);
    assert_eq!(lost.exit, 73, "keys without their journal are no invitation: {lost:?}");
}

#[test]
fn init_stands_on_nothing_but_a_valid_root() {
    let rig = Rig::new();
    let root = leasehold_protocol::armour::unarmour(rig.vendor.trust_root().as_bytes()).unwrap();
    let mut flipped = root.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (content, exit) in [
        (b"".to_vec(), 65),
        (b"hello".to_vec(), 65),
        (root[..root.len() - 1].to_vec(), 65),
        ([&root[..], b"x"].concat(), 65),
        (flipped, 6),
    ] {
        fs::write(rig.path("bad.lh"), &content).unwrap();
        let done = rig.node(&["init", "--trust", &rig.text("bad.lh")]);
        assert_eq!(done.exit, exit, "{done:?}");
        assert!(!rig.data("journal").exists());
    }
    assert_eq!(rig.node(&["init", "--trust", &rig.text("nowhere.lh")]).exit, 66);
    assert_eq!(rig.node(&["init"]).exit, 64);
}

#[test]
fn nothing_but_init_makes_state() {
    let rig = Rig::new();
    fs::write(rig.path("bundle.lh"), "LHE1").unwrap();
    let bundle = rig.text("bundle.lh");
    for args in [
        &["status"][..],
        &["pools"],
        &["leases"],
        &["journal", "verify"],
        &["run"],
        &["request", "--out", &rig.text("request.lh")],
        &["receipt", "--out", &rig.text("receipt.lh")],
    ] {
        let done = rig.node(args);
        assert!(done.exit == 66 && done.stderr.contains("init"), "{args:?}: {done:?}");
        assert!(!rig.data("").exists(), "{args:?}");
    }
    assert_ne!(rig.node(&["import", &bundle]).exit, 0);
    assert!(!rig.data("").exists() && !rig.path("request.lh").exists());
}

#[test]
fn status_tells_of_a_node_without_a_bundle() {
    let rig = Rig::initialised();
    let status = rig.json(&["status"]);
    assert_eq!(status["node_id"], json!(null));
    assert_eq!((&status["name"], &status["trust_state"]), (&json!("plant"), &json!("UNPROVISIONED")));
    assert_eq!((&status["running"], &status["pools"]), (&json!(false), &json!([])));
    assert_eq!(status["journal"]["seq"], 1);
    assert!(status["clock"]["wall"].as_str().unwrap().ends_with('Z'));
    let people = rig.node(&["status"]);
    assert!(people.stdout.contains("UNPROVISIONED") && people.stdout.contains("next: "), "{people:?}");
    assert_eq!(rig.json(&["leases"]), json!({"leases": []}));
    assert_eq!(rig.json(&["pools"]), json!({"pools": []}));
}

#[test]
fn a_request_is_journaled_and_written() {
    let rig = Rig::initialised();
    let written = rig.json(&["request", "--out", &rig.text("request.lh")]);
    assert_eq!(written["request"], json!(rig.text("request.lh")));
    assert_eq!(rig.json(&["status"])["journal"]["seq"], 2);
    assert_eq!(fs::metadata(rig.path("request.lh")).unwrap().permissions().mode() & 0o777, 0o644);
    let described = rig.json(&["inspect", &rig.text("request.lh"), "--trust", &rig.text("trust-root.lh")]);
    assert_eq!((&described["type"], &described["content"]["name"]), (&json!("request"), &json!("plant")));
    assert_eq!(described["digest"], written["digest"]);
    assert_eq!(described["verified"], true);
    assert_eq!(
        rig.json(&["inspect", &rig.text("request.lh")])["verified"],
        true,
        "under the node's own root"
    );
    assert_eq!(rig.node(&["request", "--out", &rig.text("r.lh"), "--join", "lhj1_short"]).exit, 64);
}

#[test]
fn files_that_are_no_artefact_are_malformed() {
    let rig = Rig::initialised();
    for content in [&b""[..], b"\n", b"not a bundle", b"LHE1", b"lh1_bundle_AAAA"] {
        fs::write(rig.path("bad.lh"), content).unwrap();
        for verb in ["import", "inspect"] {
            let done = rig.node(&[verb, &rig.text("bad.lh"), "--json"]);
            assert!(done.exit == 65 && done.stderr.contains("\"MALFORMED\""), "{verb} {content:?}: {done:?}");
        }
    }
    assert_eq!(rig.json(&["status"])["journal"]["seq"], 1, "a refused import leaves no record");
}

#[test]
fn a_damaged_journal_is_never_opened() {
    let rig = Rig::initialised();
    rig.json(&["request", "--out", &rig.text("request.lh")]);
    let verified = rig.json(&["journal", "verify"]);
    assert_eq!((&verified["verified"], &verified["seq"]), (&json!(true), &json!(2)));
    let segment = the_segment(&rig);
    let sound = fs::read(&segment).unwrap();
    let mut flipped = sound.clone();
    flipped[130] ^= 1;
    for damage in [sound[..4096.min(sound.len())].to_vec(), sound[..100].to_vec(), flipped] {
        fs::write(&segment, &damage).unwrap();
        for args in [&["status"][..], &["run"], &["request", "--out", &rig.text("r.lh")], &["leases"]] {
            let done = rig.node(args);
            assert!(done.exit == 4 && done.stderr.contains("hint: keep a copy"), "{args:?}: {done:?}");
        }
        let verdict = rig.node(&["journal", "verify", "--json"]);
        assert!(verdict.exit == 6 && verdict.stderr.contains("JOURNAL_UNVERIFIED"), "{verdict:?}");
        assert!(verdict.stderr.contains("record "), "it names the seq: {verdict:?}");
    }
    fs::write(&segment, &sound).unwrap();
    assert_eq!(rig.node(&["status"]).exit, 0);
    let copy = rig.data("");
    assert_eq!(rig.node(&["journal", "verify", "--offline", copy.to_str().unwrap()]).exit, 0);
}

#[test]
fn keys_are_the_journals_own_and_nobody_elses_to_read() {
    let rig = Rig::initialised();
    let other = Rig::initialised();
    let key = rig.data("keys/sign.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let done = rig.node(&["request", "--out", &rig.text("r.lh")]);
    assert!(done.exit == 78 && done.stderr.contains("chmod 600"), "{done:?}");
    fs::copy(other.data("keys/sign.pem"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let done = rig.node(&["request", "--out", &rig.text("r.lh")]);
    assert!(done.exit == 78 && done.stderr.contains("not the one of this journal"), "{done:?}");
}

#[test]
fn bad_configuration_is_named() {
    let rig = Rig::initialised();
    let long = format!("/{}", "s".repeat(107));
    for (config, args, said) in [
        ("sokcet = \"/s\"", &["run"][..], "did you mean `socket`?"),
        ("\nsocket_mode = \"rw\"", &["run"], "node.toml line 2"),
        ("listen = \"node:7580\"", &["run"], "node.toml line 1"),
        ("listen = \"0.0.0.0:0\"", &["run"], "open to the network"),
        ("", &["run", "--socket", &long], "108 bytes"),
        ("", &["status", "--config", "/nowhere/node.toml"], "/nowhere/node.toml"),
    ] {
        fs::write(rig.path("node.toml"), config).unwrap();
        let done = rig.node(args);
        assert!(done.exit == 78 && done.stderr.contains(said), "{config} {args:?}: {done:?}");
    }
}

fn the_segment(rig: &Rig) -> std::path::PathBuf {
    let files = fs::read_dir(rig.data("journal")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).min().unwrap()
}
