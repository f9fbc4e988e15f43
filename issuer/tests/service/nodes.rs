//! What nodes exchange with the service.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use leasehold_protocol::artefact::{Extensions, Issue, JournalTail, Receipt};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::envelope::seal;
use leasehold_protocol::ids::ReceiptId;
use leasehold_protocol::time::UnixMs;
use serde_json::json;

use crate::issuer::{Issuer, NodeKey, flipped, text};
use crate::service::{Ask, Service, records};

#[test]
fn a_request_is_answered_with_the_bundle_that_a_file_would_bring() {
    let issuer = Issuer::sold(40);
    let request = issuer.request(50);
    let service = Service::start(&issuer);
    let sent = fs::read(&request).unwrap();
    let key = NodeKey::new(50).tls();
    let ask = |path: &str, bytes: Vec<u8>| service.ask_as(Some(&key), &Ask::send(path, bytes));
    let enrolled = ask("/v1/enroll", sent.clone());
    assert_eq!(enrolled.header("content-type"), Some("application/octet-stream"));
    assert_eq!(issuer.open(&enrolled.bytes).allocations[0].slots.len(), 40);
    assert_eq!(ask("/v1/sync", sent.clone()).bytes, enrolled.bytes);
    assert_eq!(issuer.bundle(&request), enrolled.bytes);
    let before = records(&issuer);
    for at in (0..sent.len()).step_by(7) {
        let answer = ask("/v1/sync", flipped(&sent, at));
        assert!(answer.status.is_client_error(), "{at}: {answer:?}");
    }
    for bytes in [Vec::new(), b"no artefact".to_vec(), sent[..sent.len() - 1].to_vec()] {
        ask("/v1/enroll", bytes.clone()).refused(400, "MALFORMED");
        ask("/v1/receipts", bytes).refused(400, "MALFORMED");
    }
    ask("/v1/receipts", sent).json();
    assert_eq!(records(&issuer), before, "what is refused records nothing");
}

#[test]
fn a_node_connects_with_the_key_of_its_certificate_and_nobody_for_it() {
    let issuer = Issuer::sold(40);
    let sent = fs::read(issuer.request(50)).unwrap();
    let service = Service::start(&issuer);
    let (own, other) = (NodeKey::new(50).tls(), NodeKey::new(51).tls());
    let before = records(&issuer);
    for path in ["/v1/enroll", "/v1/sync"] {
        for shown in [None, Some(&other)] {
            service.ask_as(shown, &Ask::send(path, sent.clone())).refused(403, "NOT_AUTHORISED");
        }
    }
    assert_eq!(records(&issuer), before);
    let bundle = service.ask_as(Some(&own), &Ask::send("/v1/enroll", sent.clone()));
    assert_eq!(bundle.status, 200);
    let refused = service.ask_as(Some(&other), &Ask::send("/v1/sync", sent)).refused(403, "NOT_AUTHORISED");
    assert!(refused["hint"].as_str().unwrap().contains("its own TLS key"), "{refused}");
    let receipt = receipt(&issuer, 50, &issuer.open(&bundle.bytes));
    for shown in [None, Some(&other)] {
        service.ask_as(shown, &Ask::send("/v1/receipts", receipt.clone())).refused(403, "NOT_AUTHORISED");
    }
    service.ask_as(Some(&own), &Ask::send("/v1/receipts", receipt)).done();
}

#[test]
fn a_node_that_asks_too_often_waits() {
    let issuer = Issuer::sold(40);
    let sent = fs::read(issuer.request(50)).unwrap();
    let config = issuer.path("issuer.toml");
    fs::write(&config, "[limits]\nrequests_per_second = 1000\n").unwrap();
    let service = Service::start_with(&issuer, &["--config", text(&config)]);
    let own = NodeKey::new(50).tls();
    let ask = || service.ask_as(Some(&own), &Ask::send("/v1/sync", sent.clone()));
    let answers: Vec<_> = (0..20).map(|_| ask()).collect();
    let refused = answers.iter().find(|answer| answer.status != 200).expect("twenty within ten seconds");
    refused.refused(429, "RATE_LIMITED");
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[test]
fn a_head_stands_until_something_changes_and_whoever_waits_hears_of_it() {
    let issuer = Issuer::sold(40);
    let service = Service::start(&issuer);
    let account = issuer.json(&["account", "show", "ACME"])["account_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/{account}/head");
    let first = service.ask(&Ask::get(&path));
    let tag = first.header("etag").unwrap().to_owned();
    let after_first = records(&issuer);
    assert_eq!(service.ask(&Ask::get(&path)).bytes, first.bytes);
    let same = service.ask(&Ask::get(&format!("{path}?wait_ms=50")).with("if-none-match", &tag));
    assert_eq!((same.status.as_u16(), same.bytes.len()), (304, 0));
    let head_bytes: usize =
        same.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(head_bytes + "HTTP/1.1 304 Not Modified\r\n\r\n".len() <= 300, "{:?}", same.headers);
    assert_eq!(records(&issuer), after_first, "an unchanged poll writes nothing");
    let (told, heard) = mpsc::channel();
    thread::scope(|scope| {
        let wait = Ask::get(&format!("{path}?wait_ms=30000")).with("if-none-match", &tag);
        let service = &service;
        scope.spawn(move || told.send(service.ask(&wait)).unwrap());
        let row = ["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "1"];
        issuer.json(&row);
        let other = heard.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(other.status, 200);
        assert_ne!(other.header("etag"), Some(tag.as_str()));
    });
    let nobody = format!("/v1/accounts/{}/head", account.replace("acc_", "acd_"));
    service.ask(&Ask::get(&nobody)).refused(404, "NOT_FOUND");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_node_with_a_later_head_of_its_own_hears_of_later_ones_only() {
    let issuer = Issuer::sold(40);
    let node = ["node", "register", "--account", "ACME", "--name", "ship", "--class", "intermittent"];
    let node = issuer.json(&node);
    let service = Service::start(&issuer);
    let account = issuer.json(&["account", "show", "ACME"])["account_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/{account}/head");
    let standing = service.ask(&Ask::get(&path));
    let join = Some(node["join_code"].as_str().unwrap().parse().unwrap());
    let own = issuer.open(&issuer.bundle(&issuer.request_with(60, join))).head.version;
    let tag = format!("\"{own}\"");
    assert_ne!(standing.header("etag"), Some(tag.as_str()));
    let same = service.ask(&Ask::get(&path).with("if-none-match", &tag));
    assert_eq!((same.status.as_u16(), same.header("etag")), (304, standing.header("etag")));
    issuer.json(&["allocation", "create", "--pool", "CAD", "--node", "ship", "--seats", "1"]);
    let later = service.ask(&Ask::get(&path).with("if-none-match", &tag));
    assert_eq!(later.status, 200);
    let version: u64 = later.header("etag").unwrap().trim_matches('"').parse().unwrap();
    assert!(own < version);
    for odd in ["*", "\"x\"", "W/\"1\""] {
        assert_eq!(service.ask(&Ask::get(&path).with("if-none-match", odd)).status, 200, "{odd}");
    }
}

#[test]
fn a_waiting_node_does_not_hold_the_end_up() {
    let issuer = Issuer::sold(40);
    let service = Service::start(&issuer);
    let account = issuer.json(&["account", "show", "ACME"])["account_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/{account}/head");
    let tag = service.ask(&Ask::get(&path)).header("etag").unwrap().to_owned();
    let wait = Ask::get(&format!("{path}?wait_ms=30000")).with("if-none-match", &tag);
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| service.ask(&wait));
        // Its order comes behind the poll that is under way.
        service.ask(&Ask::get("/livez")).done();
        service.signal(nix::sys::signal::Signal::SIGTERM);
        waiting.join()
    });
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 304, "{:?}", json!(answer.header("etag")));
    }
    assert_eq!(service.terminate(), Some(0));
}

/// The receipt of a node for a bundle.
fn receipt(issuer: &Issuer, key: u8, opened: &OpenedBundle) -> Vec<u8> {
    let receipt = Receipt {
        issue: Issue { id: ReceiptId([1; 16]), serial: 1, issued_at: UnixMs(1_800_000_000_000) },
        account: opened.bundle.account,
        node: opened.bundle.node,
        generation: opened.bundle.generation,
        bundle: opened.bundle.digest(),
        ratchet: opened.bundle.ratchet,
        report_seq: 1,
        released: Vec::new(),
        journal: JournalTail { seq: 1, chain: Digest([0; 32]) },
        ext: Extensions::NONE,
    };
    seal(&issuer.trust().realm(), &receipt, &[&NodeKey::new(key)]).unwrap().envelope
}
