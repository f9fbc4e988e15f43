//! Nodes over TLS: asked only when they proved who they are.

use std::process::Command;

use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use serde_json::{Value, json};

use crate::door::{Authority, Door, names};
use crate::fake_node::{FakeNode, Node, Reply, problem};
use crate::program::{bare, finish, finish_json, finish_problem, leasehold};
use crate::vendor::Vendor;

const SECRET: &str = "lk_live_5f0c";

/// A checkout with a bearer key.
fn checkout(node: &FakeNode, more: &[&str]) -> Command {
    std::fs::write(node.path("key"), format!("{SECRET}\n")).unwrap();
    let key = node.path("key");
    let args = ["checkout", "--json", "--product", "cad", "--key-file"];
    leasehold(node, &[&args[..], &[key.to_str().unwrap()], more].concat())
}

fn whats(node: &FakeNode) -> Vec<String> {
    node.take_asked().into_iter().map(|asked| asked.what).collect()
}

/// It exits 6, saying at which step, and whoever answered heard nothing but the one question.
#[track_caller]
fn refused(node: &FakeNode, command: Command, step: &str) -> Value {
    let (exit, document) = finish_problem(command);
    assert_eq!((exit, &document["code"]), (6, &json!("PEER_UNTRUSTED")), "{document}");
    assert_eq!(document["step"], step, "{document}");
    let heard = node.heard();
    assert!(!heard.contains(SECRET) && !heard.contains("cad") && !heard.contains("POST"), "{heard}");
    assert!(heard.is_empty() || heard.starts_with("GET /v1/identity HTTP/1.1\r\n"), "{heard}");
    document
}

/// What a script answers who relays what the node of the vendor says of itself.
fn relayed(_: &Node) -> Reply {
    Reply::Json(200, json!(Vendor::new("vendor").identity(&[SpkiDigest([7; 32])])))
}

#[test]
fn a_node_that_proves_itself_is_asked() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, _, _| Reply::Honest);
    let (exit, seat) = finish_json(checkout(&node, &[]));
    assert_eq!((exit, &seat["proof"]), (0, &json!("verified")));
    let asked = node.take_asked();
    let whats: Vec<&str> = asked.iter().map(|asked| asked.what.as_str()).collect();
    assert_eq!(whats, ["GET /v1/identity", "POST /v1/leases", "GET /v1/proof"]);
    let bearer = format!("Bearer {SECRET}");
    let shown: Vec<Option<&str>> = asked.iter().map(|asked| asked.authorization.as_deref()).collect();
    assert_eq!(shown, [None, Some(&*bearer), Some(&*bearer)]);

    let lease = seat["lease_id"].as_str().unwrap();
    assert_eq!(finish(leasehold(&node, &["renew", lease])).0, 0);
    assert_eq!(finish(leasehold(&node, &["release", lease])).0, 0);
    assert_eq!(finish(leasehold(&node, &["status"])).0, 0);
    assert_eq!(finish(leasehold(&node, &["run", "--product", "cad", "--", "true"])).0, 0);
}

#[test]
fn another_vendors_node_is_not_asked() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("another vendor"), |_, _, _| Reply::Honest);
    let document = refused(&node, checkout(&node, &[]), "root");
    assert!(document["detail"].as_str().unwrap().contains("another realm"), "{document}");
    for verb in [&["status", "--json"][..], &["run", "--json", "--product", "cad", "--", "true"]] {
        refused(&node, leasehold(&node, verb), "root");
    }
}

#[test]
fn a_self_made_server_is_not_asked() {
    let unprovisioned =
        |_: &Node, _: &_, _| Reply::Json(200, json!({"node_id": null, "roots": [], "certificate": null}));
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), unprovisioned);
    refused(&node, checkout(&node, &[]), "chain_missing");
    // No node at all, but something that speaks HTTP.
    for reply in [(404, "<html>"), (200, "<html>"), (401, "{}"), (302, "")] {
        let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), move |_, _, _| {
            Reply::Bytes(reply.0, reply.1.as_bytes().to_vec())
        });
        refused(&node, checkout(&node, &[]), "chain_missing");
    }
    let node = FakeNode::behind(vec![Door::self_made()], Vendor::new("vendor"), |_, _, _| Reply::Honest);
    refused(&node, checkout(&node, &[]), "connection");
    assert_eq!(node.heard(), "");
}

#[test]
fn a_relayed_identity_does_not_help_who_is_in_the_middle() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |node, _, _| relayed(node));
    let document = refused(&node, checkout(&node, &[]), "connection");
    assert!(document["detail"].as_str().unwrap().contains("does not name the key"), "{document}");
    // Nor does a certificate that everybody else would believe.
    let door = Door::signed_by(&Authority::new(), names(), None);
    let node = FakeNode::behind(vec![door], Vendor::new("vendor"), |node, _, _| relayed(node));
    refused(&node, checkout(&node, &[]), "connection");
    assert_eq!(node.heard(), "");
}

#[test]
fn an_authority_of_the_customers_vouches_for_the_connection_but_not_for_the_node() {
    let authority = Authority::new();
    let door = Door::signed_by(&authority, names(), None);
    let behind = |door: &Door, vendor: &str| {
        let node =
            FakeNode::behind(vec![door.clone()], Vendor::new(vendor), move |node, asked, _| {
                match asked.what.as_str() {
                    "GET /v1/identity" => {
                        Reply::Json(200, json!(node.vendor.identity(&[SpkiDigest([7; 32])])))
                    }
                    _ => Reply::Honest,
                }
            });
        authority.write(&node.path("ca.pem"));
        node
    };
    let with_ca = |node: &FakeNode| checkout(node, &["--ca", node.path("ca.pem").to_str().unwrap()]);
    let node = behind(&door, "vendor");
    assert_eq!(finish_json(with_ca(&node)).0, 0);
    refused(&behind(&door, "vendor"), checkout(&behind(&door, "vendor"), &[]), "connection");

    let node = behind(&door, "another vendor");
    refused(&node, with_ca(&node), "root");
    // For another host, and by another authority.
    for door in [
        Door::signed_by(&authority, vec!["node.example".to_owned()], None),
        Door::signed_by(&Authority::new(), names(), None),
    ] {
        let node = behind(&door, "vendor");
        refused(&node, with_ca(&node), "connection");
        assert_eq!(node.heard(), "");
    }
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let door = Door::signed_by(&authority, names(), Some(&clients));
    let node = FakeNode::behind(vec![door], Vendor::new("vendor"), |_, _, _| Reply::Honest);
    let path = |name: &str| node.path(name).to_str().unwrap().to_owned();
    authority.write(&node.path("ca.pem"));
    clients.write_client(&node.path("client.pem"), &node.path("client.key"));
    let (ca, chain, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let with = ["--ca", &ca, "--client-cert", &chain, "--client-key", &key];
    assert_eq!(finish_json(checkout(&node, &with)).0, 0);
    assert_eq!(finish_problem(checkout(&node, &with[..2])).0, 5, "the node hangs up");
    assert_eq!(finish(checkout(&node, &with[..4])).0, 64);
}

#[test]
fn an_identity_that_never_comes_is_a_timeout_and_trouble_is_no_forgery() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, _, _| Reply::Silent);
    let (exit, document) = finish_problem(checkout(&node, &["--timeout", "500ms"]));
    assert_eq!((exit, &document["code"]), (5, &json!("TIMEOUT")));
    for reply in [Code::Overloaded, Code::ShuttingDown] {
        let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), move |_, asked, before| {
            if asked.what == "GET /v1/identity" && before == 0 { problem(reply) } else { Reply::Honest }
        });
        assert_eq!(finish_json(checkout(&node, &[])).0, 0, "{reply}");
    }
    let cut = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, _, _| Reply::Cut);
    assert_eq!(finish_problem(checkout(&cut, &["--timeout", "500ms"])).0, 5);
    for node in [node, cut] {
        assert!(!node.heard().contains(SECRET) && !node.heard().contains("POST"));
    }
}

#[test]
fn an_endless_identity_is_cut_off() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, _, _| {
        Reply::Bytes(200, vec![b' '; leasehold_client::limits::IDENTITY_BYTES + 1])
    });
    assert_eq!(finish_problem(checkout(&node, &["--timeout", "500ms"])).0, 5);
}

#[test]
fn a_proved_key_is_remembered_and_another_one_must_be_proved() {
    let (first, second) = (Door::raw(), Door::raw());
    // Each connection carries one call, then the node closes it.
    let doors = vec![first.clone(), first, second.clone(), second];
    let node = FakeNode::behind(doors, Vendor::new("vendor"), |_, asked, before| {
        match (asked.what.as_str(), before) {
            ("POST /v1/leases", 0..3) => Reply::Cut,
            _ => Reply::Honest,
        }
    });
    assert_eq!(finish_json(checkout(&node, &[])).0, 0);
    let (ask, take) = ("GET /v1/identity", "POST /v1/leases");
    assert_eq!(whats(&node), [ask, take, take, ask, take, take, "GET /v1/proof"]);
}

#[test]
fn a_key_that_changes_to_a_strangers_ends_it() {
    let node =
        FakeNode::behind(vec![Door::raw(), Door::raw()], Vendor::new("vendor"), |node, asked, n| {
            match (asked.what.as_str(), n) {
                ("GET /v1/identity", 0) => Reply::Honest,
                ("GET /v1/identity", _) => relayed(node),
                _ => Reply::Cut,
            }
        });
    let (exit, document) = finish_problem(checkout(&node, &[]));
    assert_eq!((exit, &document["step"]), (6, &json!("connection")));
    assert_eq!(whats(&node), ["GET /v1/identity", "POST /v1/leases", "GET /v1/identity"]);
}

#[test]
fn addresses_of_both_forms_stand_in_for_each_other() {
    let honest = |_: &Node, _: &_, _| Reply::Honest;
    let stranger = FakeNode::behind(vec![Door::raw()], Vendor::new("another vendor"), honest);
    let remote = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), honest);
    let local = FakeNode::honest();
    let gone = "https://127.0.0.1:9";
    for good in [&remote, &local] {
        for bad in [&stranger.address(), gone, "unix:/nonexistent/node.sock"] {
            let addresses = format!("{bad},{}", good.address());
            assert_eq!(finish_json(checkout(good, &["--node", &addresses])).0, 0, "{addresses}");
        }
    }
    let asked = local.take_asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.authorization.is_none()), "the kernel knows");
    let both = format!("{},{}", stranger.address(), stranger.address());
    refused(&stranger, checkout(&stranger, &["--node", &both]), "root");
}

#[test]
fn nobody_there_is_unreachable() {
    let node = FakeNode::honest();
    let (exit, document) =
        finish_problem(checkout(&node, &["--timeout", "300ms", "--node", "https://127.0.0.1:9"]));
    assert_eq!((exit, &document["code"]), (5, &json!("UNREACHABLE")));
}

#[test]
fn what_cannot_be_used_is_a_wrong_configuration() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, _, _| Reply::Honest);
    std::fs::write(node.path("two words"), "two words").unwrap();
    let (missing, words) = (node.path("missing"), node.path("two words"));
    let (missing, words) = (missing.to_str().unwrap(), words.to_str().unwrap());
    for (args, expected) in [
        (&["--ca", missing][..], 78),
        (&["--ca", words], 78),
        (&["--key-file", words], 78),
        (&["--key-file", missing], 66),
        (&["--client-cert", words, "--client-key", words], 78),
        (&["--node", "https://127.0.0.1:0"], 78),
        (&["--node", "http://127.0.0.1:80"], 78),
    ] {
        let (exit, document) =
            finish_problem(leasehold(&node, &[&["renew", "--json"], args, &[LEASE]].concat()));
        assert_eq!(exit, expected, "{args:?} {document}");
        assert!(!document.to_string().contains("two words\""), "a secret is not repeated");
    }
    // Without a trust root nobody can be proved.
    let (exit, document) = finish_problem(bare(&["status", "--json", "--node", &node.address()]));
    assert_eq!((exit, &document["code"]), (78, &json!("TRUST_ROOT_MISSING")));
    assert_eq!(node.heard(), "");
}

const LEASE: &str = "lse_041061050r3gg28a1c60t3gf21";

#[test]
fn attempts_are_told_to_who_wants_to_know() {
    let node = FakeNode::behind(vec![Door::raw()], Vendor::new("vendor"), |_, asked, before| {
        if asked.what == "POST /v1/leases" && before == 0 { Reply::Cut } else { Reply::Honest }
    });
    let (exit, _, stderr) = finish(checkout(&node, &["-v"]));
    assert_eq!(exit, 0);
    let connecting = format!("connecting address={}", node.address());
    assert_eq!(stderr.matches(&connecting).count(), 2, "{stderr}");
    assert!(stderr.contains("no answer") && stderr.contains("UNREACHABLE"), "{stderr}");
    assert!(!stderr.contains(SECRET), "{stderr}");
    assert_eq!(finish(checkout(&node, &[])).2, "");
}
