//! What becomes of seats that are given back, taken back, wanted back, or used beyond what was sold.

use serde_json::{Value, json};

use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Sale, Vendor};

/// A site whose node serves so many seats of a pool with these terms.
fn site(vendor: &Vendor, seats: u32, terms: &[&str], served: u32) -> (Site, String) {
    let pool = vendor.sell(&Sale { more: terms, ..Sale::of(PRODUCT, seats) });
    let (node, join) = vendor.register("plant");
    let row = vendor.allocate(&pool, &node, served, &["--movable"]);
    let site = Site::new(&vendor.trust_root(), "plant");
    site.carry_bundle(vendor, Some(&join));
    (site, row["allocation_id"].as_str().unwrap().to_owned())
}

impl Site {
    fn checkout_as(&self, user: &str, more: &[&str]) -> Done {
        let holder = format!("{user}@desk");
        self.app(&[&["checkout", "--product", PRODUCT, "--holder", &holder], more].concat())
    }

    fn states(&self) -> Vec<String> {
        self.leases().iter().map(|lease| text(lease, "state")).collect()
    }

    fn pool(&self) -> Value {
        self.json(&["status"])["pools"][0].clone()
    }

    fn restarted(&self, daemon: crate::site::Daemon) -> crate::site::Daemon {
        daemon.kill();
        self.run()
    }
}

fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or_else(|| panic!("{document}")).to_owned()
}

#[track_caller]
fn lease(done: &Done) -> String {
    text(&done.done(), "lease_id")
}

#[test]
fn a_forced_release_ends_a_lease_with_its_promise() {
    let vendor = Vendor::new();
    let (site, _) = site(&vendor, 1, &[], 1);
    let offline =
        site.node(&["lease", "release", "lse_00000000000000000000000000", "--force", "--reason", "test"]);
    assert_eq!((offline.exit, offline.code().as_str()), (5, "UNREACHABLE"), "it says that it needs a daemon");
    let daemon = site.run();
    let held = lease(&site.checkout_as("ann", &[]));

    let force = |more: &[&str]| site.node(&[&["lease", "release", &held], more].concat());
    assert_eq!(force(&["--reason", "the laptop is lost"]).exit, 64, "against its holder only with --force");
    assert_eq!(force(&["--force"]).exit, 64, "and with a reason");
    let dry = force(&["--force", "--reason", "the laptop is lost", "--dry-run"]).done();
    assert_eq!(dry["state"], "DRAIN");
    assert_eq!(site.states(), ["ACTIVE"], "nothing was done");
    let keyed = [
        "--force",
        "--reason",
        "the laptop is lost",
        "--idempotency-key",
        "00112233445566778899aabbccddeeff",
    ];
    let first = force(&keyed).done();
    assert!(first["free_in_ms"].as_i64().unwrap() > 900_000, "TTL and the node's grace: {first}");
    assert_eq!(force(&keyed).done(), first, "the same work, once");
    let unknown =
        site.node(&["lease", "release", "lse_00000000000000000000000000", "--force", "--reason", "test"]);
    assert_eq!((unknown.exit, unknown.code().as_str()), (66, "LEASE_UNKNOWN"));

    let daemon = site.restarted(daemon);
    assert_eq!(site.states(), ["DRAIN"]);
    assert_eq!((&site.pool()["in_use"], &site.pool()["draining"]), (&json!(1), &json!(1)));
    let renewal = site.app(&["renew", &held]);
    assert_eq!((renewal.exit, renewal.code().as_str()), (2, "DRAINING"), "{renewal:?}");
    let denial = site.checkout_as("bob", &[]);
    assert_eq!(denial.exit, 3, "{denial:?}");
    let denial = denial.json();
    assert_eq!(denial["held_by"], json!(["ann@desk"]));
    assert!(denial["retry_after_ms"].as_i64() > Some(800_000), "{denial}");
    assert_eq!(site.app(&["release", &held]).done()["released"], true, "its holder may end it");
    lease(&site.checkout_as("bob", &[]));
    drop(daemon);
}

#[test]
fn a_released_seat_lingers_for_its_user_and_host() {
    let vendor = Vendor::new();
    let (site, _) = site(&vendor, 1, &["--linger", "10m"], 1);
    let daemon = site.run();
    let first = site.checkout_as("ann", &[]).done();
    assert_eq!(site.app(&["release", &text(&first, "lease_id")]).done()["released"], true);
    assert_eq!(site.states(), ["LINGER"]);
    let daemon = site.restarted(daemon);
    assert_eq!((&site.pool()["in_use"], &site.pool()["lingering"]), (&json!(1), &json!(1)));
    let denial = site.checkout_as("bob", &[]);
    assert_eq!(denial.exit, 3, "{denial:?}");
    assert!(denial.json()["retry_after_ms"].as_i64() <= Some(600_000), "{denial:?}");
    let again = site.checkout_as("ann", &[]).done();
    assert_eq!(again["slot"], first["slot"]);
    assert_ne!(again["lease_id"], first["lease_id"]);
    assert_eq!(site.states(), ["ACTIVE"]);
    drop(daemon);
}

#[test]
fn a_shrink_below_use_drains_the_newest_leases_and_arrives_at_the_vendor() {
    let vendor = Vendor::new();
    let (site, row) = site(&vendor, 4, &[], 4);
    let daemon = site.run();
    let leases: Vec<String> =
        ["ann", "bob", "eve", "joe"].map(|user| lease(&site.checkout_as(user, &[]))).into();
    vendor.json(&["allocation", "shrink", &row, "--seats", "2"]);
    site.carry_bundle(&vendor, None);
    assert_eq!(site.states(), ["ACTIVE", "ACTIVE", "DRAIN", "DRAIN"]);
    assert_eq!((&site.pool()["seats"], &site.pool()["draining"]), (&json!(4), &json!(2)));
    let exits: Vec<i32> = leases.iter().map(|lease| site.app(&["renew", lease]).exit).collect();
    assert_eq!(exits, [0, 0, 2, 2]);
    for (freed, lease) in [&leases[1], &leases[3]].into_iter().enumerate() {
        site.app(&["release", lease]).done();
        assert_eq!(site.pool()["seats"], 3 - freed, "what is given back goes back");
        assert_eq!(site.checkout_as("sue", &[]).exit, 3, "and to nobody here");
    }
    assert_eq!(site.app(&["renew", &leases[2]]).exit, 0, "no more than may stay: it goes on after all");
    let daemon = site.restarted(daemon);
    site.json(&["receipt", "--out", &site.text("receipt.lh")]);
    vendor.json(&["bundle", "receive", &site.text("receipt.lh")]);
    site.carry_bundle(&vendor, None);
    assert_eq!(
        (site.pool()["seats"].clone(), site.states()),
        (json!(2), vec!["ACTIVE".into(), "ACTIVE".into()])
    );
    drop(daemon);
}

#[test]
fn the_overdraft_is_served_flagged_and_several_seats_come_together_or_not_at_all() {
    let vendor = Vendor::new();
    let (site, _) = site(&vendor, 2, &["--overdraft", "2"], 4);
    let _daemon = site.run();
    let key = ["--key", "000102030405060708090a0b0c0d0e0f"];
    let wide = ["--count", "3", "--feature", "draw", key[0], key[1]];
    let one = site.checkout_as("ann", &[]).done();
    assert_eq!((&one["code"], &one["slot"]), (&json!("ALLOWED"), &json!(0)));
    let three = site.checkout_as("bob", &wide).done();
    assert_eq!((&three["code"], &three["slots"]), (&json!("ALLOWED_OVERAGE"), &json!([1, 2, 3])));
    assert_eq!((&three["slot"], &three["features"]), (&Value::Null, &json!(["draw"])));
    let again = site.checkout_as("bob", &wide).done();
    assert_eq!((&again["slots"], &again["ticket"]), (&three["slots"], &three["ticket"]), "a retry");
    let shown: Vec<Value> =
        site.leases().iter().map(|lease| json!([lease["holder"], lease["overage"]])).collect();
    assert_eq!(shown, [json!(["ann@desk", null]), json!(["bob@desk", true])]);
    assert_eq!(site.pool()["overage"], 2);
    site.app(&["release", &text(&one, "lease_id")]).done();
    let denial = site.checkout_as("eve", &["--count", "2"]);
    assert_eq!((denial.exit, site.leases().len()), (3, 1), "one of two is not given: {denial:?}");
    assert_eq!(
        site.checkout_as("eve", &["--count", "5"]).json()["retry_after_ms"],
        Value::Null,
        "it never will be"
    );
    assert_eq!(site.checkout_as("eve", &["--feature", "render"]).code(), "FEATURE_NOT_IN_PLAN");
}
