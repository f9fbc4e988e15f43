//! Requests in, bundles out: what is carried between issuer and node.

use std::fs;
use std::path::Path;

use leasehold_protocol::armour::{armour, unarmour};
use serde_json::{Value, json};

use crate::rig::{Issuer, flipped, text};

#[test]
fn what_is_sold_reaches_the_node_in_a_file() {
    let issuer = Issuer::sold(40);
    let bundle = issuer.bundle(&issuer.request(50));
    let opened = issuer.open(&bundle);
    assert_eq!(opened.allocations[0].slots.len(), 40);
    assert_eq!(opened.pools[0].seats, leasehold_protocol::artefact::Seats::Value(100));
    assert_eq!(opened.grants[0].features, ["sim"]);
    let audit = issuer.json(&["audit", "verify"]);
    assert_eq!((&audit["valid"], &audit["records"], &audit["bundles"]), (&json!(true), &json!(7), &json!(1)));
    let records = issuer.json(&["audit", "query"]);
    let kinds: Vec<&Value> =
        records["records"].as_array().unwrap().iter().map(|record| &record["kind"]).collect();
    assert_eq!(kinds.last(), Some(&&json!("bundle_issued")));
    assert!(records["records"][0]["actor"].is_string());
}

#[test]
fn the_same_request_is_answered_with_the_same_bytes_and_without_the_keys() {
    let issuer = Issuer::sold(40);
    let request = issuer.request(50);
    let first = issuer.bundle(&request);
    fs::remove_file(&issuer.passphrase).unwrap();
    assert_eq!(issuer.bundle(&request), first);
    let armoured = issuer.path("armoured.lh");
    issuer.json(&["bundle", "create", "--request", text(&request), "--out", text(&armoured), "--armour"]);
    assert_eq!(unarmour(&fs::read(armoured).unwrap()).unwrap(), first);
    assert_eq!(issuer.json(&["audit", "verify"])["records"], 7);
}

#[test]
fn requests_that_are_not_what_they_should_be_are_refused() {
    let issuer = Issuer::sold(40);
    let out = issuer.path("out.lh");
    let create = |request: &Path, exit, code: &str| {
        issuer.refused(&["bundle", "create", "--request", text(request), "--out", text(&out)], exit, code);
        assert!(!out.exists());
    };
    let good = fs::read(issuer.request(50)).unwrap();
    let file = issuer.path("bad.lh");
    for (bytes, exit, code) in [
        (Vec::new(), 65, "MALFORMED"),
        (b"no artefact".to_vec(), 65, "MALFORMED"),
        (good[..good.len() - 1].to_vec(), 65, "MALFORMED"),
        ([&good[..], b"x"].concat(), 65, "MALFORMED"),
        (fs::read(issuer.data().join("trust-root.lh")).unwrap(), 65, "MALFORMED"),
        (flipped(&good, good.len() - 1), 6, "BAD_SIGNATURE"),
        (flipped(&good, good.len() - 100), 6, "BAD_SIGNATURE"),
    ] {
        fs::write(&file, bytes).unwrap();
        create(&file, exit, code);
    }
    create(&issuer.request_with(51, None), 6, "JOIN_CODE_INVALID");
    let other = Issuer::sold(1);
    create(&other.request(50), 6, "BAD_SIGNATURE");
    fs::write(&file, armour(&good).unwrap()).unwrap();
    issuer.json(&["bundle", "create", "--request", text(&file), "--out", text(&out)]);
    fs::remove_file(&out).unwrap();
    create(&issuer.request(52), 6, "JOIN_CODE_USED");
}

#[test]
fn every_bit_of_a_request_counts() {
    let issuer = Issuer::sold(40);
    let good = fs::read(issuer.request(50)).unwrap();
    let realm = issuer.trust().realm();
    for at in 0..good.len() {
        assert!(leasehold_protocol::request::open_request(&flipped(&good, at), realm).is_err(), "{at}");
    }
}

#[test]
fn an_artefact_is_shown_verified_or_marked_unverified() {
    let issuer = Issuer::sold(40);
    let request = issuer.request(50);
    let bundle = issuer.path("bundle.lh");
    fs::write(&bundle, issuer.bundle(&request)).unwrap();
    for (file, kind) in
        [(issuer.data().join("trust-root.lh"), "root"), (request, "request"), (bundle.clone(), "bundle")]
    {
        let shown = issuer.json(&["inspect", text(&file)]);
        assert_eq!((&shown["type"], &shown["verified"]), (&json!(kind), &json!(true)));
    }
    let other = Issuer::new();
    assert_eq!(other.json(&["inspect", text(&bundle)])["verified"], false);
    let people = other.command(&["inspect", text(&bundle)]).output().unwrap();
    assert!(String::from_utf8(people.stdout).unwrap().contains("\"verified\""));
    let trust = issuer.data().join("trust-root.lh");
    assert_eq!(other.json(&["inspect", text(&bundle), "--trust", text(&trust)])["verified"], true);
    let garbage = issuer.path("garbage");
    fs::write(&garbage, "garbage").unwrap();
    issuer.refused(&["inspect", text(&garbage)], 65, "MALFORMED");
}
