//! Every bound at limit − 1, limit and limit + 1.

use leasehold_node_core::{Cause, Checkout, Input, ReplyTo, Way, limits};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::JournalTail;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{NOW, Offer, PoolOffer, RowOffer};

use crate::rig::{Rig, cause, code, denied, holder, imported, refused, seat, wish};

#[test]
fn one_checkout_takes_at_most_so_many_seats() {
    let mut rig = Rig::with_seats(limits::CHECKOUT_SEATS * 2);
    for (key, count, expected) in [
        (1, 0, Code::InvalidRequest),
        (2, limits::CHECKOUT_SEATS - 1, Code::Allowed),
        (3, limits::CHECKOUT_SEATS, Code::Allowed),
        (4, limits::CHECKOUT_SEATS + 1, Code::InvalidRequest),
    ] {
        assert_eq!(code(&rig.checkout(Checkout { count, ..wish(key) })), expected, "{count}");
    }
}

#[test]
fn so_many_ended_leases_are_remembered() {
    for (more, expected) in [(1, Code::LeaseEnded), (0, Code::LeaseEnded), (-1, Code::TicketNeeded)] {
        let mut rig = Rig::with_seats(1);
        let first = rig.seat(0).lease;
        rig.release(first);
        // The first one counts too.
        for number in 1..i64::try_from(limits::ENDED_LEASES).unwrap() - more {
            let key = IdempotencyKey(i128::from(number).to_le_bytes());
            let lease = seat(rig.checkout(Checkout { key, ..wish(0) })).lease;
            rig.release(lease);
        }
        assert_eq!(refused(rig.renew(first)).code, expected, "{more}");
    }
}

#[test]
fn so_many_requests_may_be_open() {
    for (later, expected) in [
        (limits::OPEN_REQUESTS - 2, None),
        (limits::OPEN_REQUESTS - 1, None),
        (limits::OPEN_REQUESTS, Some(Code::BundleWrongNode)),
    ] {
        let mut rig = Rig::new();
        let request = rig.request();
        (0..later).for_each(|_| drop(rig.request()));
        let bundle = rig.vendor.answer(&request, &Offer::new(1, Vec::new()));
        let reply = rig.import(bundle);
        match expected {
            Some(code) => assert_eq!(refused(reply).code, code, "{later}"),
            None => drop(imported(reply)),
        }
    }
}

#[test]
fn a_denial_names_so_many_holders() {
    for holders in [limits::DENIAL_HOLDERS - 1, limits::DENIAL_HOLDERS, limits::DENIAL_HOLDERS + 1] {
        let mut rig = Rig::with_seats(u32::try_from(holders).unwrap());
        for number in 0..holders {
            let holder = holder(&format!("user-{number}"));
            rig.checkout(Checkout { holder, ..wish(u8::try_from(number).unwrap()) });
        }
        let named = denied(rig.checkout(wish(99))).held_by.len();
        assert_eq!(named, holders.min(limits::DENIAL_HOLDERS));
    }
}

#[test]
fn denials_are_rolled_up_after_so_long() {
    for (waited_ms, written) in [
        (limits::DENIAL_ROLL_UP_MS - 1, 0),
        (limits::DENIAL_ROLL_UP_MS, 1),
        (limits::DENIAL_ROLL_UP_MS + 1, 1),
    ] {
        let mut rig = Rig::with_seats(1);
        let lease = rig.seat(1).lease;
        denied(rig.checkout(wish(2)));
        denied(rig.checkout(wish(2)));
        rig.wait(waited_ms);
        let before = rig.core.next_seq().0;
        rig.renew(lease);
        assert_eq!(rig.core.next_seq().0 - before, 1 + written, "{waited_ms}");
        rig.frame([Input::Tick]);
        assert_eq!(rig.pool().denied_1h, 2);
        rig.restart();
        assert_eq!(rig.pool().denied_1h, 2);
    }
}

#[test]
fn no_lease_is_shorter_than_a_minute() {
    for (less_ms, expected) in [(-1, Code::Allowed), (0, Code::Allowed), (1, Code::AllocationEnded)] {
        let mut rig = Rig::new();
        let end = NOW.plus(1_000_000);
        let rows = vec![RowOffer { not_after: end, ..RowOffer::new(1, SlotSet::range(0, 1)) }];
        rig.give(vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 1) }]);
        let room_ms = limits::LEASE_MIN_MS * 11 / 10 - less_ms;
        while end.since(rig.core.stamp_of(&rig.now).hi) > room_ms {
            let over_ms = end.since(rig.core.stamp_of(&rig.now).hi) - room_ms;
            rig.wait((over_ms - 1_000).max(1));
        }
        assert_eq!(code(&rig.checkout(wish(1))), expected, "{less_ms}");
    }
}

#[test]
fn the_shortest_life_has_grace_above_the_least() {
    let mut rig = Rig::with_seats(1);
    let short = seat(rig.checkout(Checkout { ttl_ms: Some(1), ..wish(1) }));
    assert_eq!(short.ttl_ms, 60_000);
    let grace_ms = (short.ttl_ms / 10).max(limits::GRACE_MIN_MS);
    rig.wait(short.ttl_ms + grace_ms - 1);
    assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted);
    rig.wait(1);
    assert_eq!(code(&rig.checkout(wish(2))), Code::Allowed);
}

#[test]
fn who_acts_and_why_is_bounded() {
    let fits = |actor: usize, reason: usize| {
        Cause { actor: "a".repeat(actor), reason: Some("r".repeat(reason)), idempotency_key: None }
            .check()
            .is_ok()
    };
    let (actor, reason) = (limits::ACTOR_BYTES, limits::REASON_BYTES);
    assert!(fits(1, 0) && fits(actor - 1, reason - 1) && fits(actor, reason));
    assert!(!fits(0, 0) && !fits(actor + 1, 0) && !fits(1, reason + 1));
    let mut rig = Rig::with_seats(1);
    let before = rig.core.next_seq();
    let cause = Cause { actor: String::new(), ..cause() };
    let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
    let refusal = refused(rig.ask(Input::MakeRequest {
        to: ReplyTo(0),
        cause,
        way: Way::Courier,
        present: false,
        join: None,
        journal,
    }));
    assert_eq!((refusal.code, rig.core.next_seq()), (Code::InvalidRequest, before));
}
