//! Which pool and which row gives the seat.

use leasehold_node_core::Checkout;
use leasehold_protocol::api::LeaseState;
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer, RowOffer};

use crate::rig::{Rig, code, denied, seat, wish};

fn with_features(number: u8, features: &[&str]) -> PoolOffer {
    let features = features.iter().map(|&feature| feature.to_owned()).collect();
    PoolOffer { features, ..PoolOffer::new(number, "cad", 1) }
}

#[test]
fn pools_are_chosen_by_grace_then_surplus_then_end_then_id() {
    let in_grace = PoolOffer { not_after: NOW, grace_ms: DAY_MS, ..with_features(1, &["draw"]) };
    let surplus = with_features(2, &["draw", "render"]);
    let late = with_features(3, &["draw"]);
    let soon = PoolOffer { not_after: NOW.plus(DAY_MS), ..with_features(5, &["draw"]) };
    let soon_too = PoolOffer { number: 4, rows: with_features(4, &[]).rows, ..soon.clone() };
    let mut rig = Rig::with(vec![in_grace, surplus, late, soon_too, soon]);
    let order: Vec<u8> = (0..5)
        .map(|key| {
            let wish = Checkout { features: vec!["draw".to_owned()], ..wish(key) };
            seat(rig.checkout(wish)).pool.0[0]
        })
        .collect();
    assert_eq!(order, [4, 5, 3, 2, 1]);
}

#[test]
fn a_product_nobody_bought_and_a_feature_nobody_bought_are_told_apart() {
    let mut rig = Rig::with(vec![with_features(1, &["draw"]), with_features(2, &["render"])]);
    let other = Checkout { product: Some("cam".to_owned()), ..wish(1) };
    let denial = denied(rig.checkout(other));
    assert_eq!(denial.code, Code::NoGrant);
    assert!(denial.detail.contains("cam"), "{}", denial.detail);
    let with = |features: &[&str]| Checkout {
        features: features.iter().map(|&f| f.to_owned()).collect(),
        ..wish(1)
    };
    let denial = denied(rig.checkout(with(&["draw", "fly"])));
    assert_eq!(denial.code, Code::FeatureNotInPlan);
    assert!(denial.detail.contains("fly"), "{}", denial.detail);
    assert_eq!(code(&rig.checkout(with(&["draw", "render"]))), Code::FeatureNotInPlan);
    assert_eq!(code(&rig.checkout(with(&["render", "render"]))), Code::Allowed);
}

#[test]
fn a_node_without_a_bundle_has_no_seats() {
    let mut rig = Rig::new();
    assert_eq!(code(&rig.checkout(wish(1))), Code::NodeUnprovisioned);
}

#[test]
fn elastic_rows_are_served_before_base_rows() {
    let base = RowOffer::new(1, SlotSet::range(0, 1));
    let elastic = RowOffer { kind: AllocationKind::Elastic, ..RowOffer::new(2, SlotSet::range(1, 1)) };
    let mut rig = Rig::with(vec![PoolOffer { rows: vec![base, elastic], ..PoolOffer::new(1, "cad", 2) }]);
    assert_eq!(rig.seat(1).slots, SlotSet::range(1, 1));
    assert_eq!(rig.seat(2).slots, SlotSet::range(0, 1));
}

#[test]
fn seats_beyond_those_sold_are_flagged() {
    let rows = vec![RowOffer::new(1, SlotSet::range(0, 2))];
    let mut rig = Rig::with(vec![PoolOffer { rows, overdraft: 1, ..PoolOffer::new(1, "cad", 1) }]);
    assert_eq!(rig.seat(1).code, Code::Allowed);
    let over = rig.seat(2);
    assert_eq!((over.code, over.ticket.flags.0), (Code::AllowedOverage, 2));
}

#[test]
fn an_unlimited_pool_gives_seats_without_slots() {
    let rows = vec![RowOffer::new(1, SlotSet::EMPTY)];
    let pool = PoolOffer { rows, seats: Seats::Unlimited, ..PoolOffer::new(1, "cad", 0) };
    let mut rig = Rig::with(vec![pool]);
    for key in 0..50 {
        let seat = rig.seat(key);
        assert_eq!((seat.slots.len(), seat.count), (0, 1));
    }
    assert_eq!((rig.pool().seats, rig.pool().in_use), (None, 50));
    rig.wait(2_000_000);
    let lease = rig.seat(99).lease;
    assert_eq!(rig.leases().len(), 50 - 4 + 1, "each grant ends a few that ran out");
    rig.release(lease);
    rig.restart();
}

#[test]
fn a_lease_of_an_unlimited_pool_comes_back_under_its_next_version() {
    let of = |seq| {
        let rows = vec![RowOffer { seq, ..RowOffer::new(1, SlotSet::EMPTY) }];
        vec![PoolOffer { serial: seq, rows, seats: Seats::Unlimited, ..PoolOffer::new(1, "cad", 0) }]
    };
    let mut rig = Rig::with(of(1));
    let lease = rig.seat(1).lease;
    rig.wait(2_000_000);
    rig.give(of(2));
    assert_eq!(code(&rig.renew(lease)), Code::Allowed);
    rig.restart();
}

#[test]
fn no_more_run_out_leases_end_than_a_checkout_needs() {
    let mut rig = Rig::with_seats(40);
    let leases: Vec<LeaseId> = (1..=40).map(|key| rig.seat(key).lease).collect();
    rig.wait(600_000);
    // Every other one of the lowest is kept alive: the free slots lie in more ranges than a ticket holds.
    for (_, lease) in leases.iter().enumerate().filter(|(at, _)| at % 2 == 1 && *at < 30) {
        rig.renew(*lease);
    }
    rig.wait(400_000);
    let seats = seat(rig.checkout(Checkout { count: 10, ..wish(200) })).slots;
    assert_eq!((seats.len(), rig.leases().len()), (10, 40 - 10 + 1));
    rig.restart();
}

#[test]
fn more_seats_than_the_node_holds_are_not_promised_for_later() {
    let mut rig = Rig::with_seats(2);
    rig.seat(1);
    let denial = denied(rig.checkout(Checkout { count: 3, ..wish(2) }));
    assert_eq!((denial.code, denial.retry_after_ms), (Code::PoolExhausted, None));
    assert!(denial.detail.contains("holds 2") && denial.hint.contains("vendor"), "{denial:?}");
}

/// A lost answer leaves the client with the longer promise before it: the seat waits for that one, too.
#[test]
fn a_shorter_renewal_does_not_bring_the_reclaim_forward() {
    let mut pool = PoolOffer::new(1, "cad", 1);
    pool.rows[0].not_after = NOW.plus(DAY_MS + 22 * 60_000 + 12_000);
    pool.rows[0].suspect_budget_ms = None;
    let mut rig = Rig::with(vec![pool]);
    let first = rig.seat(1);
    rig.wait(10 * 60_000);
    // A machine that may have been paused may be so late that its row ends soon.
    rig.now.wall_ms = rig.now.wall_ms.plus(6 * 60_000);
    let second = seat(rig.renew(first.lease));
    assert!(second.ttl_ms < first.ttl_ms, "{} {}", second.ttl_ms, first.ttl_ms);
    let left = first.ttl_ms + first.ttl_ms / 10 - 10 * 60_000 - 1;
    rig.wait(left);
    assert_eq!(rig.leases()[0].state, LeaseState::Active);
    rig.restart();
}
