//! What is on the disk: made once, never lost, never in clear.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use leasehold_journal::{FileHome, Genesis};
use leasehold_protocol::envelope::RealmId;
use serde_json::{Value, json};

use crate::rig::{Issuer, flipped, text};

#[test]
fn init_makes_private_state_and_a_trust_root() {
    let issuer = Issuer::new();
    let answer = issuer.json(&["status"]);
    assert_eq!((&answer["mode"], &answer["realm_name"]), (&json!("live"), &json!("vendor")));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&issuer.data()), 0o700);
    assert_eq!(mode(&issuer.data().join("keys.age")), 0o600);
    assert_eq!(issuer.trust().realm().id.to_string(), answer["realm"]);
    let exported = issuer.path("exported.lh");
    issuer.json(&["trust", "export", text(&exported)]);
    assert_eq!(fs::read(exported).unwrap(), fs::read(issuer.data().join("trust-root.lh")).unwrap());
    let keys = issuer.json(&["key", "list"]);
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    issuer.refused(&["init"], 73, "ALREADY_EXISTS");
}

#[test]
fn a_sandbox_is_of_another_mode() {
    let issuer = Issuer::place();
    let answer = issuer.json(&["init", "--kdf-cost", "10", "--sandbox"]);
    assert_eq!(answer["mode"], "sandbox");
}

#[test]
fn an_interrupted_init_is_finished_by_the_next_with_the_same_keys() {
    let issuer = Issuer::new();
    let keys = fs::read(issuer.data().join("keys.age")).unwrap();
    let root_key = issuer.json(&["status"])["root_key_id"].clone();
    fs::remove_dir_all(issuer.data().join("journal")).unwrap();
    fs::remove_file(issuer.data().join("trust-root.lh")).unwrap();
    issuer.refused(&["status"], 66, "NOT_INITIALISED");
    let wrong = issuer.path("wrong");
    fs::write(&wrong, "another").unwrap();
    issuer.refused(&["init", "--passphrase-file", text(&wrong)], 78, "PASSPHRASE_WRONG");
    assert_eq!(issuer.json(&["init"])["root_key_id"], root_key);
    assert_eq!(fs::read(issuer.data().join("keys.age")).unwrap(), keys);

    fs::remove_dir_all(issuer.data().join("journal")).unwrap();
    let genesis = Genesis::new("issuer", [4; 16], [5; 16]).unwrap();
    FileHome::create(&issuer.data().join("journal"), &genesis).unwrap().close().unwrap();
    issuer.refused(&["account", "list"], 66, "NOT_INITIALISED");
    issuer.refused(&["account", "create", "--name", "A"], 66, "NOT_INITIALISED");
    let answer = issuer.json(&["init"]);
    assert_eq!(answer["realm"], RealmId([4; 16]).to_string());
    assert_eq!(answer["root_key_id"], root_key);
}

#[test]
fn a_lost_journal_is_not_the_beginning_of_an_issuer() {
    let issuer = Issuer::new();
    fs::remove_dir_all(issuer.data().join("journal")).unwrap();
    for command in [&["status"][..], &["account", "create", "--name", "A"], &["init"]] {
        let refusal = issuer.refused(command, 4, "JOURNAL_DAMAGED");
        assert!(refusal["hint"].as_str().unwrap().contains("backup"), "{refusal}");
    }
}

#[test]
fn without_state_every_command_names_init() {
    let issuer = Issuer::place();
    for command in [
        &["account", "list"][..],
        &["account", "create", "--name", "A"],
        &["status"],
        &["trust", "show"],
        &["audit", "verify"],
    ] {
        let refusal = issuer.refused(command, 66, "NOT_INITIALISED");
        assert!(refusal["hint"].as_str().unwrap().contains("leasehold-issuer init"), "{refusal}");
    }
    assert!(!issuer.data().exists(), "nothing but init makes state");
}

#[test]
fn a_damaged_journal_is_refused_and_audited_as_such() {
    let issuer = Issuer::sold(40);
    let segment = fs::read_dir(issuer.data().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, flipped(&bytes, 200)).unwrap();
    for command in [&["account", "create", "--name", "B"][..], &["account", "list"], &["status"]] {
        issuer.refused(command, 4, "JOURNAL_DAMAGED");
    }
    let refusal = issuer.refused(&["audit", "verify"], 6, "JOURNAL_UNVERIFIED");
    assert_eq!(refusal["seq"], 1);
    fs::write(&segment, bytes).unwrap();
    let copy = issuer.path("copy");
    let copied = Command::new("cp").args(["-r", text(&issuer.data()), text(&copy)]).status().unwrap();
    assert!(copied.success());
    fs::remove_dir_all(issuer.data()).unwrap();
    assert_eq!(issuer.json(&["audit", "verify", "--offline", text(&copy)])["valid"], true);
    let journal = copy.join("journal");
    assert_eq!(issuer.json(&["audit", "verify", "--offline", text(&journal)])["records"], 6);
}

#[test]
fn what_was_answered_survives_kill_9_at_any_instant() {
    let issuer = Issuer::new();
    let spawn = || {
        let mut command = issuer.command(&["account", "create", "--name", "A"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    // How often a whole run can be asked whether it has ended: the measure of the instants to kill at.
    let mut whole = spawn();
    let mut polls = 1_u32;
    while whole.try_wait().unwrap().is_none() {
        polls += 1;
    }
    let (mut answered, mut killed) = (Vec::new(), 0);
    for round in 0..60 {
        let mut child = spawn();
        for _ in 0..polls / 50 * round {
            if child.try_wait().unwrap().is_some() {
                break;
            }
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(answer) => answered.push(answer["account_id"].clone()),
            Err(_) => killed += 1,
        }
    }
    assert!(killed > 0, "no run was killed before its answer");
    issuer.json(&["account", "create", "--name", "last"]);
    let accounts = issuer.json(&["account", "list"]);
    let known: Vec<&Value> =
        accounts["accounts"].as_array().unwrap().iter().map(|account| &account["account_id"]).collect();
    assert!(answered.iter().all(|id| known.contains(&id)), "an answered record is missing");
    assert_eq!(issuer.json(&["audit", "verify"])["valid"], true);
}

#[test]
fn many_at_once_never_allocate_more_than_was_sold() {
    let issuer = Issuer::sold(90);
    let spawn = |_| {
        let args = ["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "3"];
        issuer.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..12).map(spawn).collect();
    let codes: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 3 | 75))), "{codes:?}");
    let done = codes.iter().filter(|code| **code == Some(0)).count();
    let pool = issuer.json(&["pool", "show", "CAD"]);
    assert!((1..=3).contains(&done), "{codes:?}");
    assert_eq!(pool["allocated"], 90 + 3 * done);
}

#[test]
fn no_secret_is_stored_in_clear() {
    let issuer = Issuer::sold(40);
    let secret = issuer.join.as_ref().unwrap().secret.0;
    let mut files = vec![issuer.data()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(16).any(|window| window == secret), "{}", path.display());
        }
    }
    let audit = issuer.run(&["audit", "query"]);
    assert!(!String::from_utf8(audit.stdout).unwrap().contains("lhj1_"));
}

#[test]
fn an_operator_vouches_for_the_time_and_it_is_audited() {
    let issuer = Issuer::new();
    let now = leasehold_clock::wall().unwrap().to_string();
    issuer.json(&[
        "account",
        "create",
        "--name",
        "A",
        "--accept-time",
        &now,
        "--reason",
        "checked",
        "--actor",
        "jo",
    ]);
    assert_eq!(issuer.json(&["status"])["clock"]["earliest"].as_str().unwrap()[..16], now[..16]);
    let records = issuer.json(&["audit", "query", "--by", "jo"]);
    let record = &records["records"][0];
    assert_eq!((&record["accepted_time"], &record["reason"]), (&json!(now), &json!("checked")));
    assert_eq!(records["records"].as_array().map(Vec::len), Some(1));
}
