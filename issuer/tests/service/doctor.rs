//! `doctor` and `validate`: what is wrong is found, beside a daemon or without one, and nothing is changed by looking.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::issuer::{Issuer, text};
use crate::service::{Ask, Service, api_key};

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
    for listen in ["[\"127.0.0.1:0\"]", "\"127.0.0.1:0\""] {
        fs::write(&path, format!("listen = {listen}\n")).unwrap();
        let valid = issuer.json(&["validate", "--config", config]);
        assert_eq!((&valid["valid"], &valid["listen"]), (&json!(true), &json!(["127.0.0.1:0"])));
    }
    for wrong in [
        "listn = []\n",
        "listen = [\"here\"]\n",
        "[tls]\nkey = \"/k\"\n",
        "[tls]\ncertificate = \"/nope.pem\"\nkey = \"/nope.pem\"\n",
        "[tls]\nclient_ca = \"/ca.pem\"\n",
    ] {
        fs::write(&path, wrong).unwrap();
        issuer.refused(&["validate", "--config", config], 78, "CONFIG_INVALID");
    }
}

#[test]
fn an_open_address_is_held_against_the_keys_of_the_state() {
    let issuer = Issuer::place();
    let config = issuer.path("issuer.toml");
    fs::write(&config, "listen = \"0.0.0.0:0\"\n").unwrap();
    let validate = ["validate", "--config", text(&config)];
    assert_eq!(issuer.json(&validate)["needs_api_key"], "0.0.0.0:0");
    assert!(issuer.words(&validate).contains("only once it has an API key"));
    issuer.json(&["init", "--kdf-cost", "10"]);
    issuer.refused(&validate, 78, "CONFIG_INVALID");
    issuer.refused(&["serve", "--config", text(&config)], 78, "CONFIG_INVALID");
    let found = issuer.run(&["doctor", "--config", text(&config)]);
    assert_eq!(found.status.code(), Some(78));
    api_key(&issuer, "owner", None);
    assert_eq!(issuer.json(&validate)["needs_api_key"], json!(null));
}

#[test]
fn a_clock_that_changes_are_refused_for_is_a_failure() {
    let issuer = Issuer::new();
    let shim = issuer.path("ahead.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/ahead.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o", text(&shim), source]).status().unwrap();
    assert!(built.success());
    let ahead = |args: &[&str]| {
        let mut command = issuer.command(args);
        command.env("LD_PRELOAD", &shim).env("AHEAD_S", "864000");
        command
    };
    let refused = ahead(&["account", "create", "--name", "A"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    assert_eq!(of(&doctor_of(&mut ahead(&["doctor"]), 4), "clock"), "failure");
    let service = Service::spawn(&issuer, &mut ahead(&["serve", "--listen", "127.0.0.1:0"]));
    let unready = service.ask(&Ask::get("/readyz"));
    unready.refused(503, "CLOCK_IMPLAUSIBLE");
    let verbose = service.ask(&Ask::get("/readyz?verbose"));
    let lines = String::from_utf8(verbose.bytes.to_vec()).unwrap();
    assert!(verbose.status == 503 && lines.contains("\n[-] clock: CLOCK_IMPLAUSIBLE"), "{lines}");
    assert_eq!(of(&doctor_of(&mut ahead(&["doctor"]), 4), "clock"), "failure", "beside the daemon, too");
}

#[test]
fn readiness_is_told_check_by_check() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer);
    assert_eq!(service.ask(&Ask::get("/readyz")).done(), json!({"status": "ok"}));
    let verbose = service.ask(&Ask::get("/readyz?verbose"));
    let lines = String::from_utf8(verbose.bytes.to_vec()).unwrap();
    assert_eq!(lines, "[+] serving: ok\n[+] writer: ok\n[+] clock: ok\nready\n");
}

fn doctor(issuer: &Issuer, exit: i32) -> Value {
    doctor_of(&mut issuer.command(&["doctor"]), exit)
}

fn doctor_of(command: &mut Command, exit: i32) -> Value {
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(exit), "{}", String::from_utf8_lossy(&done.stdout));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn of<'a>(found: &'a Value, check: &str) -> &'a str {
    let checks = found["checks"].as_array().unwrap();
    let one = checks.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {found}"));
    one["verdict"].as_str().unwrap()
}
