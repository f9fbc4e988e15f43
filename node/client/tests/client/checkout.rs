//! `checkout`, `renew`, `release`, `status`.

use leasehold_client::limits::ANSWER_BYTES;
use leasehold_protocol::code::Code;
use serde_json::{Value, json};

use crate::fake_node::{FakeNode, Reply, denial, problem, status};
use crate::program::{bare, finish, finish_json, finish_problem, leasehold};
use crate::vendor::{Given, Vendor, lease, wish};

const CHECKOUT: [&str; 6] = ["checkout", "--json", "--product", "cad", "--feature", "base"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&CHECKOUT[..], more].concat()
}

#[test]
fn an_allowed_checkout_has_the_fields_of_the_command_line() {
    let node = FakeNode::honest();
    let (exit, seat) = finish_json(leasehold(&node, &with(&["--holder", "ada@corp@ws-17"])));
    assert_eq!(exit, 0);
    let names: Vec<&str> = seat.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "decision",
        "code",
        "lease_id",
        "epoch",
        "pool_id",
        "slot",
        "product",
        "features",
        "holder",
        "ttl_ms",
        "age_ms",
        "expires_in_ms",
        "stop_in_ms",
        "proof",
        "ticket",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(seat["decision"], "allow");
    assert_eq!(seat["code"], "ALLOWED");
    assert_eq!(seat["epoch"], (1_u64 << 40 | 1).to_string());
    assert_eq!(
        (&seat["slot"], &seat["holder"], &seat["proof"]),
        (&json!(1), &json!("ada@corp@ws-17"), &json!("verified"))
    );
    assert!(seat["ticket"].as_str().unwrap().starts_with("lh1_lease_"));
    let number = |name: &str| seat[name].as_i64().unwrap();
    assert_eq!(number("expires_in_ms"), number("ttl_ms") - number("age_ms"));
    assert_eq!(number("stop_in_ms"), number("ttl_ms") / 5 * 4 - number("age_ms"));
}

#[test]
fn several_seats_are_slots() {
    let node = FakeNode::honest();
    let (exit, seat) = finish_json(leasehold(&node, &with(&["--count", "3"])));
    assert_eq!((exit, &seat["slots"], seat.get("slot")), (0, &json!([1, 2, 3]), None));
}

#[test]
fn people_get_a_sentence_and_the_next_command() {
    let node = FakeNode::honest();
    let (exit, stdout, _) = finish(leasehold(&node, &["checkout", "--product", "cad"]));
    assert_eq!(exit, 0);
    assert!(stdout.starts_with(&format!("checked out {}: cad, seat 1 for ", lease(1))), "{stdout}");
    assert!(stdout.ends_with(&format!("next: leasehold release {}\n", lease(1))), "{stdout}");
}

#[test]
fn what_is_asked_reaches_the_node() {
    let node = FakeNode::honest();
    let key = "00112233445566778899aabbccddeeff";
    let args = with(&[
        "--feature",
        "base",
        "--feature",
        "render",
        "--key",
        key,
        "--ttl",
        "5m",
        "--holder",
        "ada@ws-17",
    ]);
    finish(leasehold(&node, &args));
    let body: Value = serde_json::from_slice(&node.wait_for("POST /v1/leases").body).unwrap();
    assert_eq!(
        body,
        json!({"product": "cad", "features": ["base", "render"], "count": 1, "key": key, "ttl_ms": 300_000,
            "holder": {"user": "ada", "host": "ws-17"}})
    );
}

#[test]
fn denials_are_answers_with_the_exit_of_their_code() {
    for code in
        [Code::NoGrant, Code::Expired, Code::PoolExhausted, Code::NodeUnprovisioned, Code::AllocationEnded]
    {
        let node = FakeNode::start(move |_, _, _| denial(code));
        let (exit, document) = finish_json(leasehold(&node, &CHECKOUT));
        assert_eq!(exit, i32::from(code.exit()), "{code}");
        assert_eq!((&document["decision"], &document["code"]), (&json!("deny"), &json!(code)), "{code}");
        assert_eq!((&document["held_by"], document.get("queue_position")), (&json!(["eve@ws-18"]), None));
    }
}

#[test]
fn a_denial_with_a_code_of_a_newer_node_is_a_denial() {
    let denied = json!({"decision": "deny", "code": "MOON_PHASE", "detail": "wrong phase", "hint": "wait",
        "retry_after_ms": 5, "new_field": 1});
    let node = FakeNode::start(move |_, _, _| Reply::Json(200, denied.clone()));
    let (exit, document) = finish_json(leasehold(&node, &CHECKOUT));
    assert_eq!((exit, &document["code"]), (2, &json!("UNRECOGNISED")));
    assert_eq!(
        (&document["detail"], &document["hint"], &document["retry_after_ms"]),
        (&json!("MOON_PHASE: wrong phase"), &json!("wait"), &json!(5))
    );
    assert_eq!(node.take_asked().len(), 1, "a decision is final");
}

#[test]
fn refusals_are_problems_with_the_exit_of_their_code() {
    for code in [Code::KeyConflict, Code::LeaseEnded, Code::InvalidRequest] {
        let node = FakeNode::start(move |_, _, _| problem(code));
        let (exit, document) = finish_problem(leasehold(&node, &CHECKOUT));
        assert_eq!((exit, &document["code"]), (i32::from(code.exit()), &json!(code)));
        assert_eq!(node.take_asked().len(), 1, "{code} is final");
    }
}

#[test]
fn a_retry_after_a_cut_connection_or_503_keeps_its_key() {
    let node = FakeNode::start(|_, asked, before| match (asked.what.as_str(), before) {
        ("POST /v1/leases" | "GET /v1/proof", 0) => Reply::Cut,
        ("POST /v1/leases", 1) => problem(Code::Overloaded),
        ("POST /v1/leases", 2) => Reply::Bytes(502, b"<html>a proxy</html>".to_vec()),
        ("POST /v1/leases", 3) => Reply::Bytes(200, b"<html>no node</html>".to_vec()),
        _ => Reply::Honest,
    });
    let (exit, _) = finish_json(leasehold(&node, &CHECKOUT));
    assert_eq!(exit, 0);
    let bodies: Vec<Vec<u8>> = node
        .take_asked()
        .into_iter()
        .filter(|asked| asked.what == "POST /v1/leases")
        .map(|a| a.body)
        .collect();
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "the same key, the same wish");
}

#[test]
fn silence_ends_with_the_timeout() {
    let silent = FakeNode::start(|_, _, _| Reply::Silent);
    let before = leasehold_clock::read().unwrap();
    for verb in [with(&["--timeout", "300ms"]), vec!["status", "--json", "--timeout", "300ms"]] {
        let (exit, document) = finish_problem(leasehold(&silent, &verb));
        assert_eq!((exit, &document["code"]), (5, &json!("TIMEOUT")), "{verb:?}");
    }
    let mut nobody = leasehold(&silent, &with(&["--timeout", "300ms"]));
    nobody.env("LEASEHOLD_NODE", "unix:/nonexistent/node.sock");
    let (exit, document) = finish_problem(nobody);
    assert_eq!((exit, &document["code"]), (5, &json!("UNREACHABLE")));
    let took_ms = leasehold_clock::read().unwrap().boottime_ms - before.boottime_ms;
    assert!((900..10_000).contains(&took_ms), "{took_ms}");
}

#[test]
fn the_next_address_serves_when_the_first_is_gone() {
    let node = FakeNode::honest();
    let addresses = format!("unix:/nonexistent/node.sock,{}", node.address());
    for verb in [&CHECKOUT[..], &["status", "--json"]] {
        let (exit, _) = finish_json(leasehold(&node, &[verb, &["--node", &addresses]].concat()));
        assert_eq!(exit, 0, "{verb:?}");
    }
}

#[test]
fn waiting_ends_with_a_seat_or_with_the_denial() {
    let node = FakeNode::start(|_, asked, before| match (asked.what.as_str(), before) {
        ("POST /v1/leases", 0..3) => denial(Code::PoolExhausted),
        _ => Reply::Honest,
    });
    assert_eq!(finish_json(leasehold(&node, &with(&["--wait", "20s"]))).0, 0);
    let full = FakeNode::start(|_, _, _| denial(Code::PoolExhausted));
    assert_eq!(finish_json(leasehold(&full, &with(&["--wait", "500ms"]))).0, 3);
    assert!(full.take_asked().len() > 1);
}

#[test]
fn a_node_of_another_vendor_gives_no_seat_and_gets_it_back() {
    let node = FakeNode::of(Vendor::new("another vendor"), 900_000, |_, _, _| Reply::Honest);
    let (exit, document) = finish_problem(leasehold(&node, &CHECKOUT));
    assert_eq!((exit, &document["code"], &document["step"]), (6, &json!("PROOF_INVALID"), &json!("grant")));
    assert!(document["detail"].as_str().unwrap().contains("step grant"), "{document}");
    assert_eq!(node.wait_for("DELETE /v1/leases").path, format!("/v1/leases/{}", lease(1)));
}

#[test]
fn a_forged_ticket_gives_no_seat() {
    let node = FakeNode::start(|node, asked, _| {
        let given = Given { lease: 1, issue: 0, ttl_ms: 900_000, age_ms: 0 };
        match asked.what.as_str() {
            "POST /v1/leases" => {
                let forged = Vendor::new("another vendor").seat(&wish(), given);
                let seat = leasehold_protocol::api::Seat {
                    ticket: forged.ticket,
                    ..node.vendor.seat(&wish(), given)
                };
                Reply::Json(200, json!(leasehold_protocol::api::Decision::Allow(seat)))
            }
            _ => Reply::Honest,
        }
    });
    let (exit, document) = finish_problem(leasehold(&node, &with(&["--holder", "ada@ws-17"])));
    assert_eq!((exit, &document["step"]), (6, &json!("ticket")));
    node.wait_for("DELETE /v1/leases");
}

#[test]
fn the_size_of_an_answer_is_bounded() {
    for (bytes, expected) in [(ANSWER_BYTES - 1, 0), (ANSWER_BYTES, 0), (ANSWER_BYTES + 1, 5)] {
        let node = FakeNode::start(move |_, _, _| {
            let mut answer = status().to_string().into_bytes();
            answer.resize(bytes, b' ');
            Reply::Bytes(200, answer)
        });
        let (exit, _, stderr) = finish(leasehold(&node, &["status", "--json"]));
        assert_eq!(exit, expected, "{bytes}: {stderr}");
    }
}

#[test]
fn renew_and_release_need_the_lease_alone() {
    let node = FakeNode::honest();
    let id = lease(1).to_string();
    let (exit, seat) = finish_json(leasehold(&node, &["renew", "--json", &id]));
    assert_eq!((exit, &seat["lease_id"], &seat["proof"]), (0, &json!(id), &json!("verified")));
    assert_eq!(node.wait_for("POST /v1/leases/renew").body, b"");
    let (exit, answer) = finish_json(leasehold(&node, &["release", &id, "--json"]));
    assert_eq!((exit, answer), (0, json!({"released": true})));

    for (code, expected) in [(Code::LeaseUnknown, 66), (Code::LeaseLost, 75), (Code::LeaseEnded, 75)] {
        let node = FakeNode::start(move |_, _, _| problem(code));
        assert_eq!(finish_problem(leasehold(&node, &["renew", &id, "--json"])).0, expected, "{code}");
    }
    let node = FakeNode::start(|_, _, _| Reply::Json(200, json!({"released": false})));
    let (exit, answer) = finish_json(leasehold(&node, &["release", &id, "--json"]));
    assert_eq!((exit, answer), (0, json!({"released": false})));
}

#[test]
fn status_is_what_the_node_says() {
    let node = FakeNode::honest();
    let (exit, status) = finish_json(leasehold(&node, &["status", "--json"]));
    assert_eq!((exit, &status["trust_state"]), (0, &json!("UNPROVISIONED")));
    let cut = FakeNode::start(|_, _, _| Reply::Cut);
    assert_eq!(finish_problem(leasehold(&cut, &["--json", "status"])).0, 5);
    assert_eq!(cut.take_asked().len(), 1, "status tries once");
}

#[test]
fn wrong_command_lines_exit_64_and_wrong_configurations_78() {
    let node = FakeNode::honest();
    for args in [
        &["checkout"][..],
        &["checkout", "--product", "cad", "--count", "0"],
        &["checkout", "--product", "cad", "--count", "-1"],
        &["checkout", "--product", "cad", "--key", "0011"],
        &["checkout", "--product", "cad", "--holder", "ada"],
        &["checkout", "--product", "cad", "--wait", "5"],
        &["renew", "lse_x"],
        &["run", "--product", "cad"],
    ] {
        assert_eq!(finish(leasehold(&node, args)).0, 64, "{args:?}");
    }
    for address in ["http://node:7580", "node", "unix:relative"] {
        let (exit, document) = finish_problem(leasehold(&node, &with(&["--node", address])));
        assert_eq!((exit, &document["code"]), (78, &json!("CONFIG_INVALID")), "{address}");
    }
    let (exit, document) = finish_problem(bare(&CHECKOUT));
    assert_eq!((exit, &document["code"]), (78, &json!("TRUST_ROOT_MISSING")));
    let (exit, document) =
        finish_problem(leasehold(&node, &with(&["--trust", "/nonexistent/trust-root.lh"])));
    assert_eq!((exit, &document["code"]), (78, &json!("TRUST_ROOT_MISSING")));
    assert!(node.take_asked().is_empty());
}

#[test]
fn the_users_own_trust_root_is_found() {
    let node = FakeNode::honest();
    let config = node.path("config/leasehold");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::copy(node.path("trust-root.lh"), config.join("trust-root.lh")).unwrap();
    let mut command = leasehold(&node, &CHECKOUT);
    command.env_remove("LEASEHOLD_TRUST").env("XDG_CONFIG_HOME", node.path("config"));
    assert_eq!(finish_json(command).0, 0);
}
