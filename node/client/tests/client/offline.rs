//! `verify` and `inspect`: files and a trust root, nobody to ask.

use leasehold_protocol::armour::{armour, one_line, unarmour};
use serde_json::{Value, json};

use crate::fake_node::FakeNode;
use crate::program::{bare, finish, finish_json, finish_problem, leasehold};
use crate::vendor::Vendor;

/// A node and the proof of a seat that it gave, in `proof.lh`; issued at 16:00 on 2025-11-24 for 15 minutes.
fn proved() -> (FakeNode, Vec<u8>) {
    let node = FakeNode::honest();
    let file = node.path("proof.lh");
    let (exit, ..) =
        finish(leasehold(&node, &["checkout", "--product", "cad", "--proof", file.to_str().unwrap()]));
    assert_eq!(exit, 0);
    let line = std::fs::read(&file).unwrap();
    assert!(line.starts_with(b"lh1_proof_") && line.ends_with(b"\n"));
    (node, unarmour(&line).unwrap())
}

fn verify(node: &FakeNode, bytes: &[u8], more: &[&str]) -> (i32, Value) {
    let file = node.path("given.lh");
    std::fs::write(&file, bytes).unwrap();
    let args = [&["verify", "--json", file.to_str().unwrap()], more].concat();
    finish_json(leasehold(node, &args))
}

#[test]
fn a_saved_proof_verifies_with_the_trust_root_alone() {
    let (node, proof) = proved();
    for (at, exit, live) in [
        ("2025-11-24T15:59:59Z", 4, false),
        ("2025-11-24T16:00:00Z", 0, true),
        ("2025-11-24T16:19:59Z", 0, true),
        ("2025-11-24T16:20:00Z", 4, false),
    ] {
        let (found, document) = verify(&node, &proof, &["--at", at]);
        let expected = json!({"valid": true, "failed_step": null, "live": live, "at": at});
        assert_eq!((found, document), (exit, expected));
    }
    assert_eq!(verify(&node, &proof, &[]).0, 4, "now it is over");
    let block = armour(&proof).unwrap();
    assert_eq!(verify(&node, block.as_bytes(), &["--at", "2025-11-24T16:00:00Z"]).0, 0, "the block form");
    assert_eq!(verify(&node, &proof, &["--at", "2025-11-24", "--timezone", "UTC"]).0, 4);
}

#[test]
fn a_proof_that_is_not_ours_names_its_step() {
    let (node, proof) = proved();
    let other = node.path("other-root.lh");
    std::fs::write(&other, Vendor::new("another vendor").root).unwrap();
    let (exit, document) = verify(&node, &proof, &["--trust", other.to_str().unwrap()]);
    assert_eq!((exit, &document["valid"], &document["failed_step"]), (6, &json!(false), &json!("grant")));
}

#[test]
fn no_byte_of_a_proof_is_free() {
    let (node, proof) = proved();
    let mut steps = std::collections::BTreeSet::new();
    for at in (0..proof.len()).step_by(97) {
        let mut flipped = proof.clone();
        flipped[at] ^= 1;
        let file = node.path("given.lh");
        std::fs::write(&file, flipped).unwrap();
        let (exit, stdout, stderr) = finish(leasehold(&node, &["verify", "--json", file.to_str().unwrap()]));
        match exit {
            6 => {
                let document: Value = serde_json::from_str(&stdout).unwrap();
                steps.insert(document["failed_step"].as_str().unwrap().to_owned());
            }
            65 => {}
            _ => panic!("byte {at}: {exit} {stdout} {stderr}"),
        }
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    assert_eq!(steps, ["allocation", "certificate", "grant", "pool", "ticket"]);
}

#[test]
fn a_bare_ticket_lacks_its_chain() {
    let node = FakeNode::honest();
    let (_, seat) = finish_json(leasehold(&node, &["checkout", "--product", "cad", "--json"]));
    let (exit, document) = verify(&node, seat["ticket"].as_str().unwrap().as_bytes(), &[]);
    assert_eq!((exit, &document["failed_step"]), (6, &json!("chain_missing")));
}

#[test]
fn what_is_no_proof_is_unreadable() {
    let (node, proof) = proved();
    let line = one_line(&proof).unwrap();
    let root = Vendor::new("vendor").root;
    for bytes in [&b""[..], b"hello", &proof[..proof.len() - 1], &line.as_bytes()[..99], &root] {
        let file = node.path("given.lh");
        std::fs::write(&file, bytes).unwrap();
        let (exit, document) =
            finish_problem(leasehold(&node, &["verify", "--json", file.to_str().unwrap()]));
        assert_eq!((exit, &document["code"]), (65, &json!("MALFORMED")), "{} bytes", bytes.len());
    }
    assert_eq!(finish(leasehold(&node, &["verify", "/nonexistent"])).0, 66);
    assert_eq!(finish(bare(&["verify", node.path("proof.lh").to_str().unwrap()])).0, 78);
}

#[test]
fn inspect_shows_artefacts_verified_or_marked() {
    let (node, proof) = proved();
    let file = |name: &str, bytes: &[u8]| {
        let path = node.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let chain = Vendor::new("vendor").chain;
    let foreign = Vendor::new("another vendor").chain.pool.0;
    for (name, bytes, verified) in [
        ("root", Vendor::new("vendor").root, true),
        ("grant", chain.grant.0, true),
        ("allocation", chain.allocation.0, true),
        ("certificate", chain.certificate.0, true),
        ("proof", proof, true),
        ("pool", foreign, false),
    ] {
        let path = file(name, &bytes);
        let (exit, document) = finish_json(leasehold(&node, &["inspect", "--json", &path]));
        assert_eq!((exit, &document["type"], &document["verified"]), (0, &json!(name), &json!(verified)));
        let (exit, document) = finish_json(bare(&["inspect", "--json", &path]));
        assert_eq!((exit, &document["verified"]), (0, &json!(false)), "without a trust root");
        let (_, stdout, _) = finish(bare(&["inspect", &path]));
        assert!(stdout.starts_with("UNVERIFIED: "), "{stdout}");
    }
    assert_eq!(finish(leasehold(&node, &["inspect", &file("junk", b"junk")])).0, 65);
}
