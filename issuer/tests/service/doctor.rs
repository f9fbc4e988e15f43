//! `doctor` and `validate`: what is wrong is found, beside a daemon or without one, and nothing is changed by looking.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::service::Service;

#[test]
fn a_sound_issuer_is_told_what_does_not_run() {
    let issuer = Issuer::new();
    let found = doctor(&issuer, 0);
    assert_eq!((of(&found, "journal"), of(&found, "keys"), of(&found, "trust root")), ("ok", "ok", "ok"));
    assert_eq!(of(&found, "daemon"), "warning");
    let service = Service::start(&issuer);
    assert_eq!(of(&doctor(&issuer, 0), "daemon"), "ok");
    drop(service);
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let issuer = Issuer::sold(1);
    fs::set_permissions(issuer.data().join("keys.age"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(issuer.data(), fs::Permissions::from_mode(0o755)).unwrap();
    let found = doctor(&issuer, 0);
    assert_eq!((of(&found, "keys"), of(&found, "directories")), ("warning", "warning"));
    assert!(
        found["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["verdict"] == "ok" || one["hint"].is_string())
    );
    fs::remove_file(issuer.data().join("keys.age")).unwrap();
    let missing = issuer.run(&["doctor"]);
    assert_ne!(missing.status.code(), Some(0));
    assert_eq!(of(&serde_json::from_slice(&missing.stdout).unwrap(), "keys"), "failure");
}

#[test]
fn a_directory_without_an_issuer_is_a_failure_and_stays_as_it_was() {
    let issuer = Issuer::place();
    assert_ne!(issuer.run(&["doctor"]).status.code(), Some(0));
    assert!(!issuer.data().exists());
}

#[test]
fn a_configuration_is_checked_without_state() {
    let issuer = Issuer::place();
    let path = issuer.path("issuer.toml");
    let config = path.to_str().unwrap();
    fs::write(&path, "listen = [\"127.0.0.1:0\"]\n").unwrap();
    let valid = issuer.json(&["validate", "--config", config]);
    assert_eq!((&valid["valid"], &valid["listen"]), (&json!(true), &json!(["127.0.0.1:0"])));
    for wrong in ["listn = []\n", "listen = [\"here\"]\n", "[tls]\nkey = \"/k\"\n"] {
        fs::write(&path, wrong).unwrap();
        issuer.refused(&["validate", "--config", config], 78, "CONFIG_INVALID");
    }
}

fn doctor(issuer: &Issuer, exit: i32) -> Value {
    let done = issuer.run(&["doctor"]);
    assert_eq!(done.status.code(), Some(exit), "{}", String::from_utf8_lossy(&done.stdout));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn of<'a>(found: &'a Value, check: &str) -> &'a str {
    let checks = found["checks"].as_array().unwrap();
    let one = checks.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {found}"));
    one["verdict"].as_str().unwrap()
}
