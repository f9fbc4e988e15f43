//! A grant is amended: the same ids in new versions, and rows cut from them anew. Running leases notice nothing.

use leasehold_node_core::{Checkout, SeatReply};
use leasehold_protocol::api::LeaseState;
use leasehold_protocol::artefact::{Seats, TtlBounds};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::TicketBatch;
use leasehold_protocol::proof::VerifiedChain;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::trust_root::TrustRoot;
use leasehold_tests::vendor::{Offer, PoolOffer, RowOffer, TestKey};

use crate::rig::{NODE_KEY, Rig, code, denied, imported, refused, seat, wish};

/// The grant of `cad` in this version, with that many seats, all on the node.
fn cad(version: u64, seats: u32) -> PoolOffer {
    let rows = vec![RowOffer { seq: version, ..RowOffer::new(1, SlotSet::range(0, seats)) }];
    PoolOffer { serial: 10 * version, rows, ..PoolOffer::new(1, "cad", seats) }
}

fn with_features(features: &[&str], offer: PoolOffer) -> PoolOffer {
    PoolOffer { features: features.iter().map(|&feature| feature.to_owned()).collect(), ..offer }
}

fn wish_for(key: u8, feature: &str) -> Checkout {
    Checkout { features: vec![feature.to_owned()], ..wish(key) }
}

impl Rig {
    /// Whether an application that knows the vendor's root believes the answer.
    fn proves(&self, seat: &SeatReply) -> bool {
        let root = TrustRoot::pin(&self.vendor.trust_root()).expect("it is the rig's own");
        let chain = self.core.chain(seat.chain).expect("the chain of an answer is there");
        let key = TestKey::new(NODE_KEY);
        let leaves = [TicketBatch::leaf(&root.realm(), &seat.ticket)];
        let batch = TicketBatch::sign(&root.realm(), &leaves, &key).expect("one leaf is a batch");
        let ticket = batch.envelope(&seat.ticket, 0).expect("it has one leaf");
        VerifiedChain::verify(&root, &chain).is_ok_and(|chain| chain.verify_ticket(&ticket).is_ok())
    }

    fn refuses(&mut self, offer: &Offer) -> Code {
        let bundle = self.answer(offer);
        let hash = self.core.state_hash();
        let code = refused(self.import(bundle)).code;
        assert_eq!(self.core.state_hash(), hash, "nothing changed");
        code
    }
}

#[test]
fn more_seats_come_and_running_leases_stay_what_they_are() {
    let mut rig = Rig::with(vec![cad(1, 1)]);
    let before = rig.seat(1);
    rig.give(vec![cad(2, 3)]);
    assert!(rig.proves(&before), "under the version it was given under");
    let again = seat(rig.checkout(wish(1)));
    assert_eq!((&again.ticket, again.chain), (&before.ticket, before.chain));
    assert_eq!((rig.seat(2).slots, rig.seat(3).slots), (SlotSet::range(1, 1), SlotSet::range(2, 1)));
    let after = seat(rig.renew(before.lease));
    assert_eq!((after.lease, after.epoch, &after.slots), (before.lease, before.epoch, &before.slots));
    assert_ne!(after.ticket.allocation, before.ticket.allocation, "it is under the current version");
    assert!(rig.proves(&after));
    rig.restart();
}

#[test]
fn a_feature_that_was_added_is_there_at_once_and_proved() {
    let mut rig = Rig::with(vec![with_features(&["draw"], cad(1, 2))]);
    let plain = seat(rig.checkout(wish_for(1, "draw")));
    assert_eq!(code(&rig.checkout(wish_for(2, "render"))), Code::FeatureNotInPlan);
    rig.give(vec![with_features(&["draw", "render"], cad(2, 2))]);
    let rendering = seat(rig.checkout(wish_for(2, "render")));
    assert!(rig.proves(&rendering) && rig.proves(&plain));
    assert_eq!(rig.pool().features, ["draw", "render"]);
}

#[test]
fn a_feature_that_was_taken_away_is_served_to_the_end_of_its_leases_and_no_longer() {
    let mut rig = Rig::with(vec![with_features(&["draw", "render"], cad(1, 2))]);
    let (plain, rendering) =
        (seat(rig.checkout(wish_for(1, "draw"))), seat(rig.checkout(wish_for(2, "render"))));
    rig.give(vec![with_features(&["draw"], cad(2, 2))]);
    assert_eq!(denied(rig.renew(rendering.lease)).code, Code::FeatureNotInPlan);
    assert!(rig.proves(&rendering));
    let plain = seat(rig.renew(plain.lease));
    assert!(rig.proves(&plain));
}

#[test]
fn renewals_keep_to_the_lives_that_the_present_version_allows() {
    let mut rig = Rig::with(vec![cad(1, 1)]);
    let lease = rig.seat(1).lease;
    rig.wait(600_000);
    let ttl = TtlBounds { max_ms: 600_000, default_ms: 600_000, ..TtlBounds::default() };
    rig.give(vec![PoolOffer { ttl, ..cad(2, 1) }]);
    let renewed = seat(rig.renew(lease));
    assert_eq!(renewed.ttl_ms, 600_000);
    assert!(rig.proves(&renewed));
}

#[test]
fn a_pool_that_became_limited_or_unlimited_renews_no_lease_of_the_other_sort() {
    let limited = |version| cad(version, 1);
    let unlimited = |version| {
        let rows = vec![RowOffer { seq: version, ..RowOffer::new(1, SlotSet::EMPTY) }];
        PoolOffer { rows, seats: Seats::Unlimited, ..cad(version, 0) }
    };
    for (before, after) in [(limited(1), unlimited(2)), (unlimited(1), limited(2))] {
        let mut rig = Rig::with(vec![before]);
        let lease = rig.seat(1);
        rig.give(vec![after]);
        assert_eq!(code(&rig.renew(lease.lease)), Code::Draining);
        assert!(rig.proves(&lease));
        if rig.pool().seats.is_some() {
            assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted, "the only seat is counted");
            rig.wait(lease.ttl_ms + lease.ttl_ms / 10);
        }
        let other = rig.seat(3);
        assert!(rig.proves(&other));
    }
}

#[test]
fn versions_of_a_row_follow_each_other_and_may_be_left_out() {
    let mut rig = Rig::with(vec![cad(1, 1)]);
    let other = rig.offer(vec![cad(1, 2)]);
    assert_eq!(rig.refuses(&other), Code::BundleRollback, "something else under the same number");
    // The vendor signed that one last, so its next version names that as the one before.
    let astray = rig.offer(vec![cad(2, 3)]);
    assert_eq!(rig.refuses(&astray), Code::BundleRollback);
    rig.give(vec![cad(3, 3)]);
    assert_eq!(rig.pool().seats, Some(3), "one that was left out was not seen");
    rig.give(vec![cad(4, 4)]);
    assert_eq!(rig.pool().seats, Some(4));
    let earlier = rig.offer(vec![cad(3, 3)]);
    assert_eq!(rig.refuses(&earlier), Code::BundleRollback);
}

#[test]
fn an_earlier_version_of_a_pool_is_refused_also_after_it_left() {
    let mut rig = Rig::with(vec![cad(2, 1)]);
    let earlier = PoolOffer { rows: Vec::new(), ..cad(1, 1) };
    let offer = rig.offer(vec![earlier.clone()]);
    assert_eq!(rig.refuses(&offer), Code::BundleRollback);
    rig.give(Vec::new());
    let offer = rig.offer(vec![earlier]);
    assert_eq!(rig.refuses(&offer), Code::BundleRollback);
    let offer = rig.offer(vec![PoolOffer { rows: Vec::new(), ..cad(2, 1) }]);
    let bundle = rig.answer(&offer);
    imported(rig.import(bundle));
}

#[test]
fn new_rows_are_served_and_leases_of_those_that_vanish_move_there_or_drain() {
    let row =
        |number, seq, first, count| RowOffer { seq, ..RowOffer::new(number, SlotSet::range(first, count)) };
    let of = |serial, rows| vec![PoolOffer { serial, rows, ..PoolOffer::new(1, "cad", 4) }];
    let mut rig = Rig::with(of(1, vec![row(1, 1, 0, 2)]));
    let (first, second) = (rig.seat(1), rig.seat(2));
    rig.give(of(2, vec![row(2, 1, 2, 1)]));
    assert_eq!(code(&rig.checkout(wish(3))), Code::PoolExhausted, "the seat is for who works already");
    assert_eq!(code(&rig.renew(second.lease)), Code::Draining);
    let moved = seat(rig.renew(first.lease));
    assert_eq!((moved.lease, moved.epoch, moved.slots), (first.lease, first.epoch, SlotSet::range(2, 1)));
    assert!(rig.proves(&first) && rig.proves(&second));
    let states: Vec<LeaseState> = rig.leases().into_iter().map(|lease| lease.state).collect();
    assert_eq!(states, [LeaseState::Active, LeaseState::Drain]);
    rig.restart();
}
