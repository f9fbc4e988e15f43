//! A command says the same whichever way it goes: in its own process, through the admin socket, or over TLS.

use std::fs;
use std::process::Output;

use crate::issuer::{Issuer, text};
use crate::service::{Ask, Service, api_key, key_file, remote};

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn three_ways_say_the_same() {
    let issuer = Issuer::sold(40);
    issuer.json(&["account", "create", "--name", "A name/with: signs?"]);
    let secret = api_key(&issuer, "owner", None);
    let grants = issuer.json(&["grant", "list"]);
    let grant = grants["grants"][0]["grant_id"].as_str().unwrap();
    let commands: Vec<Vec<&str>> = vec![
        vec!["account", "list"],
        vec!["account", "show", "A name/with: signs?"],
        vec!["account", "show", "nobody"],
        vec!["product", "list"],
        vec!["product", "show", "cad"],
        vec!["grant", "list"],
        vec!["grant", "list", "--account", "ACME"],
        vec!["grant", "show", grant],
        vec!["pool", "list"],
        vec!["pool", "show", "CAD"],
        vec!["node", "list"],
        vec!["node", "show", "plant"],
        vec!["allocation", "list"],
        vec!["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "61"],
        vec!["account", "create", "--name", ""],
        vec![
            "grant",
            "create",
            "--account",
            "ACME",
            "--product",
            "CAD",
            "--seats",
            "1",
            "--from",
            "2026-06-01",
            "--to",
            "2027-06-01",
        ],
        vec!["trust", "show"],
        vec!["key", "list"],
        vec!["api-key", "list"],
        vec!["audit", "query"],
        vec!["audit", "verify"],
    ];
    let here: Vec<_> = commands.iter().map(|args| said(&issuer.run(args))).collect();
    let service = Service::start(&issuer);
    for (args, here) in commands.iter().zip(&here) {
        assert_eq!(&said(&issuer.run(args)), here, "{args:?} at the admin socket");
        assert_eq!(&said(&remote(&issuer, &service, &secret, args)), here, "{args:?} over TLS");
    }
}

#[test]
fn files_that_are_made_are_the_same() {
    let issuer = Issuer::sold(40);
    let secret = api_key(&issuer, "owner", None);
    let request = issuer.request(50);
    let first = issuer.bundle(&request);
    let exported = |name: &str, args: &[&str]| {
        let out = issuer.path(name);
        issuer.json(&[&["audit", "export", "--out", text(&out)], args].concat());
        fs::read(out).unwrap()
    };
    let ndjson = exported("here.ndjson", &[]);
    let csv = exported("here.csv", &["--format", "csv", "--account", "ACME"]);
    let service = Service::start(&issuer);
    assert_eq!(issuer.bundle(&request), first);
    let url = service.url();
    let file = key_file(&issuer, &secret);
    let there = ["--url", &url, "--key-file", text(&file), "--pin", &service.pin];
    assert_eq!(exported("there.ndjson", &there), ndjson);
    assert_eq!(exported("there.csv", &[&there[..], &["--format", "csv", "--account", "ACME"]].concat()), csv);
    let lines = String::from_utf8(ndjson).unwrap();
    assert_eq!(lines.lines().count(), 8);
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.starts_with("seq,recorded_at,actor,"), "{csv}");
    let kinds =
        ["account_created", "grant_created", "node_registered", "allocation_created", "bundle_issued"];
    assert!(kinds.iter().all(|kind| csv.contains(kind)), "{csv}");
    assert!(!csv.contains("product_created") && !csv.contains("initialised"), "{csv}");
}

#[test]
fn an_issuer_elsewhere_must_be_the_pinned_one() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let file = key_file(&issuer, &secret);
    let url = service.url();
    let wrong = "00".repeat(32);
    let there = ["status", "--url", &url, "--key-file", text(&file)];
    issuer.refused(&there, 64, "USAGE");
    issuer.refused(&["status", "--key-file", text(&file)], 64, "USAGE");
    issuer.refused(&[&there[..], &["--pin", &wrong]].concat(), 6, "PEER_UNTRUSTED");
    issuer.json(&[&there[..], &["--pin", &service.pin]].concat());
    service.kill();
    issuer.refused(&[&there[..], &["--pin", &wrong]].concat(), 5, "UNREACHABLE");
}

#[test]
fn what_needs_the_state_is_refused_for_an_issuer_elsewhere() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    for verb in ["init", "serve", "doctor", "validate"] {
        assert_eq!(remote(&issuer, &service, &secret, &[verb]).status.code(), Some(64), "{verb}");
    }
}

#[test]
fn a_key_that_opens_nothing_is_explained_in_words_of_the_command_line() {
    let issuer = Issuer::new();
    api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let (exit, _, said) = said(&remote(&issuer, &service, "lk_live_nothing", &["status"]));
    assert!(exit == Some(2) && said.contains("give --key-file the secret"), "{said}");
}

#[test]
fn an_account_goes_by_what_another_system_calls_it() {
    let issuer = Issuer::sold(1);
    let external = ["account", "create", "--name", "EMCA", "--external", "erp:acct_4821"];
    let account = issuer.json(&external);
    let grant = ["grant", "create", "--account", "erp:acct_4821", "--product", "CAD", "--seats", "5"];
    let year = ["--from", "2026-06-01T00:00:00Z", "--to", "2099-06-01T00:00:00Z"];
    let grant = issuer.json(&[&grant[..], &year].concat());
    assert_eq!(grant["account_id"], account["account_id"]);
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let body = serde_json::json!({"account_id": "acct_4821", "product": "cad", "reason": "unpaid",
        "effective_at": "2026-06-01T00:00:00Z"});
    let revoke = Ask::post("/v1/entitlements/revoke", &body).by(&secret).once("revoke-1");
    let revoked = service.ask(&revoke).done();
    assert_eq!(revoked["grants"], serde_json::json!([grant["grant_id"]]));
}
