//! Who may sign.

use std::fs;

use serde_json::json;

use crate::rig::{Issuer, problem, text};

#[test]
fn only_signing_needs_the_passphrase_and_nothing_prompts_without_a_terminal() {
    let issuer = Issuer::sold(1);
    let request = issuer.request(50);
    let wrong = issuer.path("wrong");
    fs::write(&wrong, "another\n").unwrap();
    let out = issuer.path("out.lh");
    let signing = [
        vec!["node", "register", "--account", "ACME", "--name", "lab"],
        vec!["bundle", "create", "--request", text(&request), "--out", text(&out)],
    ];
    for command in &signing {
        let with_wrong = [command.as_slice(), &["--passphrase-file", text(&wrong)]].concat();
        issuer.refused(&with_wrong, 78, "PASSPHRASE_WRONG");
    }
    fs::remove_file(&issuer.passphrase).unwrap();
    for command in &signing {
        issuer.refused(command, 78, "CONFIG_INVALID");
        let output = issuer.command(command).env_remove("LEASEHOLD_PASSPHRASE_FILE").output().unwrap();
        let refusal = problem(&output);
        assert_eq!((output.status.code(), &refusal["code"]), (Some(78), &json!("PASSPHRASE_NEEDED")));
        assert!(refusal["hint"].as_str().unwrap().contains("--passphrase-file"));
    }
    assert!(!out.exists());
    issuer.json(&["account", "create", "--name", "B"]);
    issuer.json(&["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "1"]);
}

#[test]
fn the_keys_of_another_issuer_sign_nothing_here() {
    let (issuer, other) = (Issuer::sold(40), Issuer::new());
    fs::copy(other.data().join("keys.age"), issuer.data().join("keys.age")).unwrap();
    let (request, out) = (issuer.request(50), issuer.path("out.lh"));
    let create = ["bundle", "create", "--request", text(&request), "--out", text(&out)];
    issuer.refused(&create, 78, "CONFIG_INVALID");
    issuer.refused(&["node", "register", "--account", "ACME", "--name", "lab"], 78, "CONFIG_INVALID");
}
