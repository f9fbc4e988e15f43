//! The JSON of the node's API, document by document: released clients read exactly this.

use leasehold_protocol::api::{
    AllocationStatus, ChainAnswer, CheckoutRequest, ClockStatus, Decision, Denial, HolderName,
    IdempotencyKey, IdentityAnswer, ImportAnswer, ImportResult, IssuerContact, JournalStatus, LeaseState,
    LeaseStatus, LeasesAnswer, PoolStatus, PoolsAnswer, ReleaseAnswer, RequestAnswer, Seat, StatusAnswer,
    TrustState, instant, stop_in_ms,
};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::{Code, exit};
use leasehold_protocol::ids::{AllocationId, BundleId, LeaseId, NodeId, PoolId};
use leasehold_protocol::time::UnixMs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// `value` is written as `document` and read from it.
fn golden<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, document: &Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), *document);
    assert_eq!(serde_json::from_value::<T>(document.clone()).unwrap(), *value);
}

const ZERO: &str = "00000000000000000000000000";

fn checkout() -> CheckoutRequest {
    CheckoutRequest {
        product: Some("cad".into()),
        pool: None,
        features: vec!["base".into()],
        count: 1,
        holder: HolderName { user: "ada".into(), host: "ws-17".into(), process: None },
        key: IdempotencyKey([0xAB; 16]),
        ttl_ms: None,
    }
}

fn checkout_document() -> Value {
    json!({
        "product": "cad",
        "features": ["base"],
        "count": 1,
        "holder": {"user": "ada", "host": "ws-17"},
        "key": "abababababababababababababababab",
    })
}

#[test]
fn a_checkout() {
    golden(&checkout(), &checkout_document());
    let full = CheckoutRequest { pool: Some(PoolId([0; 16])), ttl_ms: Some(60_000), count: 3, ..checkout() };
    let mut document = checkout_document();
    document["pool"] = json!(format!("pol_{ZERO}"));
    document["ttl_ms"] = json!(60_000);
    document["count"] = json!(3);
    golden(&full, &document);
}

#[test]
fn a_checkout_may_be_short() {
    let short = json!({"holder": {"user": "a", "host": "b"}, "key": "00000000000000000000000000000000"});
    let request: CheckoutRequest = serde_json::from_value(short).unwrap();
    assert_eq!((request.count, request.features.len(), request.product), (1, 0, None));
}

#[test]
fn a_checkout_with_anything_else_is_refused() {
    let refused = |change: fn(&mut Value)| {
        let mut document = checkout_document();
        change(&mut document);
        assert!(serde_json::from_value::<CheckoutRequest>(document.clone()).is_err(), "{document}");
    };
    refused(|d| d["cuont"] = json!(2));
    refused(|d| d["holder"]["uid"] = json!(0));
    refused(|d| d["count"] = json!(-1));
    refused(|d| d["count"] = json!(4_294_967_296_u64));
    refused(|d| d["count"] = json!(1.5));
    refused(|d| d["count"] = json!("1"));
    refused(|d| d["key"] = json!("abc"));
    refused(|d| d["key"] = json!("zz".repeat(16)));
    refused(|d| d["pool"] = json!("acc_00000000000000000000000000"));
    refused(|d| d["features"] = json!("base"));
    refused(|d| {
        d.as_object_mut().unwrap().remove("key");
    });
    refused(|d| {
        d.as_object_mut().unwrap().remove("holder");
    });
    let twice =
        br#"{"holder":{"user":"a","host":"b"},"key":"00000000000000000000000000000000","count":1,"count":2}"#;
    assert!(serde_json::from_slice::<CheckoutRequest>(twice).is_err());
    assert!(serde_json::from_slice::<CheckoutRequest>(b"{\"product\":\"\xFF\"}").is_err());
}

fn seat() -> Seat {
    Seat {
        code: Code::Allowed,
        lease_id: LeaseId([0; 16]),
        epoch: u64::MAX,
        pool_id: PoolId([0; 16]),
        slot: Some(3),
        slots: None,
        product: "cad".into(),
        features: vec!["base".into()],
        holder: "ada@ws-17".into(),
        ttl_ms: 900_000,
        age_ms: 1_000,
        expires_in_ms: 899_000,
        stop_in_ms: stop_in_ms(900_000, 1_000),
        ticket: "lh1_lease_AAAA".into(),
        chain: Digest([0; 32]),
    }
}

#[test]
fn a_seat() {
    let document = json!({
        "decision": "allow",
        "code": "ALLOWED",
        "lease_id": format!("lse_{ZERO}"),
        "epoch": "18446744073709551615",
        "pool_id": format!("pol_{ZERO}"),
        "slot": 3,
        "product": "cad",
        "features": ["base"],
        "holder": "ada@ws-17",
        "ttl_ms": 900_000,
        "age_ms": 1_000,
        "expires_in_ms": 899_000,
        "stop_in_ms": 719_000,
        "ticket": "lh1_lease_AAAA",
        "chain": "0".repeat(64),
    });
    golden(&Decision::Allow(seat()), &document);
    let mut number = document;
    number["epoch"] = json!(5);
    assert!(serde_json::from_value::<Decision>(number).is_err(), "epochs are text");
}

#[test]
fn a_denial() {
    let denial = Denial {
        code: Code::PoolExhausted,
        detail: "all 40 seats are in use".into(),
        hint: "try again later".into(),
        queue_position: None,
        retry_after_ms: Some(1_000),
        held_by: vec!["ada@ws-17".into()],
        would_allow: Vec::new(),
    };
    let document = json!({
        "decision": "deny",
        "code": "POOL_EXHAUSTED",
        "detail": "all 40 seats are in use",
        "hint": "try again later",
        "retry_after_ms": 1_000,
        "held_by": ["ada@ws-17"],
    });
    golden(&Decision::Deny(denial), &document);
}

/// Answers may gain fields: an older client reads a newer node.
#[test]
fn an_answer_may_say_more() {
    golden(&ReleaseAnswer { released: true }, &json!({"released": true}));
    let newer = json!({"released": false, "new_field": [1, 2]});
    assert_eq!(serde_json::from_value::<ReleaseAnswer>(newer).unwrap(), ReleaseAnswer { released: false });
}

/// A decision of a newer node is a decision.
#[test]
fn a_denial_with_a_code_unknown_here() {
    let newer = json!({"decision": "deny", "code": "MOON_PHASE", "detail": "wrong phase", "new_field": 1});
    let Ok(Decision::Deny(denial)) = serde_json::from_value(newer) else { panic!() };
    assert_eq!((denial.code, denial.exit()), (Code::Unrecognised, exit::DENIED));
    assert_eq!((denial.detail.as_str(), denial.hint.as_str()), ("MOON_PHASE: wrong phase", ""));
    assert!(serde_json::from_value::<Decision>(json!({"decision": "deny", "detail": "no code"})).is_err());
}

#[test]
fn identity_and_chain() {
    golden(
        &IdentityAnswer { node_id: None, roots: vec!["lh1_root_AAAA".into()], certificate: None },
        &json!({"node_id": null, "roots": ["lh1_root_AAAA"], "certificate": null}),
    );
    golden(
        &ChainAnswer {
            roots: Vec::new(),
            grant: "lh1_grant_AAAA".into(),
            pool: "lh1_pool_AAAA".into(),
            allocation: "lh1_allocation_AAAA".into(),
            certificate: "lh1_certificate_AAAA".into(),
        },
        &json!({
            "roots": [],
            "grant": "lh1_grant_AAAA",
            "pool": "lh1_pool_AAAA",
            "allocation": "lh1_allocation_AAAA",
            "certificate": "lh1_certificate_AAAA",
        }),
    );
}

fn pool_status() -> PoolStatus {
    PoolStatus {
        pool_id: PoolId([0; 16]),
        product: "cad".into(),
        seats: None,
        in_use: 2,
        borrowed: 0,
        lingering: 1,
        draining: 2,
        evictable: 3,
        overage: 0,
        quarantined: 0,
        queued: 0,
        denied_1h: 1,
        features: Vec::new(),
        grant_ends_at: "2026-11-24T16:00:00.000Z".into(),
        allocations: vec![AllocationStatus {
            allocation_id: AllocationId([0; 16]),
            seats: Some(40),
            not_after: "2026-12-08T16:00:00.000Z".into(),
            budget_left_ms: None,
        }],
        trust_state: TrustState::Grace,
        trust_cause: "the grant ended".into(),
        next_transition_at: None,
    }
}

fn pool_document() -> Value {
    json!({
        "pool_id": format!("pol_{ZERO}"),
        "product": "cad",
        "seats": null,
        "in_use": 2,
        "borrowed": 0,
        "lingering": 1, "quarantined": 0,
        "draining": 2,
        "evictable": 3,
        "overage": 0,
        "queued": 0,
        "denied_1h": 1,
        "features": [],
        "grant_ends_at": "2026-11-24T16:00:00.000Z",
        "allocations": [{
            "allocation_id": format!("alc_{ZERO}"),
            "seats": 40,
            "not_after": "2026-12-08T16:00:00.000Z",
        }],
        "trust_state": "GRACE",
        "trust_cause": "the grant ended",
        "next_transition_at": null,
    })
}

#[test]
fn pools_and_status() {
    golden(&PoolsAnswer { pools: vec![pool_status()] }, &json!({"pools": [pool_document()]}));
    let status = StatusAnswer {
        node_id: Some(NodeId([0; 16])),
        name: "plant".into(),
        trust_state: TrustState::Fresh,
        trust_cause: "everything is current".into(),
        next_transition_at: None,
        clock: ClockStatus {
            status: "GOOD".into(),
            floor: instant(UnixMs::MIN),
            best: UnixMs(0).to_string(),
            hi: instant(UnixMs::MAX),
            wall: UnixMs(0).to_string(),
            svc_ms: 5,
            kernel_synchronised: true,
            cause: None,
            hint: None,
            suspect_for_ms: None,
            time_kept_aside: None,
        },
        issuer: IssuerContact { url: None, reachable: None, code: None, last_sync_at: None },
        pools: vec![pool_status()],
        journal: JournalStatus { seq: 9, head: Digest([0; 32]), snapshot: None },
        running: true,
    };
    let document = json!({
        "node_id": format!("nod_{ZERO}"),
        "name": "plant",
        "trust_state": "FRESH",
        "trust_cause": "everything is current",
        "next_transition_at": null,
        "clock": {
            "status": "GOOD",
            "floor": null,
            "best": "1970-01-01T00:00:00.000Z",
            "hi": null,
            "wall": "1970-01-01T00:00:00.000Z",
            "svc_ms": 5,
            "kernel_synchronised": true,
        },
        "issuer": {"url": null, "reachable": null, "last_sync_at": null},
        "pools": [pool_document()],
        "journal": {"seq": 9, "head": "0".repeat(64)},
        "running": true,
    });
    golden(&status, &document);
}

#[test]
fn trust_states_have_stable_names() {
    for (state, name) in [
        (TrustState::Unprovisioned, "UNPROVISIONED"),
        (TrustState::Revoked, "REVOKED"),
        (TrustState::Expired, "EXPIRED"),
        (TrustState::Grace, "GRACE"),
        (TrustState::Stale, "STALE"),
        (TrustState::Fresh, "FRESH"),
    ] {
        golden(&state, &json!(name));
    }
}

#[test]
fn leases() {
    let lease = LeaseStatus {
        lease_id: LeaseId([0; 16]),
        pool_id: PoolId([0; 16]),
        product: "cad".into(),
        features: vec!["base".into()],
        slot: None,
        slots: Some(vec![1, 2]),
        epoch: 1 << 60,
        state: LeaseState::Active,
        overage: false,
        holder: "ada@ws-17".into(),
        acquired_at: "2025-11-24T16:00:00.000Z".into(),
        expires_in_ms: 0,
    };
    let document = json!({"leases": [{
        "lease_id": format!("lse_{ZERO}"),
        "pool_id": format!("pol_{ZERO}"),
        "product": "cad",
        "features": ["base"],
        "slots": [1, 2],
        "epoch": "1152921504606846976",
        "state": "ACTIVE",
        "holder": "ada@ws-17",
        "acquired_at": "2025-11-24T16:00:00.000Z",
        "expires_in_ms": 0,
    }]});
    golden(&LeasesAnswer { leases: vec![lease] }, &document);
}

#[test]
fn import_and_request() {
    for (result, name) in [
        (ImportResult::Applied, "applied"),
        (ImportResult::AlreadyApplied, "already_applied"),
        (ImportResult::WouldApply, "would_apply"),
    ] {
        let answer = ImportAnswer { result, bundle_id: BundleId([0; 16]), changes: vec!["a".into()] };
        golden(&answer, &json!({"result": name, "bundle_id": format!("bdl_{ZERO}"), "changes": ["a"]}));
    }
    golden(
        &RequestAnswer { request: "lh1_request_AAAA".into(), digest: Digest([0; 32]) },
        &json!({"request": "lh1_request_AAAA", "digest": "0".repeat(64)}),
    );
}

#[test]
fn use_stops_at_four_fifths_of_the_life() {
    for (ttl_ms, age_ms, stop) in
        [(60_000, 0, 48_000), (60_000, 48_000, 0), (60_000, 60_000, -12_000), (0, 0, 0)]
    {
        assert_eq!(stop_in_ms(ttl_ms, age_ms), stop);
    }
    assert!(stop_in_ms(i64::MAX, 0) <= i64::MAX / 5 * 4);
}
