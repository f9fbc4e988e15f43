//! Receipts, and seats that go back: with and without a daemon.

use std::fs;

use serde_json::{Value, json};

use crate::rig::Rig;

#[test]
fn a_receipt_names_the_bundle_in_force() {
    let rig = Rig::initialised();
    let early = rig.node(&["receipt", "--out", &rig.text("receipt.lh"), "--json"]);
    assert!(early.exit == 4 && early.stderr.contains("NODE_UNPROVISIONED"), "{early:?}");
    assert!(!rig.path("receipt.lh").exists());
    fs::write(rig.path("bundle.lh"), rig.new_bundle(1, 3)).unwrap();
    rig.json(&["import", &rig.text("bundle.lh")]);
    let seq = rig.json(&["status"])["journal"]["seq"].clone();
    assert_eq!(rig.node(&["receipt", "--out", &rig.text("receipt.lh"), "--dry-run"]).exit, 0);
    assert_eq!(rig.json(&["status"])["journal"]["seq"], seq, "a dry run writes nothing");
    let written = rig.json(&["receipt", "--out", &rig.text("receipt.lh")]);
    let described = inspect(&rig);
    assert_eq!(described["type"], "receipt");
    assert_eq!(described["digest"], written["digest"]);
    assert_eq!(described["content"]["bundle"], written["bundle"]);
}

#[test]
fn a_surrender_gives_free_seats_back_and_writes_what_tells_of_them() {
    for runs in [false, true] {
        let rig = Rig::provisioned(3);
        let daemon = runs.then(|| rig.run(&[]));
        let pool = rig.json(&["pools"])["pools"][0]["pool_id"].as_str().unwrap().to_owned();
        let out = rig.text("receipt.lh");
        let surrender = |seats: &str, more: &[&str]| {
            rig.node(
                &[&["surrender", "--pool", &pool, "--seats", seats, "--out", &out, "--json"], more].concat(),
            )
        };
        let refused = surrender("4", &[]);
        assert!(refused.exit == 3 && refused.stderr.contains("3 are free"), "{refused:?}");
        assert_eq!(surrender("2", &["--dry-run"]).exit, 0);
        assert!(!rig.path("receipt.lh").exists());
        assert_eq!(rig.json(&["pools"])["pools"][0]["seats"], 3, "nothing was done");
        let key = ["--idempotency-key", "00112233445566778899aabbccddeeff", "--reason", "a smaller site"];
        let done = surrender("2", &key);
        assert_eq!(done.exit, 0, "{done:?}");
        let given: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!((&given["seats"], &given["slots"]), (&json!(2), &json!([{"first": 1, "count": 2}])));
        let receipt = fs::read(rig.path("receipt.lh")).unwrap();
        let again = surrender("2", &key);
        assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), given, "done once");
        assert_eq!(fs::read(rig.path("receipt.lh")).unwrap(), receipt);
        let released = &inspect(&rig)["content"]["released"];
        assert_eq!(released.as_array().map(Vec::len), Some(1), "{released}");
        assert_eq!(rig.json(&["pools"])["pools"][0]["seats"], 1);
        drop(daemon);
        assert_eq!(rig.json(&["pools"])["pools"][0]["seats"], 1);
        assert_eq!(surrender("0", &[]).exit, 64);
    }
}

#[test]
fn a_pool_goes_by_the_sku_of_its_product() {
    let rig = Rig::provisioned(3);
    let out = rig.text("receipt.lh");
    let given = rig.json(&["surrender", "--pool", "CAD", "--seats", "1", "--out", &out]);
    assert_eq!(given["pool_id"], rig.json(&["pools"])["pools"][0]["pool_id"]);
    assert_eq!(rig.json(&["leases", "--pool", "cad"]), json!({"leases": []}));
    for args in
        [&["leases", "--pool", "cam"][..], &["surrender", "--pool", "cam", "--seats", "1", "--out", &out]]
    {
        assert_eq!(rig.node(args).exit, 66, "{args:?}");
    }
}

fn inspect(rig: &Rig) -> Value {
    rig.json(&["inspect", &rig.text("receipt.lh")])
}
