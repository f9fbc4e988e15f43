//! Every bound at limit − 1, limit and limit + 1.

use leasehold_issuer_core::{
    Cause, Command, ExternalId, NewAccount, NewAllocation, NewGrant, NewNode, NodeClass, Source, limits,
};
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::{
    FEATURES, IDLE_MIN_MS, NAME_BYTES, POOL_SEATS, SHORT_LIST, TTL_MAX_MS, TTL_MIN_MS,
};

use crate::rig::{Rig, START, account, allocation, cause, grant, product};

/// Tries `make` below, at and above `limit`; only the last is refused, with `code`.
fn check(limit: usize, code: Code, mut make: impl FnMut(&mut Rig, usize) -> Command) {
    for (count, expected) in [(limit - 1, Ok(())), (limit, Ok(())), (limit + 1, Err(code))] {
        let mut rig = Rig::with_pool(Seats::Value(5000), 0, NodeClass::Online);
        let command = make(&mut rig, count);
        assert_eq!(rig.act(command).map(drop).map_err(|problem| problem.code), expected, "{count}");
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("name {number}")).collect()
}

#[test]
fn texts_are_bounded() {
    let text = |bytes| "x".repeat(bytes);
    let over = Code::LimitExceeded;
    check(NAME_BYTES, over, |_, bytes| Command::CreateAccount(account(&text(bytes))));
    check(NAME_BYTES, over, |_, bytes| Command::CreateProduct(product(&text(bytes), &[])));
    check(NAME_BYTES, over, |_, bytes| Command::CreateProduct(product("P", &[&text(bytes)])));
    check(NAME_BYTES, over, |_, bytes| {
        Command::CreateAccount(NewAccount { region: Some(text(bytes)), ..account("A") })
    });
    check(NAME_BYTES, over, |_, bytes| {
        Command::CreateGrant(NewGrant { edition: Some(text(bytes)), ..grant(Seats::Value(1)) })
    });
    check(NAME_BYTES, over, |rig, bytes| {
        let (name, site) = (text(bytes), Some(text(bytes)));
        let node = NewNode { account: "ACME".to_owned(), name, site, class: NodeClass::Online };
        Command::RegisterNode { node, issued: rig.issued_join() }
    });
}

#[test]
fn texts_of_a_cause_are_bounded() {
    type Set = fn(&mut Cause, String);
    let fields: [(usize, Set); 4] = [
        (limits::ACTOR_BYTES, |cause, text| cause.actor = text),
        (limits::REASON_BYTES, |cause, text| cause.reason = Some(text)),
        (limits::SOURCE_BYTES, |cause, text| cause.source.system = text),
        (limits::SOURCE_BYTES, |cause, text| {
            cause.source = Source { system: "test".to_owned(), reference: Some(text) };
        }),
    ];
    for (limit, set) in fields {
        for (bytes, fits) in [(limit - 1, true), (limit, true), (limit + 1, false), (0, false)] {
            let mut cause = cause();
            set(&mut cause, "x".repeat(bytes));
            let done = Rig::new().act_for(cause, Command::CreateAccount(account("A")));
            assert_eq!(done.is_ok(), fits, "{bytes}");
        }
    }
}

#[test]
fn texts_are_one_line_of_something() {
    for bad in ["", "  ", "two\nlines", "\u{1b}[2J"] {
        assert_eq!(Rig::new().refused(Command::CreateAccount(account(bad))), Code::InvalidRequest, "{bad:?}");
    }
}

#[test]
fn lists_are_bounded() {
    let over = Code::LimitExceeded;
    check(FEATURES, over, |_, count| {
        let features = names(count);
        let features: Vec<&str> = features.iter().map(String::as_str).collect();
        Command::CreateProduct(product("P", &features))
    });
    check(SHORT_LIST, over, |_, count| {
        Command::CreateGrant(NewGrant { environments: names(count), ..grant(Seats::Value(1)) })
    });
    check(SHORT_LIST, over, |_, count| {
        Command::CreateGrant(NewGrant { regions: names(count), ..grant(Seats::Value(1)) })
    });
    check(limits::EXTERNAL_IDS, over, |_, count| {
        let external = |id| ExternalId { system: "crm".to_owned(), id };
        Command::CreateAccount(NewAccount {
            external: names(count).into_iter().map(external).collect(),
            ..account("A")
        })
    });
}

#[test]
fn the_tree_of_accounts_is_bounded() {
    check(limits::ACCOUNT_DEPTH, Code::LimitExceeded, |rig, depth| {
        let mut parent = rig.account("top");
        for _ in 2..depth {
            let new = NewAccount { parent: Some(parent), ..account("inner") };
            rig.act(Command::CreateAccount(new)).unwrap();
            parent = rig.issuer.accounts().last().unwrap().id.to_string();
        }
        Command::CreateAccount(NewAccount { parent: Some(parent), ..account("leaf") })
    });
}

#[test]
fn seats_are_bounded() {
    let most = POOL_SEATS as usize;
    let count = |count: usize| u32::try_from(count).unwrap();
    check(most, Code::LimitExceeded, |_, seats| Command::CreateGrant(grant(Seats::Value(count(seats)))));
    check(most, Code::LimitExceeded, |_, seats| {
        Command::CreateGrant(NewGrant { overdraft: count(seats) - 1, ..grant(Seats::Value(1)) })
    });
    let mut rig = Rig::with_pool(Seats::Value(1), 0, NodeClass::Online);
    assert_eq!(rig.refused(Command::CreateGrant(grant(Seats::Value(0)))), Code::InvalidRequest);
    let sum = NewGrant { overdraft: u32::MAX, ..grant(Seats::Value(u32::MAX)) };
    assert_eq!(rig.refused(Command::CreateGrant(sum)), Code::LimitExceeded);
    let overdraft = NewGrant { overdraft: 1, ..grant(Seats::Unlimited) };
    assert_eq!(rig.refused(Command::CreateGrant(overdraft)), Code::InvalidRequest);
    assert_eq!(rig.refused(Command::CreateAllocation(allocation(0))), Code::InvalidRequest);
    let fixed = NewAllocation {
        kind: AllocationKind::Elastic,
        mobility: Some(leasehold_issuer_core::Mobility::Fixed),
        ..allocation(1)
    };
    assert_eq!(rig.refused(Command::CreateAllocation(fixed)), Code::InvalidRequest);
}

#[test]
fn spans_are_bounded() {
    let mut rig = Rig::with_pool(Seats::Value(1), 0, NodeClass::Online);
    let mut fits = |new: NewGrant| rig.act(Command::CreateGrant(new)).is_ok();
    // The next fact is recorded a few milliseconds after the start of the rig, because facts never share one.
    let recorded = START.plus(5);
    let from = recorded.plus(-limits::GRANT_PAST_MS);
    assert!(!fits(NewGrant { not_before: from.plus(-1), ..grant(Seats::Value(1)) }));
    assert!(fits(NewGrant { not_before: from, ..grant(Seats::Value(1)) }));
    assert!(fits(NewGrant { not_before: from.plus(2), ..grant(Seats::Value(1)) }));
    assert!(fits(NewGrant { not_after: START.plus(1), ..grant(Seats::Value(1)) }));
    assert!(!fits(NewGrant { not_after: START, ..grant(Seats::Value(1)) }));
    assert!(!fits(NewGrant { not_after: START.plus(-1), ..grant(Seats::Value(1)) }));
    for (grace_ms, fit) in [
        (-1, false),
        (0, true),
        (limits::GRACE_MAX_MS - 1, true),
        (limits::GRACE_MAX_MS, true),
        (limits::GRACE_MAX_MS + 1, false),
    ] {
        assert_eq!(fits(NewGrant { grace_ms, ..grant(Seats::Value(1)) }), fit, "{grace_ms}");
    }
    for (linger_ms, fit) in [
        (-1, false),
        (0, true),
        (1, true),
        (TTL_MIN_MS - 1, true),
        (TTL_MIN_MS, true),
        (TTL_MIN_MS + 1, false),
    ] {
        let new = NewGrant { linger_ms, max_ttl_ms: Some(TTL_MIN_MS), ..grant(Seats::Value(1)) };
        assert_eq!(fits(new), fit, "linger {linger_ms}");
    }
    for (idle_ms, fit) in
        [(IDLE_MIN_MS - 1, false), (IDLE_MIN_MS, true), (IDLE_MIN_MS + 1, true), (i64::MAX, true)]
    {
        assert_eq!(
            fits(NewGrant { idle_ms: Some(idle_ms), ..grant(Seats::Value(1)) }),
            fit,
            "idle {idle_ms}"
        );
    }
    for (ttl_ms, fit) in [
        (TTL_MIN_MS - 1, false),
        (TTL_MIN_MS, true),
        (TTL_MIN_MS + 1, true),
        (TTL_MAX_MS - 1, true),
        (TTL_MAX_MS, true),
        (TTL_MAX_MS + 1, false),
    ] {
        assert_eq!(fits(NewGrant { max_ttl_ms: Some(ttl_ms), ..grant(Seats::Value(1)) }), fit, "{ttl_ms}");
    }
}

#[test]
fn what_one_account_or_node_may_have_is_bounded() {
    let mut rig = Rig::with_pool(Seats::Value(5000), 0, NodeClass::Online);
    for _ in 1..=limits::ROWS_PER_NODE {
        rig.allocate("plant", 1).unwrap();
    }
    assert_eq!(rig.allocate("plant", 1).unwrap_err().code, Code::LimitExceeded);
    for number in 2..=limits::NODES_PER_ACCOUNT {
        rig.node(&format!("node {number}"), NodeClass::Online);
    }
    let node =
        NewNode { account: "ACME".to_owned(), name: "one".to_owned(), site: None, class: NodeClass::Online };
    let issued = rig.issued_join();
    assert_eq!(rig.refused(Command::RegisterNode { node, issued }), Code::LimitExceeded);
    for _ in 2..=limits::GRANTS_PER_ACCOUNT {
        rig.act(Command::CreateGrant(grant(Seats::Value(1)))).unwrap();
    }
    assert_eq!(rig.refused(Command::CreateGrant(grant(Seats::Value(1)))), Code::LimitExceeded);
}

#[test]
fn candidates_of_an_ambiguous_name_are_bounded() {
    let mut rig = Rig::new();
    for count in 1..=limits::CANDIDATES + 1 {
        rig.account("ACME");
        if let Err(refusal) = rig.issuer.account("ACME") {
            let named = refusal.extra["candidates"].as_array().map(Vec::len);
            assert_eq!(named, Some(count.min(limits::CANDIDATES)));
        }
    }
}

/// What is sold must fit into the proof of a seat.
#[test]
fn all_names_of_a_grant_together_are_bounded() {
    let whole = limits::GRANT_TEXT_BYTES / 128;
    assert_eq!(
        whole * 128,
        limits::GRANT_TEXT_BYTES,
        "the regions below are 126 bytes long, and two for the length"
    );
    check(limits::GRANT_TEXT_BYTES, Code::LimitExceeded, |_, bytes| {
        let mut regions: Vec<String> = (0..whole).map(|number| format!("{number:0>126}")).collect();
        let last = 126 + bytes - limits::GRANT_TEXT_BYTES;
        regions[0] = "x".repeat(last);
        Command::CreateGrant(NewGrant { regions, ..grant(Seats::Value(1)) })
    });
}
