//! A node without any network: requests and bundles are carried as files.

use std::fs;
use std::path::Path;
use std::process::Command;

use leasehold_protocol::armour::unarmour;
use serde_json::json;

use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Sale, Vendor};

const SEATS: u32 = 40;
/// How many bits of a bundle are flipped, one at a time, spread over all of it.
const FLIPS: usize = 48;

#[test]
fn a_node_in_a_network_of_its_own_serves_what_was_carried_in() {
    let vendor = Vendor::new();
    let pool = vendor.sell(&Sale::of(PRODUCT, 100));
    let (node, join) = vendor.register("island");
    vendor.allocate(&pool, &node, SEATS, &[]);
    let site = Site::around(&vendor.trust_root(), "island", network_of_its_own());
    let daemon = site.run();
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    assert_ne!(network(&daemon.pid().to_string()), network("self"));

    let early = site.app(&["checkout", "--product", PRODUCT]);
    assert_eq!((early.exit, early.code().as_str()), (4, "NODE_UNPROVISIONED"));
    assert!(early.json()["hint"].as_str().unwrap().contains("leasehold-node import"), "{early:?}");
    site.carry_bundle(&vendor, Some(&join));
    for _ in 0..SEATS {
        assert_eq!(site.app(&["checkout", "--product", PRODUCT]).done()["proof"], "verified");
    }
    let full = site.app(&["checkout", "--product", PRODUCT]);
    assert_eq!((full.exit, full.code().as_str()), (3, "POOL_EXHAUSTED"));

    let seq = site.seq();
    assert_eq!(site.import("bundle.lh").done()["result"], "already_applied");
    assert_eq!(site.seq(), seq, "nothing was written for it");
    site.carry_bundle(&vendor, None);
    assert_eq!(site.leases().len(), SEATS as usize, "a bundle that changes nothing ends nothing");
    daemon.stop();
}

#[test]
fn a_bundle_that_is_not_the_answer_changes_nothing() {
    let vendor = Vendor::new();
    let site = vendor.site_with("plant", 3);
    fs::copy(site.path("bundle.lh"), site.path("older.lh")).unwrap();
    site.carry_bundle(&vendor, None);
    site.request(&vendor, None, "next.lh");
    let daemon = site.run();
    let seq = site.seq();

    let foreign = |bundle: &Path| refused(&site, bundle, &[(6, "BUNDLE_WRONG_NODE")]);
    foreign(&vendor.site_with("other", 3).path("bundle.lh"));
    let stranger = Vendor::new().site_with("plant", 3);
    refused(&site, &stranger.path("bundle.lh"), &[(6, "BUNDLE_WRONG_REALM")]);
    refused(&site, &site.path("older.lh"), &[(6, "BUNDLE_ROLLBACK")]);

    let bundle = unarmour(&fs::read(site.path("next.lh")).unwrap()).unwrap();
    for length in [0, 1, 4, bundle.len() / 2, bundle.len() - 1] {
        refused_bytes(&site, &bundle[..length], &[(65, "MALFORMED")]);
    }
    refused_bytes(&site, &[&bundle[..], b"x"].concat(), &[(65, "MALFORMED")]);
    for flip in 0..FLIPS {
        let mut flipped = bundle.clone();
        flipped[flip * (bundle.len() - 1) / (FLIPS - 1)] ^= 1 << (flip % 8);
        let codes =
            [(6, "BAD_SIGNATURE"), (6, "BUNDLE_WRONG_REALM"), (65, "MALFORMED"), (65, "UNSUPPORTED_VERSION")];
        refused_bytes(&site, &flipped, &codes);
    }
    let mut forged = bundle.clone();
    *forged.last_mut().unwrap() ^= 1;
    refused_bytes(&site, &forged, &[(6, "BAD_SIGNATURE")]);

    assert_eq!(site.seq(), seq, "a refused bundle leaves no record");
    let dry = site.node(&["import", &site.text("next.lh"), "--dry-run"]).done();
    assert_eq!((&dry["result"], site.seq()), (&json!("would_apply"), seq));
    assert_eq!(site.import("next.lh").done()["result"], "applied");
    daemon.stop();
}

#[test]
fn a_node_that_asked_for_nothing_takes_nothing() {
    let vendor = Vendor::new();
    let other = vendor.site_with("other", 3);
    let site = Site::new(&vendor.trust_root(), "plant");
    refused(&site, &other.path("bundle.lh"), &[(6, "BUNDLE_WRONG_NODE")]);
    assert_eq!(site.seq(), 1);
}

/// A command that runs its arguments without any network. Without it this cannot be shown, and must not seem so.
fn network_of_its_own() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--map-root-user", "--net"]];
    let works =
        |way: &&&[&str]| Done::of(Command::new(way[0]).args(&way[1..]).arg("true").env_remove("_")).exit == 0;
    ways.iter().find(works).expect(
        "this machine allows no network namespace: run the tests as root, or allow unprivileged user namespaces",
    )
}

#[track_caller]
fn refused_bytes(site: &Site, bundle: &[u8], expected: &[(i32, &str)]) {
    let path = site.path("changed.lh");
    fs::write(&path, bundle).unwrap();
    refused(site, &path, expected);
}

#[track_caller]
fn refused(site: &Site, bundle: &Path, expected: &[(i32, &str)]) {
    let done = site.node(&["import", bundle.to_str().unwrap()]);
    assert!(done.stderr.starts_with("error: ") && done.stderr.contains("\nhint: "), "{done:?}");
    assert!(expected.contains(&(done.exit, done.code().as_str())), "{done:?}");
}
