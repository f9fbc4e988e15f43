//! Seats, served by a node with a bundle.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Daemon, Rig, ask, get, post};
use crate::vendor::SKU;

#[test]
fn a_seat_is_the_same_for_every_retry_and_after_a_restart() {
    let rig = Rig::provisioned(2);
    let daemon = rig.run(&[]);
    assert_eq!(daemon.ask(&get("/readyz")).status, 200);
    let seat = checkout(&daemon, 1);
    assert_eq!(
        (&seat["decision"], &seat["code"], &seat["slot"]),
        (&json!("allow"), &json!("ALLOWED"), &json!(0))
    );
    assert_same_seat(&seat, &checkout(&daemon, 1));

    let renewed = daemon.post(&format!("/v1/leases/{}/renew", id(&seat)), "").json();
    assert_eq!((&renewed["lease_id"], &renewed["epoch"]), (&seat["lease_id"], &seat["epoch"]));
    assert_ne!(renewed["ticket"], seat["ticket"], "a renewal has a ticket of its own");
    assert_same_seat(&renewed, &checkout(&daemon, 1));

    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.wait(), None);
    let daemon = rig.run(&[]);
    let again = checkout(&daemon, 1);
    assert_same_seat(&renewed, &again);
    assert!(again["age_ms"].as_i64() >= renewed["age_ms"].as_i64(), "{again} after {renewed}");

    let released = daemon.ask(&delete(&id(&seat)));
    assert_eq!(released.json(), json!({"released": true}));
    assert_eq!(daemon.ask(&delete(&id(&seat))).json(), json!({"released": false}));
    let ended = daemon.post("/v1/leases", &body(1));
    assert_eq!(ended.code(), "LEASE_ENDED");
}

#[test]
fn many_seats_that_wait_together_have_distinct_slots_and_signed_tickets() {
    let rig = Rig::provisioned(100);
    let daemon = rig.run(&[]);
    let seats: Vec<Value> = std::thread::scope(|scope| {
        let ask = |n| {
            scope.spawn({
                let daemon = &daemon;
                move || checkout(daemon, n)
            })
        };
        let asked: Vec<_> = (0..110).map(ask).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (allowed, denied): (Vec<_>, Vec<_>) = seats.iter().partition(|seat| seat["decision"] == "allow");
    let mut slots: Vec<u64> = allowed.iter().map(|seat| seat["slot"].as_u64().unwrap()).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..100).collect::<Vec<_>>());
    assert!(
        denied.len() == 10 && denied.iter().all(|denial| denial["code"] == "POOL_EXHAUSTED"),
        "{denied:?}"
    );
    for seat in &allowed {
        let chain = daemon.ask(&get(&format!("/v1/proof/{}", seat["chain"].as_str().unwrap())));
        let chain = serde_json::from_str(&chain.body).unwrap();
        let proved = rig.vendor.prove(&chain, seat["ticket"].as_str().unwrap());
        assert_eq!(json!(proved.ticket.slots.first()), seat["slot"]);
        assert_eq!(proved.ticket.epoch.to_string(), seat["epoch"].as_str().unwrap());
    }
    let leases = rig.json(&["leases"]);
    assert_eq!(leases["leases"].as_array().unwrap().len(), 100);
    assert_eq!(rig.json(&["leases", "--holder", "ann"])["leases"].as_array().unwrap().len(), 100);
    assert_eq!(rig.json(&["leases", "--holder", "bob"]), json!({"leases": []}));
    assert_eq!(rig.json(&["status"])["pools"][0]["in_use"], 100);
}

#[test]
fn a_bundle_is_applied_once_and_through_either_door() {
    let rig = Rig::initialised();
    let bundle = rig.new_bundle(1, 3);
    fs::write(rig.path("bundle.lh"), &bundle).unwrap();
    let file = rig.text("bundle.lh");
    assert_eq!(rig.json(&["import", &file, "--dry-run"])["result"], "would_apply");
    let daemon = rig.run(&[]);
    assert_eq!(rig.json(&["import", &file, "--dry-run"])["result"], "would_apply");
    let applied = rig.json(&["import", &file]);
    assert!(applied["bundle_id"].as_str().unwrap().starts_with("bdl_"), "{applied}");
    assert_eq!(applied["result"], "applied");
    let seq = rig.json(&["status"])["journal"]["seq"].clone();
    let armoured = leasehold_protocol::armour::armour(&bundle).unwrap();
    let request = format!(
        "POST /v1/bundles HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: \
         {}\r\n\r\n{armoured}",
        armoured.len()
    );
    assert_eq!(ask(&daemon.admin, request.as_bytes()).json()["result"], "already_applied");
    drop(daemon);
    assert_eq!(rig.json(&["import", &file])["result"], "already_applied");
    let mut flipped = bundle.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (content, exit) in
        [(flipped, 6), (bundle[..bundle.len() - 1].to_vec(), 65), ([&bundle[..], b"x"].concat(), 65)]
    {
        fs::write(rig.path("bad.lh"), content).unwrap();
        let done = rig.node(&["import", &rig.text("bad.lh")]);
        assert_eq!(done.exit, exit, "{done:?}");
    }
    assert_eq!(rig.json(&["status"])["journal"]["seq"], seq, "none of these left a record");
}

#[test]
fn wishes_that_cannot_be_granted_say_why_and_take_no_seat() {
    let rig = Rig::provisioned(3);
    let daemon = rig.run(&[]);
    let holder = r#""holder":{"user":"ann","host":"cad1"}"#;
    let long = format!(r#""holder":{{"user":"{}","host":"cad1"}}"#, "u".repeat(129));
    let nobody = r#""holder":{"user":"","host":"cad1"}"#;
    let pool = format!(r#""pool":"pol_{}""#, "0".repeat(26));
    for (status, code, rest) in [
        (200, "NO_GRANT", format!(r#"{holder},"product":"cam""#)),
        (200, "NO_GRANT", format!("{holder},{pool}")),
        (200, "FEATURE_NOT_IN_PLAN", format!(r#"{holder},"product":"{SKU}","features":["fly"]"#)),
        (200, "POOL_EXHAUSTED", format!(r#"{holder},"product":"{SKU}","count":4"#)),
        (400, "INVALID_REQUEST", format!(r#"{holder},"product":"{SKU}",{pool}"#)),
        (400, "INVALID_REQUEST", holder.to_owned()),
        (400, "INVALID_REQUEST", format!(r#"{holder},"product":"{SKU}","count":0"#)),
        (400, "INVALID_REQUEST", format!(r#"{holder},"product":"{SKU}","count":4294967295"#)),
        (400, "INVALID_REQUEST", format!(r#"{holder},"product":"{SKU}","ttl_ms":-1"#)),
        (400, "INVALID_REQUEST", format!(r#"{long},"product":"{SKU}""#)),
        (400, "INVALID_REQUEST", format!(r#"{nobody},"product":"{SKU}""#)),
    ] {
        let body = format!(r#"{{{rest},"key":"00112233445566778899aabbccddeeff"}}"#);
        let answer = daemon.post("/v1/leases", &body);
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{body}: {answer:?}");
    }
    assert_eq!(rig.json(&["leases"]), json!({"leases": []}));
    let all = daemon.post("/v1/leases", &body(1).replacen('{', r#"{"count":3,"#, 1)).json();
    assert_eq!((&all["slots"], &all["slot"]), (&json!([0, 1, 2]), &Value::Null));
}

fn checkout(daemon: &Daemon, key: u32) -> Value {
    let answer = daemon.post("/v1/leases", &body(key));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn body(key: u32) -> String {
    format!(
        r#"{{"product":"{SKU}","features":["draw"],"holder":{{"user":"ann","host":"cad1"}},"key":"{key:032x}"}}"#
    )
}

fn delete(lease: &str) -> String {
    format!("DELETE /v1/leases/{lease} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

fn id(seat: &Value) -> String {
    seat["lease_id"].as_str().unwrap().to_owned()
}

fn assert_same_seat(seat: &Value, other: &Value) {
    for field in ["lease_id", "epoch", "slot", "pool_id", "ttl_ms", "ticket", "chain"] {
        assert_eq!(seat[field], other[field], "{field}");
    }
}

#[test]
fn an_application_that_says_that_it_is_idle_is_not_renewed() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    let seat = checkout(&daemon, 1);
    let renew = |body: &str| daemon.post(&format!("/v1/leases/{}/renew", id(&seat)), body);
    assert_eq!(renew("{\"idle_ms\":3599999}").json()["decision"], "allow");
    let denial = renew("{\"idle_ms\":3600000}").json();
    assert_eq!((&denial["decision"], &denial["code"]), (&json!("deny"), &json!("IDLE_TIMEOUT")));
    assert_eq!(renew("{}").json()["decision"], "allow");
    assert_eq!(renew("{\"idle\":1}").status, 400);
}

#[test]
fn a_lease_is_taken_back_at_the_admin_door_only() {
    let rig = Rig::provisioned(2);
    let daemon = rig.run(&[]);
    let seat = checkout(&daemon, 1);
    let path = format!("/v1/leases/{}:force-release", id(&seat));
    let wish = "{\"reason\":\"test\"}";
    assert_eq!(daemon.post(&path, wish).status, 405, "applications have no such verb");
    assert_eq!(ask(&daemon.admin, post(&path, "{}").as_bytes()).code(), "INVALID_REQUEST", "no reason");
    assert_eq!(ask(&daemon.admin, post(&path.replace(":force", ":soft"), wish).as_bytes()).status, 404);
    let forced = ask(&daemon.admin, post(&path, wish).as_bytes()).json();
    assert_eq!((&forced["lease_id"], &forced["state"]), (&seat["lease_id"], &json!("DRAIN")));
    let metrics = daemon.ask(&get("/metrics")).body;
    let draining =
        metrics.lines().find(|line| line.starts_with("leasehold_node_seats{") && line.contains("draining"));
    assert!(draining.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    assert!(metrics.contains("leasehold_node_lease_endings_total{cause=\"forced\"} 1"), "{metrics}");
}
