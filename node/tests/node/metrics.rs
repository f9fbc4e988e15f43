//! What a node measures, as Prometheus reads it and as operators read about it.

use leasehold_tests::openmetrics::{MEDIA_TYPE, Metrics, documented};

use crate::rig::{Answer, Daemon, Rig, get};

#[test]
fn every_family_is_documented_and_every_documented_one_is_exposed() {
    let rig = Rig::provisioned(2);
    let exposed = scrape(&rig.run(&[])).kinds;
    assert_eq!(exposed, documented("leasehold_node_"));
}

#[test]
fn seats_and_answers_are_counted() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    let before = scrape(&daemon);
    assert_eq!(before.of("leasehold_node_seats", &["state=\"allocated\"", "product=\"cad\""]), Some(1));
    assert_eq!(before.of("leasehold_node_seats", &["state=\"in_use\""]), Some(0));
    assert_eq!(before.of("leasehold_node_trust_state", &["state=\"FRESH\""]), Some(1));
    assert_eq!(before.of("leasehold_node_trust_state", &["state=\"STALE\""]), Some(0));

    let lease = checkout(&daemon, 1);
    assert_eq!(lease.json()["decision"], "allow", "{lease:?}");
    let again = checkout(&daemon, 1);
    assert_eq!(again.json()["lease_id"], lease.json()["lease_id"], "the same key, the same seat");
    assert_eq!(checkout(&daemon, 2).json()["code"], "POOL_EXHAUSTED");
    let id = lease.json()["lease_id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.post(&format!("/v1/leases/{id}/renew"), "{}").status, 200);
    let held = scrape(&daemon);
    assert_eq!(held.of("leasehold_node_seats", &["state=\"in_use\""]), Some(1));
    assert_eq!(held.of("leasehold_node_checkouts_total", &["code=\"ALLOWED\"", "pool=\"pol_"]), Some(1));
    assert_eq!(held.of("leasehold_node_denials_total", &["code=\"POOL_EXHAUSTED\"", "pool=\"pol_"]), Some(1));
    assert_eq!(held.of("leasehold_node_renewals_total", &[]), Some(1));

    let delete = format!("DELETE /v1/leases/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(daemon.ask(&delete).status, 200);
    let after = scrape(&daemon);
    assert_eq!(after.of("leasehold_node_seats", &["state=\"in_use\""]), Some(0));
    assert_eq!(after.of("leasehold_node_lease_endings_total", &["cause=\"released\""]), Some(1));
    let frames = after.of("leasehold_node_journal_frames_total", &[]).unwrap();
    assert!(frames >= 4, "the first tick, a checkout, a renewal, a release: {frames}");
    assert_eq!(after.of("leasehold_node_journal_fsync_seconds_count", &[]), Some(frames));
    assert!(!after.text.contains("ann") && !after.text.contains("cad1"), "no holder: {}", after.text);
}

#[test]
fn a_node_without_a_bundle_says_so_and_has_no_ends() {
    let rig = Rig::initialised();
    let metrics = scrape(&rig.run(&[]));
    assert_eq!(metrics.of("leasehold_node_trust_state", &["state=\"UNPROVISIONED\""]), Some(1));
    for absent in ["last_sync_timestamp_seconds", "certificate_end_timestamp_seconds", "seats"] {
        assert_eq!(metrics.of(&format!("leasehold_node_{absent}"), &[]), None, "{absent}");
    }
}

#[test]
fn ends_are_those_of_the_artefacts() {
    let rig = Rig::provisioned(1);
    let status = rig.json(&["status"]);
    let metrics = scrape(&rig.run(&[]));
    let pool = &status["pools"][0];
    for (family, at) in [
        ("grant_end", &pool["grant_ends_at"]),
        ("allocation_end", &pool["allocations"][0]["not_after"]),
        ("last_sync", &status["issuer"]["last_sync_at"]),
    ] {
        let seconds = metrics.of(&format!("leasehold_node_{family}_timestamp_seconds"), &[]).unwrap();
        let text = at.as_str().unwrap();
        assert_eq!(unix_seconds(text), seconds, "{family} {text}");
    }
    assert!(metrics.of("leasehold_node_certificate_end_timestamp_seconds", &[]).unwrap() > 0);
}

fn checkout(daemon: &Daemon, key: u8) -> Answer {
    let holder = r#"{"user": "ann", "host": "cad1"}"#;
    let body = format!(r#"{{"product": "cad", "count": 1, "holder": {holder}, "key": "{key:032x}"}}"#);
    daemon.post("/v1/leases", &body)
}

fn unix_seconds(rfc3339: &str) -> i64 {
    let output = std::process::Command::new("date").args(["-d", rfc3339, "+%s"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn scrape(daemon: &Daemon) -> Metrics {
    let answer = daemon.ask(&get("/metrics"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains(&format!("content-type: {MEDIA_TYPE}")), "{}", answer.head);
    Metrics::parse(answer.body)
}
