//! The same key asks for the same seat.

use serde_json::Value;

use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const KEY: &str = "00112233445566778899aabbccddeeff";

#[test]
fn a_retry_gets_the_same_seat_before_and_after_a_restart() {
    let site = Vendor::new().site_with("plant", 2);
    let daemon = site.run();
    let first = checkout(&site);
    let second = checkout(&site);
    check_same(&first, &second);
    daemon.kill();

    let _daemon = site.run();
    let third = checkout(&site);
    check_same(&second, &third);
    assert_eq!(site.leases().len(), 1, "a retry takes no second seat");
    let other = site.app(&["checkout", "--product", PRODUCT, "--feature", "draw", "--key", KEY]);
    assert_eq!((other.exit, other.code().as_str()), (75, "KEY_CONFLICT"));
}

#[test]
fn after_its_end_a_key_is_answered_from_what_became_of_the_lease() {
    let site = Vendor::new().site_with("plant", 1);
    let _daemon = site.run();
    let lease = checkout(&site)["lease_id"].as_str().unwrap().to_owned();
    assert_eq!(site.app(&["renew", &lease]).done()["lease_id"], lease.as_str());
    assert_eq!(site.app(&["release", &lease]).done()["released"], true);
    assert_eq!(site.app(&["release", &lease]).done()["released"], false);
    let renewed = site.app(&["renew", &lease]);
    assert_eq!((renewed.exit, renewed.code().as_str()), (75, "LEASE_ENDED"));
    let again = site.app(&["checkout", "--product", PRODUCT, "--key", KEY]);
    assert_eq!((again.exit, again.code().as_str()), (75, "LEASE_ENDED"));
    let unknown = site.app(&["renew", &format!("lse_{}", "0".repeat(26))]);
    assert_eq!((unknown.exit, unknown.code().as_str()), (66, "LEASE_UNKNOWN"));
    assert!(site.leases().is_empty());
}

fn checkout(site: &Site) -> Value {
    site.app(&["checkout", "--product", PRODUCT, "--key", KEY]).done()
}

#[track_caller]
fn check_same(before: &Value, after: &Value) {
    for field in ["lease_id", "epoch", "slot", "pool_id", "ttl_ms", "ticket"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let milliseconds = |seat: &Value, field: &str| seat[field].as_i64().unwrap();
    for field in ["expires_in_ms", "stop_in_ms"] {
        assert!(milliseconds(after, field) < milliseconds(before, field), "{field} does not shrink");
    }
}
