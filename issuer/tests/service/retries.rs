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
    service.ask(&register("den")).refused(422, "IDEMPOTENCY_MISMATCH");
    let bare = Ask::post("/v1/nodes", &json!({"account": "ACME", "name": "lab"})).by(&secret).once("a b");
    assert_eq!(service.ask(&bare).bytes, node.bytes, "quoted or bare");
    let theirs = Ask::post("/v1/nodes", &json!({"account": "ACME", "name": "lab"})).by(&other).once("a b");
    assert_ne!(service.ask(&theirs).done()["node_id"], node.json()["node_id"]);
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
