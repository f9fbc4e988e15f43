//! A request that is sent again is carried out once.

use std::thread;

use serde_json::json;

use crate::issuer::Issuer;
use crate::service::{Ask, Service, api_key, records};

#[test]
fn fifty_at_once_with_one_key_are_one_fact_and_49_replays() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let before = records(&issuer);
    let create = Ask::post("/v1/accounts", &json!({"name": "ACME"})).by(&secret).once("order-7");
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = || service.ask(&create);
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == Some("true"));
    assert_eq!(replays.count(), 49);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.bytes == answers[0].bytes));
    assert_eq!(records(&issuer), before + 1);
}

#[test]
fn a_key_is_remembered_over_a_kill_and_means_one_request_of_one_caller() {
    let issuer = Issuer::sold(1);
    let secret = api_key(&issuer, "owner", None);
    let other = api_key(&issuer, "sales_ops", None);
    let service = Service::start(&issuer);
    let register = |name: &str| {
        Ask::post("/v1/nodes", &json!({"account": "ACME", "name": name})).by(&secret).once("\"a b\"")
    };
    let node = service.ask(&register("lab"));
    node.done();
    let key = Ask::post("/v1/api-keys", &json!({"name": "x", "role": "owner"})).by(&secret).once("b");
    let key_answer = service.ask(&key);
    key_answer.done();
    service.kill();
    let service = Service::start(&issuer);
    let again = service.ask(&register("lab"));
    assert_eq!((&again.bytes, again.header("idempotency-replayed")), (&node.bytes, Some("true")));
    assert_eq!(
        service.ask(&key).bytes,
        key_answer.bytes,
        "the secret too, for it may be the first to arrive"
    );
    let mismatch = service.ask(&register("den")).refused(422, "IDEMPOTENCY_MISMATCH");
    let detail = mismatch["detail"].as_str().unwrap();
    assert!(detail.starts_with("the idempotency key was used for another request, in record "), "{detail}");
    let bare = Ask::post("/v1/nodes", &json!({"account": "ACME", "name": "lab"})).by(&secret).once("a b");
    assert_eq!(service.ask(&bare).bytes, node.bytes, "quoted or bare");
    let theirs = Ask::post("/v1/nodes", &json!({"account": "ACME", "name": "lab"})).by(&other).once("a b");
    // Not a replay: it is another request, for a node that is there already.
    service.ask(&theirs).refused(409, "ALREADY_EXISTS");
}

#[test]
fn a_repetition_is_answered_whatever_became_of_the_state() {
    let issuer = Issuer::sold(40);
    let secret = api_key(&issuer, "owner", None);
    issuer.json(&["node", "register", "--account", "ACME", "--name", "lab"]);
    let service = Service::start(&issuer);
    let row = json!({"pool": "CAD", "node": "lab", "seats": {"value": 1}});
    let create = Ask::post("/v1/allocations", &row).by(&secret).once("row");
    let created = service.ask(&create);
    let path = format!("/v1/allocations/{}:shrink", created.done()["allocation_id"].as_str().unwrap());
    let shrink = |seats: u32| Ask::post(&path, &json!({"seats": seats})).by(&secret).once("shrink");
    let shrunk = service.ask(&shrink(0));
    shrunk.done();
    let grant = ["grant", "create", "--account", "ACME", "--product", "CAD", "--seats", "5"];
    issuer.json(&[&grant[..], &["--from", "2026-06-01T00:00:00Z", "--to", "2099-06-01T00:00:00Z"]].concat());
    for (ask, first) in [(&create, &created), (&shrink(0), &shrunk)] {
        let again = service.ask(ask);
        assert_eq!((&again.bytes, again.header("idempotency-replayed")), (&first.bytes, Some("true")));
    }
    service.ask(&shrink(1)).refused(422, "IDEMPOTENCY_MISMATCH");
    let elsewhere = Ask::post("/v1/products", &json!({"sku": "VIEW"})).by(&secret).once("row");
    service.ask(&elsewhere).refused(422, "IDEMPOTENCY_MISMATCH");
}

#[test]
fn a_key_stands_for_version_and_reason_too() {
    let issuer = Issuer::sold(40);
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let rotate = Ask::post("/v1/api-keys/owner:rotate", &json!({}));
    let rotated = service.ask(&rotate.clone().by(&secret).once("k").with("if-match", "*")).done();
    let secret = rotated["secret"].as_str().unwrap();
    let again = rotate.by(secret).once("k").with("if-match", "\"v1-0\"");
    service.ask(&again).refused(422, "IDEMPOTENCY_MISMATCH");
    let create = |reason: &str| {
        let path = format!("/v1/accounts?reason={reason}");
        Ask::post(&path, &json!({"name": "B"})).by(secret).once("b")
    };
    service.ask(&create("ordered")).done();
    service.ask(&create("ordered")).done();
    service.ask(&create("paid")).refused(422, "IDEMPOTENCY_MISMATCH");
}

#[test]
fn what_was_answered_survives_kill_9_between_any_two_requests() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let mut answered = Vec::new();
    for round in 0..5 {
        let service = Service::start(&issuer);
        for number in 0..=round {
            let create = Ask::post("/v1/accounts", &json!({"name": "A"})).by(&secret);
            let answer = service.ask(&create.once(&format!("{round}-{number}"))).done();
            answered.push(answer["account_id"].clone());
        }
        service.kill();
    }
    let accounts = issuer.json(&["account", "list"]);
    let known: Vec<_> =
        accounts["accounts"].as_array().unwrap().iter().map(|one| one["account_id"].clone()).collect();
    assert_eq!(known, answered);
    assert_eq!(issuer.json(&["audit", "verify"])["valid"], true);
}
