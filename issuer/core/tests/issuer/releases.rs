//! Seats come back by what a node released, once, and by nothing else.

use leasehold_issuer_core::{Command, Mobility, NewAllocation, NewShrink, NodeClass, What, limits};
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::slots::SlotSet;

use crate::exchange::{answer, join, receive, sync};
use crate::node::TestNode;
use crate::rig::{DAY_MS, Rig, START, allocation};

#[test]
fn a_shrink_is_a_wish_until_the_node_has_released() {
    let (mut rig, mut node) = sold();
    let row = join(&mut rig, &mut node).allocations[0].clone();
    shrink(&mut rig, 25).unwrap();
    let asked = sync(&mut rig, &mut node).allocations[0].clone();
    assert_eq!((asked.shrink_to, asked.slots.len(), asked.prev), (Some(25), 40, Some(row.digest())));
    assert_eq!(free(&rig), 60, "nothing is free yet");
    node.release(&asked, SlotSet::range(30, 10));
    let part = sync(&mut rig, &mut node).allocations[0].clone();
    assert_eq!((part.shrink_to, part.slots.clone()), (Some(25), SlotSet::range(0, 30)));
    assert_eq!(part.acked_report_seq, node.released[0].report_seq);
    assert_eq!(free(&rig), 70);
    node.release(&part, SlotSet::range(25, 5));
    let done = sync(&mut rig, &mut node).allocations[0].clone();
    assert_eq!((done.shrink_to, done.slots.len(), free(&rig)), (None, 25, 75));
    rig.check_replay();
}

#[test]
fn a_release_acts_once_and_on_its_own_row_only() {
    let (mut rig, mut node) = sold();
    let row = join(&mut rig, &mut node).allocations[0].clone();
    node.release(&row, SlotSet::range(30, 10));
    sync(&mut rig, &mut node);
    // The freed slots go to a second row of the same node.
    rig.allocate("plant", 70).unwrap();
    assert_eq!(free(&rig), 0);
    // The same release is told again: in the next report, and in a receipt.
    sync(&mut rig, &mut node);
    receive(&mut rig, &mut node).unwrap();
    assert_eq!(free(&rig), 0);
    // A later report names the old version of the row, and slots it has no more.
    node.release(&row, SlotSet::range(20, 20));
    sync(&mut rig, &mut node);
    assert_eq!(free(&rig), 10, "of the twenty, ten are still the row's");
    rig.check_replay();
}

#[test]
fn two_versions_of_a_row_may_release_the_same_slots() {
    let (mut rig, mut node) = sold();
    let first = join(&mut rig, &mut node).allocations[0].clone();
    shrink(&mut rig, 25).unwrap();
    let second = sync(&mut rig, &mut node).allocations[0].clone();
    node.release(&first, SlotSet::range(30, 10));
    let earlier = node.released.remove(0);
    node.release(&second, SlotSet::range(25, 15));
    node.released.push(earlier);
    node.released.sort_by_key(|release| release.allocation);
    assert_eq!(sync(&mut rig, &mut node).allocations[0].slots, SlotSet::range(0, 25));
    assert_eq!(free(&rig), 75);
}

#[test]
fn a_receipt_gives_back_too_and_is_taken_once() {
    let (mut rig, mut node) = sold();
    let row = join(&mut rig, &mut node).allocations[0].clone();
    node.release(&row, SlotSet::range(0, 40));
    let seq = receive(&mut rig, &mut node).unwrap();
    let What::ReceiptTaken(taken) = &rig.fact(seq).what else { panic!("a receipt is taken") };
    assert_eq!(taken.releases.freed[0].slots.len(), 40);
    assert_eq!((free(&rig), rig.issuer.rows().count()), (100, 0), "a row of which nothing is left ends");
    let again = node.receipt(|receipt| rig.issuer.sign_key_of(receipt));
    let command = || Command::TakeReceipt { receipt: Box::new(again.clone()) };
    let first = rig.act(command()).unwrap();
    assert_eq!(rig.act(command()).unwrap(), first);
    assert!(sync(&mut rig, &mut node).allocations.is_empty());
    rig.check_replay();
}

#[test]
fn the_last_receipts_are_known_again() {
    let (mut rig, mut node) = sold();
    join(&mut rig, &mut node);
    let mut taken = Vec::new();
    for _ in 0..=limits::TAKEN_RECEIPTS {
        let receipt = Box::new(node.receipt(|receipt| rig.issuer.sign_key_of(receipt)));
        let seq = rig.act(Command::TakeReceipt { receipt: receipt.clone() }).unwrap();
        taken.push((receipt, seq));
    }
    for (age, (receipt, seq)) in taken.into_iter().rev().enumerate() {
        let again = rig.act(Command::TakeReceipt { receipt }).unwrap();
        assert_eq!(again == seq, age < limits::TAKEN_RECEIPTS, "{age}");
    }
    rig.check_replay();
}

#[test]
fn only_the_nodes_own_rows_come_back() {
    let (mut rig, mut node) = sold();
    join(&mut rig, &mut node);
    rig.node("office", NodeClass::Online);
    rig.allocate_as(NewAllocation { node: "office".to_owned(), ..allocation(10) }).unwrap();
    let mut office = TestNode::new(60);
    let code = rig.issuer.node("office").unwrap().node.join.issued.nonce;
    let request = office.request(Some(leasehold_protocol::request::JoinSecret(code)));
    let theirs = answer(&mut rig, &request).unwrap().allocations[0].clone();
    node.release(&theirs, theirs.slots.clone());
    sync(&mut rig, &mut node);
    assert_eq!(free(&rig), 50, "nobody gives back what another node holds");
}

#[test]
fn a_fixed_row_neither_shrinks_nor_comes_back() {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::AirGapped);
    rig.allocate_as(NewAllocation { mobility: Some(Mobility::Fixed), ..allocation(40) }).unwrap();
    let mut node = TestNode::new(50);
    let row = join(&mut rig, &mut node).allocations[0].clone();
    assert_eq!(shrink(&mut rig, 10), Err(Code::AllocationFixed));
    node.release(&row, SlotSet::range(0, 1));
    assert_eq!(answer(&mut rig, &node.request(None)).unwrap_err().code, Code::AllocationFixed);
    assert_eq!(free(&rig), 60);
}

#[test]
fn a_row_that_no_node_was_given_shrinks_at_once() {
    let (mut rig, mut node) = sold();
    shrink(&mut rig, 25).unwrap();
    assert_eq!(free(&rig), 75);
    assert_eq!(join(&mut rig, &mut node).allocations[0].slots, SlotSet::range(0, 25));
    assert_eq!(shrink(&mut rig, 26), Err(Code::InvalidRequest));
    shrink(&mut rig, 24).unwrap();
    shrink(&mut rig, 25).unwrap();
    assert_eq!(sync(&mut rig, &mut node).allocations[0].shrink_to, None, "the wish is taken back");
    rig.check_replay();
}

#[test]
fn an_elastic_row_is_renewed_from_half_its_life_on_as_far_as_its_grant_reaches() {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::Online);
    rig.allocate_as(NewAllocation { kind: AllocationKind::Elastic, ..allocation(40) }).unwrap();
    let mut node = TestNode::new(50);
    let first = join(&mut rig, &mut node).allocations[0].clone();
    rig.pass(3 * DAY_MS);
    assert_eq!(sync(&mut rig, &mut node).allocations[0].digest(), first.digest());
    rig.pass(DAY_MS);
    let second = sync(&mut rig, &mut node).allocations[0].clone();
    assert_eq!((second.seq, second.prev), (2, Some(first.digest())));
    assert!(START.plus(11 * DAY_MS) <= second.not_after && second.renew_after < second.not_after);
    rig.check_replay();
}

/// 40 of 100 seats for the online node `plant`.
fn sold() -> (Rig, TestNode) {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::Online);
    rig.allocate("plant", 40).unwrap();
    (rig, TestNode::new(50))
}

fn shrink(rig: &mut Rig, seats: u32) -> Result<(), Code> {
    let allocation = rig.issuer.rows().next().unwrap().row.id;
    let shrunk = rig.act(Command::ShrinkAllocation(NewShrink { allocation, seats }));
    shrunk.map(|_| ()).map_err(|problem| problem.code)
}

fn free(rig: &Rig) -> u32 {
    rig.issuer.pool("CAD").unwrap().free.unwrap()
}
