//! Import: whole or not at all, once, never an older one.

use leasehold_node_core::{Input, ReplyTo};
use leasehold_protocol::api::ImportResult;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{Offer, PoolOffer, RowOffer, Vendor};

use crate::rig::{Rig, cause, code, imported, refused, wish};

fn cad(seats: u32) -> Vec<PoolOffer> {
    vec![PoolOffer::new(1, "cad", seats)]
}

#[test]
fn a_bundle_is_applied_once() {
    let mut rig = Rig::new();
    let offer = rig.offer(cad(2));
    let bundle = rig.answer(&offer);
    assert_eq!(imported(rig.import(bundle.clone())).result, ImportResult::Applied);
    let seq = rig.core.next_seq();
    assert_eq!(imported(rig.import(bundle)).result, ImportResult::AlreadyApplied);
    assert_eq!(rig.core.next_seq(), seq, "nothing was written");
    rig.give(cad(2));
    rig.restart();
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let mut rig = Rig::with_seats(1);
    let mut wider = RowOffer::new(1, SlotSet::range(0, 5));
    wider.seq = 2;
    let offer = rig.offer(vec![PoolOffer { rows: vec![wider], ..PoolOffer::new(1, "cad", 5) }]);
    let envelope = rig.answer(&offer);
    let hash = rig.core.state_hash();
    let dry = Input::Import { to: ReplyTo(0), cause: cause(), envelope, dry_run: true, accept_time: false };
    let answer = imported(rig.ask(dry));
    assert_eq!(answer.result, ImportResult::WouldApply);
    assert!(answer.changes[0].starts_with("5 seats of cad until"), "{:?}", answer.changes);
    assert_eq!(rig.core.state_hash(), hash);
}

#[test]
fn an_older_bundle_is_a_rollback() {
    let mut rig = Rig::new();
    let (first, second) = (rig.offer(cad(1)), rig.offer(cad(1)));
    let (first, second) = (rig.answer(&first), rig.answer(&second));
    imported(rig.import(second));
    assert_eq!(refused(rig.import(first)).code, Code::BundleRollback);
}

#[test]
fn an_earlier_version_of_a_row_is_a_rollback() {
    let version = |seq| {
        let rows = vec![RowOffer { seq, ..RowOffer::new(1, SlotSet::range(0, 1)) }];
        vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 1) }]
    };
    let mut rig = Rig::with(version(2));
    let offer = rig.offer(version(1));
    let bundle = rig.answer(&offer);
    assert_eq!(refused(rig.import(bundle)).code, Code::BundleRollback);
}

#[test]
fn what_was_made_for_another_node_or_another_request_is_refused() {
    let mut rig = Rig::with_seats(1);
    let mut offer = rig.offer(cad(1));
    offer.node = NodeId([99; 16]);
    let bundle = rig.answer(&offer);
    assert_eq!(refused(rig.import(bundle)).code, Code::BundleWrongNode);
    let mut other_node = Rig::new();
    other_node.wait(1);
    let offer = Offer::new(9, cad(1));
    let mut request = other_node.request();
    let unasked = rig.vendor.answer(&request, &offer);
    assert_eq!(refused(rig.import(unasked)).code, Code::BundleWrongNode);
    request.sign_key =
        leasehold_protocol::keys::Signer::public_key(&leasehold_tests::vendor::TestKey::new(3)).bytes();
    let other_key = rig.vendor.answer(&request, &offer);
    assert_eq!(refused(rig.import(other_key)).code, Code::BundleWrongNode);
}

#[test]
fn another_vendors_bundle_is_refused() {
    let mut rig = Rig::with_seats(1);
    let (request, offer) = (rig.request(), rig.offer(cad(9)));
    let foreign = Vendor::new(5).answer(&request, &offer);
    assert_eq!(refused(rig.import(foreign)).code, Code::BundleWrongRealm);
}

#[test]
fn a_bundle_with_any_part_flipped_or_cut_off_is_refused_and_nothing_is_written() {
    let mut rig = Rig::with_seats(1);
    let rows = vec![RowOffer { seq: 2, ..RowOffer::new(1, SlotSet::range(0, 3)) }];
    let offer = rig.offer(vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 3) }]);
    let bundle = rig.answer(&offer);
    let seq = rig.core.next_seq();
    for at in (0..bundle.len()).step_by(97) {
        let mut flipped = bundle.clone();
        flipped[at] ^= 1;
        refused(rig.import(flipped));
        refused(rig.import(bundle[..at].to_vec()));
    }
    assert_eq!(rig.core.next_seq(), seq);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
    imported(rig.import(bundle));
}

#[test]
fn a_row_that_is_taken_away_is_served_no_more_and_its_leases_run_out() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    rig.give(vec![PoolOffer { rows: Vec::new(), ..PoolOffer::new(1, "cad", 1) }]);
    assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted);
    assert_eq!(code(&rig.renew(lease)), Code::Draining);
    assert_eq!(rig.leases().len(), 1);
    rig.restart();
}
