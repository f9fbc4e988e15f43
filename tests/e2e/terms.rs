//! Seats are given only while their grant and allocation are in force.

use serde_json::Value;

use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{DAY_S, Sale, Vendor, in_seconds};

#[test]
fn each_term_that_is_not_in_force_has_its_code() {
    let vendor = Vendor::new();
    let (node, join) = vendor.register("plant");
    let sell = |product: &str, from_s: i64, to_s: i64, grant: &[&str], allocation: &[&str]| {
        vendor.add_product(product);
        let (from, to) = (in_seconds(from_s), in_seconds(to_s));
        let pool = vendor.sell(&Sale { product, seats: 3, from, to, more: grant });
        vendor.allocate(&pool, &node, 3, allocation);
    };
    let soon = in_seconds(30);
    sell("early", 3 * DAY_S, 4 * DAY_S, &[], &[]);
    sell("ended", -30 * DAY_S, -2 * DAY_S, &[], &[]);
    sell("grace", -30 * DAY_S, -DAY_S, &["--grace", "7d"], &[]);
    sell("short", -DAY_S, 30 * DAY_S, &[], &["--until", &soon]);
    sell("sound", -DAY_S, 30 * DAY_S, &[], &[]);
    let site = Site::new(&vendor.trust_root(), "plant");
    site.carry_bundle(&vendor, Some(&join));
    let _daemon = site.run();

    let checkout = |product: &str| site.app(&["checkout", "--product", product]);
    denied(&checkout("early"), 2, "NOT_YET_EFFECTIVE");
    denied(&checkout("ended"), 2, "EXPIRED");
    denied(&checkout("short"), 4, "ALLOCATION_ENDED");
    denied(&checkout("never-sold"), 2, "NO_GRANT");
    denied(&site.app(&["checkout", "--product", "sound", "--feature", "fly"]), 2, "FEATURE_NOT_IN_PLAN");
    assert_eq!(allowed(&checkout("grace"))["code"], "ALLOWED_GRACE");
    assert_eq!(allowed(&checkout("sound"))["code"], "ALLOWED");
    assert_eq!(site.leases().len(), 2);
}

#[test]
fn no_more_is_allocated_than_was_sold() {
    let vendor = Vendor::new();
    let pool = vendor.sell(&Sale::of(crate::vendor::PRODUCT, 10));
    let (first, _) = vendor.register("first");
    let (second, _) = vendor.register("second");
    vendor.allocate(&pool, &first, 7, &[]);
    let over = vendor.run(&["allocation", "create", "--pool", &pool, "--node", &second, "--seats", "4"]);
    assert_eq!((over.exit, over.code().as_str()), (3, "ALLOCATION_EXCEEDS_POOL"));
    assert!(over.stderr.contains("\"free\":3"), "{over:?}");
    vendor.allocate(&pool, &second, 3, &[]);
}

fn allowed(done: &Done) -> Value {
    let seat = done.done();
    assert_eq!(seat["proof"], "verified");
    seat
}

#[track_caller]
fn denied(done: &Done, exit: i32, code: &str) {
    assert_eq!((done.exit, done.code().as_str()), (exit, code), "{done:?}");
    let denial = done.json();
    assert_eq!(denial["decision"], "deny");
    assert!(["detail", "hint"].iter().all(|field| !denial[*field].as_str().unwrap().is_empty()), "{denial}");
}
