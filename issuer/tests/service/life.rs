//! From start to end, and what may stand in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::issuer::{Issuer, text};
use crate::service::{Ask, Service, api_key, first_line};

#[test]
fn a_service_starts_with_an_operators_word_for_the_time() {
    let issuer = Issuer::new();
    let now = leasehold_clock::wall().unwrap().to_string();
    Service::start_with(&issuer, &["--accept-time", &now]).terminate();
    let records = issuer.json(&["audit", "query"]);
    let record = records["records"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&record["kind"], &record["accepted_time"]),
        (&"time_accepted".into(), &now.into()),
        "{record}"
    );
    let wrong = ["serve", "--listen", "127.0.0.1:0", "--accept-time", "2001-01-01T00:00:00Z"];
    issuer.refused(&wrong, 4, "CLOCK_IMPLAUSIBLE");
}

#[test]
fn one_service_owns_a_directory_and_leaves_it_clean() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer);
    let socket = issuer.data().join("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    issuer.refused(&["serve", "--listen", "127.0.0.1:0"], 75, "BUSY");
    issuer.json(&["account", "create", "--name", "A"]);
    service.signal(Signal::SIGHUP);
    service.ask(&Ask::get("/readyz")).done();
    assert_eq!(service.terminate(), Some(0));
    assert!(!socket.exists() && !issuer.data().join("ready.json").exists());
    issuer.json(&["account", "create", "--name", "B"]);
}

#[test]
fn a_killed_service_leaves_nothing_in_the_way() {
    let issuer = Issuer::new();
    Service::start(&issuer).kill();
    assert!(issuer.data().join("admin.sock").exists());
    issuer.json(&["account", "create", "--name", "A"]);
    let service = Service::start(&issuer);
    assert_eq!(issuer.json(&["status"])["accounts"], 1);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn it_serves_beyond_this_machine_only_whom_it_can_know() {
    let issuer = Issuer::new();
    let everywhere = ["serve", "--listen", "0.0.0.0:0"];
    let refusal = issuer.refused(&everywhere, 78, "CONFIG_INVALID");
    assert!(!refusal["hint"].as_str().unwrap().contains("client_ca"), "no way to prove oneself: {refusal}");
    issuer.refused(&["serve", "--listen", "localhost"], 78, "CONFIG_INVALID");
    let config = issuer.path("issuer.toml");
    fs::write(&config, "listen = [\"0.0.0.0:0\"]\n").unwrap();
    issuer.refused(&["serve", "--config", text(&config)], 78, "CONFIG_INVALID");
    fs::write(&config, "lisen = []\n").unwrap();
    let refusal = issuer.refused(&["serve", "--config", text(&config)], 78, "CONFIG_INVALID");
    assert_eq!(refusal["hint"], "did you mean `listen`?");
    api_key(&issuer, "owner", None);
    let mut command = issuer.command(&everywhere);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(first_line(child.stdout.as_mut().unwrap()).starts_with("ready https://0.0.0.0:"));
    let log = first_line(child.stderr.as_mut().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!((line["event_id"].as_str(), line["level"].as_str()), (Some("daemon.ready"), Some("INFO")));
}

#[test]
fn the_passphrase_is_asked_for_once_at_the_start() {
    let issuer = Issuer::sold(1);
    let service = Service::start(&issuer);
    fs::remove_file(&issuer.passphrase).unwrap();
    issuer.json(&["node", "register", "--account", "ACME", "--name", "lab"]);
    assert_eq!(service.terminate(), Some(0));
    issuer.refused(&["serve", "--listen", "127.0.0.1:0"], 78, "CONFIG_INVALID");
}
