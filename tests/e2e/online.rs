//! A vendor and a customer who are connected: what is sold, amended and revoked arrives by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::parallel;
use crate::site::{Daemon, Site};
use crate::vendor::{PRODUCT, Sale, Vendor};

/// What is new must be at a node within this.
const SOON: Duration = Duration::from_secs(5);
const REVOKES: usize = 50;

#[test]
fn an_upgrade_reaches_the_node_and_touches_no_lease() {
    let online = Online::selling(25);
    let _daemon = online.site.run();
    let held: BTreeSet<String> = (0..25).map(|number| online.seat(number)).collect();
    assert_eq!(online.denied().as_str(), "POOL_EXHAUSTED");
    online.vendor.json(&["grant", "amend", &online.grant, "--seats", "60"]);
    soon("60 seats", || online.site.json(&["pools"])["pools"][0]["seats"] == 60);
    assert_eq!(online.lease_ids(), held, "the same leases");
    let more: BTreeSet<String> = (25..60).map(|number| online.seat(number)).collect();
    assert_eq!(online.denied().as_str(), "POOL_EXHAUSTED");
    assert_eq!(online.lease_ids(), held.union(&more).cloned().collect());
}

#[test]
fn fifty_revokes_of_one_key_are_one_revocation_and_the_node_hears_of_it() {
    let online = Online::selling(2);
    let _daemon = online.site.run();
    let lease = online.seat(0);
    let key = "7".repeat(32);
    let args = ["grant", "revoke", &online.grant, "--reason", "unpaid", "--idempotency-key", &key];
    let answers = parallel::for_each(REVOKES, REVOKES, |_| online.vendor.json(&args));
    let revocations: BTreeSet<&str> =
        answers.iter().map(|answer| answer["revocation_id"].as_str().unwrap()).collect();
    assert_eq!(revocations.len(), 1);
    let records = online.vendor.json(&["audit", "query", "--kind", "grant_revoked"]);
    assert_eq!(records["records"].as_array().unwrap().len(), 1);
    let exposed = &answers[0]["exposure"][0];
    assert!(exposed["guaranteed_dead_by"].is_string(), "{exposed}");

    soon("the revocation", || online.denied() == "REVOKED");
    let renewed = online.site.app(&["renew", &lease]);
    assert_eq!((renewed.exit, renewed.code().as_str()), (2, "REVOKED"));
    assert_eq!(online.site.leases()[0]["state"], "DRAIN");
    soon("the receipt", || {
        let again = online.vendor.json(&["grant", "revoke", &online.grant, "--reason", "unpaid"]);
        again["exposure"][0]["applied_at"].is_string()
    });
}

#[test]
fn seats_are_served_while_the_issuer_is_down() {
    let mut online = Online::selling(3);
    let _daemon = online.site.run();
    soon("contact", || online.issuer_reachable() == json!(true));
    online.stop_issuer();
    online.seat(0);
    soon("the loss of contact", || online.issuer_reachable() == json!(false));
    let lease = online.seat(1);
    assert_eq!(online.site.app(&["renew", &lease]).done()["decision"], "allow");
    assert_eq!(online.site.json(&["status"])["trust_state"], "FRESH");
}

#[test]
fn a_shrink_frees_what_the_node_has_released() {
    let online = Online::selling(10);
    let _daemon = online.site.run();
    online.seat(0);
    let rows = online.vendor.json(&["allocation", "list"]);
    let allocation = rows["allocations"][0]["allocation_id"].as_str().unwrap();
    let wish = online.vendor.json(&["allocation", "shrink", allocation, "--seats", "4"]);
    assert_eq!((&wish["shrink_to"], &wish["freed"]), (&json!(4), &json!(0)), "a wish frees nothing");
    let free = || online.vendor.json(&["pool", "list"])["pools"][0]["free"].clone();
    soon("the release", || free() == json!(6));
    soon("four seats at the node", || online.site.json(&["pools"])["pools"][0]["seats"] == 4);
}

#[test]
fn an_enrolled_node_is_enrolled_again_with_its_own_code_only() {
    let online = Online::selling(1);
    let issuer = online.issuer.as_ref().unwrap().https();
    let enroll = |join: &str| online.site.node(&["enroll", "--issuer", issuer, "--join", join]);
    let before = online.site.json(&["status"])["node_id"].clone();
    for class in ["online", "air-gapped"] {
        let (_, join) = online.vendor.register_as(class, class);
        let refused = enroll(&join);
        assert_eq!((refused.exit, refused.code().as_str()), (73, "ALREADY_EXISTS"), "{class}");
    }
    let again = enroll(&online.join).done();
    assert_eq!((&again["already"], &again["changes"]), (&json!(true), &json!([])), "{again}");
    assert_eq!(online.site.json(&["status"])["node_id"], before);
}

#[test]
fn an_issuer_of_another_realm_is_told_apart() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let issuer = other.serve();
    let (_, join) = other.register_as("plant", "online");
    let site = Site::new(&vendor.trust_root(), "plant");
    let refused = site.node(&["enroll", "--issuer", issuer.https(), "--join", &join]);
    assert_eq!((refused.exit, refused.code().as_str()), (6, "BUNDLE_WRONG_REALM"), "{refused:?}");
}

#[test]
fn a_revoked_pool_is_worth_a_warning_until_another_one_serves() {
    let online = Online::selling(2);
    let _daemon = online.site.run();
    let pools = || online.site.json(&["pools"])["pools"].as_array().map(Vec::len);
    online.vendor.add_product("cam");
    let cam = online.vendor.sell(&Sale::of("cam", 1));
    online.vendor.allocate(&cam, "plant", 1, &[]);
    soon("the other product", || pools() == Some(2));
    assert_eq!(online.health(), (0, "ok".to_owned()));
    online.vendor.json(&["grant", "revoke", &online.grant, "--reason", "unpaid"]);
    soon("the revocation", || online.denied() == "REVOKED");
    assert_eq!(online.health(), (1, "warning".to_owned()));
    let pool = online.vendor.sell(&Sale::of(PRODUCT, 3));
    online.vendor.allocate(&pool, "plant", 3, &[]);
    soon("other seats", || pools() == Some(3));
    assert_eq!(online.health(), (0, "ok".to_owned()));
}

/// An issuer that serves, and a site whose node has enrolled there.
struct Online {
    vendor: Vendor,
    issuer: Option<Daemon>,
    site: Site,
    grant: String,
    join: String,
}

impl Online {
    fn selling(seats: u32) -> Self {
        let vendor = Vendor::new();
        let pool = vendor.sell(&Sale::of(PRODUCT, seats));
        let grants = vendor.json(&["grant", "list"]);
        let grant = grants["grants"][0]["grant_id"].as_str().unwrap().to_owned();
        let (node, join) = vendor.register_as("plant", "online");
        vendor.allocate(&pool, &node, seats, &[]);
        let issuer = vendor.serve();
        let site = Site::new(&vendor.trust_root(), "plant");
        site.json(&["enroll", "--issuer", issuer.https(), "--join", &join]);
        Self { vendor, issuer: Some(issuer), site, grant, join }
    }

    fn stop_issuer(&mut self) {
        self.issuer.take().unwrap().stop();
    }

    /// Checks a seat out; its lease.
    fn seat(&self, number: usize) -> String {
        let holder = format!("user{number}@e2e");
        let seat = self.site.app(&["checkout", "--product", PRODUCT, "--holder", &holder]).done();
        assert_eq!((&seat["decision"], &seat["proof"]), (&json!("allow"), &json!("verified")), "{seat}");
        seat["lease_id"].as_str().unwrap().to_owned()
    }

    /// The code of a checkout that is denied.
    fn denied(&self) -> String {
        self.site.app(&["checkout", "--product", PRODUCT, "--holder", "late@e2e"]).code()
    }

    /// The exit of the health check, and what the doctor says of trust.
    fn health(&self) -> (i32, String) {
        let doctor = self.site.json(&["doctor"]);
        let trust = doctor["checks"].as_array().unwrap().iter().find(|check| check["check"] == "trust");
        (self.site.node(&["healthcheck"]).exit, trust.unwrap()["verdict"].as_str().unwrap().to_owned())
    }

    fn lease_ids(&self) -> BTreeSet<String> {
        self.site.leases().iter().map(|lease| lease["lease_id"].as_str().unwrap().to_owned()).collect()
    }

    fn issuer_reachable(&self) -> Value {
        self.site.json(&["status"])["issuer"]["reachable"].clone()
    }
}

/// Asks again and again until it is so: each question is a process of its own.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "how long a person waits, not how long a promise lasts")]
pub(crate) fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "{what} did not come");
    }
}
