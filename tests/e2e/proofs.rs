//! A seat is proved by signatures from the trust root down, or it is none.

use std::fs;
use std::path::Path;

use leasehold_protocol::armour::{armour, unarmour};
use leasehold_protocol::artefact::SeatProof;
use leasehold_protocol::bytes::Bytes;
use serde_json::Value;

use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor, in_seconds};

/// How many bits of a proof are flipped, one at a time, spread over all of it.
const FLIPS: usize = 48;

#[test]
fn a_saved_proof_needs_nothing_but_the_trust_root() {
    let vendor = Vendor::new();
    let (site, proof) = site_with_proof(&vendor, "plant");
    let valid = site.app(&["verify", &proof]);
    assert_eq!(valid.done()["valid"], true);
    assert_eq!((&valid.json()["live"], &valid.json()["failed_step"]), (&true.into(), &Value::Null));
    let later = site.app(&["verify", &proof, "--at", &in_seconds(3 * 86_400)]);
    assert_eq!((later.exit, &later.json()["valid"], &later.json()["live"]), (4, &true.into(), &false.into()));

    for stranger in [Vendor::new(), Vendor::sandbox()] {
        let done = site.app_that_trusts(&stranger.trust_root(), &["verify", &proof]);
        check_fails_at(&done, &["root", "grant"]);
    }
    let none = site.app_that_trusts(Path::new("/nowhere"), &["verify", &proof]);
    assert_eq!((none.exit, none.code().as_str()), (78, "TRUST_ROOT_MISSING"));
}

#[test]
fn each_link_of_a_proof_is_checked_and_named() {
    let vendor = Vendor::new();
    let (site, proof) = site_with_proof(&vendor, "plant");
    let (_other_site, other) = site_with_proof(&vendor, "other");
    let (proof, other) = (read(Path::new(&proof)), read(Path::new(&other)));
    let check = |change: &dyn Fn(&mut SeatProof), step: &str| {
        let mut changed = proof.clone();
        change(&mut changed);
        check_fails_at(&verify_bytes(&site, &changed.to_bytes()), &[step]);
    };
    assert_eq!(verify_bytes(&site, &proof.to_bytes()).exit, 0);
    check(&|proof| flip_last(&mut proof.chain.grant), "grant");
    check(&|proof| flip_last(&mut proof.chain.pool), "pool");
    check(&|proof| flip_last(&mut proof.chain.allocation), "allocation");
    check(&|proof| flip_last(&mut proof.chain.certificate), "certificate");
    check(&|proof| flip_last(&mut proof.ticket), "ticket");
    // Each of these is signed well, and belongs to another pool or node.
    check(&|proof| proof.chain.grant = other.chain.grant.clone(), "pool");
    check(&|proof| proof.chain.pool = other.chain.pool.clone(), "pool");
    check(&|proof| proof.chain.allocation = other.chain.allocation.clone(), "allocation");
    check(&|proof| proof.chain.certificate = other.chain.certificate.clone(), "certificate");
    check(&|proof| proof.ticket = other.ticket.clone(), "ticket");

    check_fails_at(&verify_bytes(&site, &proof.ticket.0), &["chain_missing"]);
}

#[test]
fn a_changed_proof_never_verifies() {
    let (site, proof) = site_with_proof(&Vendor::new(), "plant");
    let proof = unarmour(&fs::read(proof).unwrap()).unwrap();
    for flip in 0..FLIPS {
        let mut flipped = proof.clone();
        flipped[flip * (proof.len() - 1) / (FLIPS - 1)] ^= 1 << (flip % 8);
        let done = verify_bytes(&site, &flipped);
        assert!([6, 65].contains(&done.exit), "{done:?}");
    }
    for length in [0, 1, proof.len() / 2, proof.len() - 1] {
        assert_eq!(verify_bytes(&site, &proof[..length]).exit, 65);
    }
}

#[test]
fn a_node_of_another_vendor_gives_no_seat() {
    let site = Vendor::new().site_with("plant", 1);
    let _daemon = site.run();
    for stranger in [Vendor::new(), Vendor::sandbox()] {
        let done = site.app_that_trusts(&stranger.trust_root(), &["checkout", "--product", PRODUCT]);
        assert_eq!(done.exit, 6, "{done:?}");
        assert!(!done.stdout.contains("lse_"), "no lease is printed: {done:?}");
        assert!(site.leases().is_empty(), "a seat without a proof is given back");
    }
}

/// A site that has checked out a seat, and the file with its proof.
fn site_with_proof(vendor: &Vendor, name: &str) -> (Site, String) {
    let site = vendor.site_with(name, 1);
    let daemon = site.run();
    let proof = site.text("proof.lh");
    let seat = site.app(&["checkout", "--product", PRODUCT, "--proof", &proof]).done();
    assert_eq!(seat["proof"], "verified");
    daemon.stop();
    (site, proof)
}

fn read(path: &Path) -> SeatProof {
    SeatProof::from_bytes(&unarmour(&fs::read(path).unwrap()).unwrap()).unwrap()
}

fn flip_last(envelope: &mut Bytes) {
    *envelope.0.last_mut().unwrap() ^= 1;
}

fn verify_bytes(site: &Site, bytes: &[u8]) -> Done {
    let path = site.path("changed.lh");
    let text = armour(bytes).map_or_else(|_| bytes.to_vec(), String::into_bytes);
    fs::write(&path, text).unwrap();
    site.app(&["verify", path.to_str().unwrap()])
}

#[track_caller]
fn check_fails_at(done: &Done, steps: &[&str]) {
    assert_eq!(done.exit, 6, "{done:?}");
    let finding = done.json();
    assert_eq!((&finding["valid"], &finding["live"]), (&false.into(), &false.into()));
    assert!(steps.contains(&finding["failed_step"].as_str().unwrap()), "{finding}");
}
