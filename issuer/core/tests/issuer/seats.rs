//! Law 1: never more seats than were sold, whoever asks for them and when.

use leasehold_issuer_core::{Mobility, NewAllocation, NodeClass, What};
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::slots::SlotSet;

use crate::rig::{DAY_MS, Rig, allocation};

#[test]
fn allocations_together_never_exceed_seats_and_overdraft() {
    let mut rig = Rig::with_pool(Seats::Value(10), 2, NodeClass::Online);
    rig.node("lab", NodeClass::Online);
    assert_eq!(rig.allocate("plant", 7).unwrap().slots, SlotSet::range(0, 7));
    assert_eq!(rig.allocate("lab", 4).unwrap().slots, SlotSet::range(7, 4));
    let refusal = rig.allocate("plant", 2).unwrap_err();
    assert_eq!(refusal.code, Code::AllocationExceedsPool);
    assert_eq!(refusal.extra["free"], 1);
    assert_eq!(rig.allocate("lab", 1).unwrap().slots, SlotSet::range(11, 1));
    assert_eq!(rig.allocate("lab", 1).unwrap_err().extra["free"], 0);
    rig.check_replay();
}

#[test]
fn an_unlimited_pool_gives_rows_without_slots() {
    let mut rig = Rig::with_pool(Seats::Unlimited, 0, NodeClass::Online);
    for seats in [Seats::Value(1_000_000), Seats::Unlimited] {
        let row = rig.allocate_as(NewAllocation { seats, ..allocation(1) }).unwrap();
        assert!(row.slots.is_empty() && row.borrow_slots.is_empty());
    }
    rig.check_replay();
}

#[test]
fn unlimited_seats_of_a_limited_pool_are_too_many() {
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::Online);
    let refusal = rig.allocate_as(NewAllocation { seats: Seats::Unlimited, ..allocation(1) }).unwrap_err();
    assert_eq!((refusal.code, &refusal.extra["free"]), (Code::AllocationExceedsPool, &10.into()));
}

#[test]
fn a_forged_record_that_gives_a_seat_twice_is_not_replayed() {
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::Online);
    rig.allocate("plant", 6).unwrap();
    let before = rig.issuer.clone();
    let honest = rig.allocate("plant", 4).unwrap();
    let (stamp, facts) = rig.frames.last().unwrap();
    let replays = |slots: SlotSet| {
        let mut fact = facts[0].clone();
        let What::AllocationCreated { row, .. } = &mut fact.what else { panic!("a row is made") };
        row.slots = slots;
        let mut issuer = before.clone();
        issuer.stamp(stamp);
        issuer.apply(issuer.next_seq(), &fact).is_ok()
    };
    assert!(replays(honest.slots));
    for forged in [SlotSet::range(5, 4), SlotSet::range(7, 4), SlotSet::range(0, 1), SlotSet::EMPTY] {
        assert!(!replays(forged.clone()), "{forged:?}");
    }
}

#[test]
fn seats_of_an_elastic_row_come_free_only_when_its_time_is_certainly_over() {
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::Online);
    rig.node("lab", NodeClass::Online);
    let elastic = NewAllocation { kind: AllocationKind::Elastic, ..allocation(10) };
    let row = rig.allocate_as(elastic).unwrap();
    assert_eq!(row.not_after.since(row.not_before), 7 * DAY_MS);
    assert_eq!(row.renew_after.since(row.not_before), 7 * DAY_MS / 2);
    // Certain time began a day behind the wall clock, and rises a little slower than the clock runs.
    rig.pass(8 * DAY_MS);
    assert_eq!(rig.allocate("lab", 1).unwrap_err().code, Code::AllocationExceedsPool);
    rig.pass(20 * 60_000);
    let taken = rig.allocate("lab", 1).unwrap();
    assert_eq!(taken.slots, SlotSet::range(0, 1));
    assert_eq!(rig.issuer.rows().count(), 1, "the row whose seats were taken is over");
    rig.check_replay();
}

#[test]
fn a_borrow_may_reach_beyond_a_base_row_and_its_seats_wait_for_it() {
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::Online);
    rig.node("lab", NodeClass::Online);
    let until = Some(rig.now.wall_ms.plus(DAY_MS));
    let row = rig.allocate_as(NewAllocation { until, ..allocation(10) }).unwrap();
    assert_eq!(row.mclt_ms, 30 * DAY_MS);
    assert_eq!(row.borrow_slots, SlotSet::range(8, 2), "a fifth, from the top");
    rig.pass(31 * DAY_MS);
    assert!(rig.allocate("lab", 1).is_err());
    rig.pass(2 * DAY_MS);
    assert!(rig.allocate("lab", 1).is_ok());
}

#[test]
fn a_fixed_row_never_comes_free_by_time() {
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::AirGapped);
    let row = rig.allocate_as(NewAllocation { mobility: None, ..allocation(10) }).unwrap();
    assert_eq!(row.mobility, Mobility::Fixed);
    assert_eq!(row.suspect_budget_ms, 72 * 3_600_000);
    rig.pass(5000 * DAY_MS);
    assert_eq!(rig.allocate("plant", 1).unwrap_err().code, Code::AllocationExceedsPool);
}

#[test]
fn a_base_row_is_fixed_only_where_an_air_gapped_node_serves_the_pool_alone() {
    let mobility = |rig: &mut Rig, node: &str| {
        let new = NewAllocation { mobility: None, node: node.to_owned(), ..allocation(1) };
        rig.allocate_as(new).unwrap().mobility
    };
    let mut rig = Rig::with_pool(Seats::Value(10), 0, NodeClass::AirGapped);
    rig.node("lab", NodeClass::Online);
    rig.node("bunker", NodeClass::AirGapped);
    assert_eq!(mobility(&mut rig, "plant"), Mobility::Fixed);
    assert_eq!(mobility(&mut rig, "lab"), Mobility::Movable);
    assert_eq!(mobility(&mut rig, "bunker"), Mobility::Movable);
}
