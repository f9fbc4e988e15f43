//! One pool, one row: checkout, renewal, release, eviction.

use leasehold_node_core::{Input, Principal, ReplyTo};
use leasehold_protocol::api::LeaseState;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::slots::SlotSet;

use crate::rig::{Rig, checkout_of, code, denied, holder, refused, released, seat, wish};

/// Default life of a lease, and the server's grace after it.
const TTL_MS: i64 = 900_000;
const G_MS: i64 = 90_000;

#[test]
fn a_fresh_checkout_gets_the_lowest_free_slot() {
    let mut rig = Rig::with_seats(3);
    let leases: Vec<LeaseId> = (0..3_u8)
        .map(|key| {
            let seat = rig.seat(key);
            assert_eq!(seat.slots, SlotSet::range(u32::from(key), 1));
            assert_eq!((seat.ttl_ms, seat.age_ms, seat.code), (TTL_MS, 0, Code::Allowed));
            seat.lease
        })
        .collect();
    assert!(released(&rig.release(leases[1])));
    assert_eq!(rig.seat(9).slots, SlotSet::range(1, 1));
    rig.restart();
}

#[test]
fn epochs_rise_with_every_grant_of_a_pool() {
    let mut rig = Rig::with_seats(1);
    let mut last = 0;
    for key in 0..5 {
        let seat = rig.seat(key);
        assert!(last < seat.epoch);
        last = seat.epoch;
        rig.release(seat.lease);
        rig.restart();
    }
}

#[test]
fn a_full_pool_denies_and_says_who_holds_it_and_until_when() {
    let mut rig = Rig::with_seats(1);
    let mut first = wish(1);
    first.holder = holder("bob");
    rig.checkout(first);
    rig.wait(100_000);
    let denial = denied(rig.checkout(wish(2)));
    assert_eq!(denial.code, Code::PoolExhausted);
    assert_eq!(denial.held_by, ["bob@desk"]);
    assert_eq!(denial.retry_after_ms, Some(TTL_MS + G_MS - 100_000));
    assert!(denial.detail.contains("all 1 seats of cad"), "{}", denial.detail);
}

#[test]
fn a_release_frees_the_seat_and_is_answered_alike_when_repeated() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    assert!(released(&rig.release(lease)));
    assert!(!released(&rig.release(lease)));
    assert!(!released(&rig.release(LeaseId([3; 16]))));
    rig.seat(2);
}

#[test]
fn a_run_out_seat_is_taken_only_after_grace_and_only_when_needed() {
    let mut rig = Rig::with_seats(2);
    let oldest = rig.seat(1);
    rig.wait(1_000);
    let younger = rig.seat(2);
    rig.wait(TTL_MS + G_MS - 1_001);
    assert_eq!(code(&rig.checkout(wish(3))), Code::PoolExhausted, "a millisecond before deadline + G");
    rig.wait(1);
    let states: Vec<LeaseState> = rig.leases().into_iter().map(|lease| lease.state).collect();
    assert_eq!(states, [LeaseState::Evictable, LeaseState::Active]);
    assert_eq!(rig.pool().in_use, 1);
    let taken = rig.seat(3);
    assert_eq!(taken.slots, oldest.slots);
    assert_eq!(code(&rig.renew(oldest.lease)), Code::LeaseLost);
    rig.wait(1_000);
    assert_eq!(seat(rig.renew(younger.lease)).lease, younger.lease, "nobody needed it");
    rig.restart();
}

#[test]
fn a_renewal_keeps_id_epoch_and_slots_and_begins_a_new_life() {
    let mut rig = Rig::with_seats(2);
    let granted = rig.seat(1);
    rig.wait(450_000);
    let renewed = seat(rig.renew(granted.lease));
    assert_eq!(
        (renewed.lease, renewed.epoch, &renewed.slots),
        (granted.lease, granted.epoch, &granted.slots)
    );
    assert_eq!((renewed.ttl_ms, renewed.age_ms), (TTL_MS, 0));
    assert_ne!(renewed.ticket.issued, granted.ticket.issued);
    assert_eq!(rig.leases()[0].expires_in_ms, TTL_MS);
}

#[test]
fn what_is_over_is_lost_ended_or_unknown() {
    let mut rig = Rig::with_seats(1);
    let evicted = rig.seat(1).lease;
    rig.wait(TTL_MS + G_MS);
    let ended = rig.seat(2).lease;
    rig.release(ended);
    let codes = |rig: &mut Rig| [evicted, ended, LeaseId([3; 16])].map(|id| refused(rig.renew(id)).code);
    let expected = [Code::LeaseLost, Code::LeaseEnded, Code::TicketNeeded];
    assert_eq!(codes(&mut rig), expected);
    rig.restart();
    assert_eq!(codes(&mut rig), expected);
}

#[test]
fn other_people_are_told_nothing_about_a_lease() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    let (to, principal) = (ReplyTo(0), Principal::Uid(2));
    assert_eq!(
        refused(rig.ask(Input::Renew { to, principal, lease, idle_ms: None, shown: None })).code,
        Code::TicketNeeded
    );
    assert!(!released(&rig.ask(Input::Release { to, principal, lease })));
    assert_eq!(rig.leases().len(), 1);
    rig.release(lease);
    assert_eq!(
        refused(rig.ask(Input::Renew { to, principal, lease, idle_ms: None, shown: None })).code,
        Code::TicketNeeded
    );
}

#[test]
fn several_seats_are_given_all_or_nothing() {
    let mut rig = Rig::with_seats(4);
    let single = rig.seat(1);
    let three = |key| leasehold_node_core::Checkout { count: 3, ..wish(key) };
    let given = seat(rig.checkout(three(2)));
    assert_eq!((given.count, given.slots), (3, SlotSet::range(1, 3)));
    assert_eq!(code(&rig.checkout(three(3))), Code::PoolExhausted);
    rig.release(single.lease);
    assert_eq!(code(&rig.checkout(three(3))), Code::PoolExhausted);
    assert_eq!(rig.pool().in_use, 3);
    rig.wait(TTL_MS + G_MS);
    assert_eq!(seat(rig.checkout(three(3))).slots, SlotSet::range(0, 3));
    rig.restart();
}

#[test]
fn inputs_of_one_frame_see_each_other() {
    let mut rig = Rig::with_seats(1);
    let replies = rig.frame([checkout_of(wish(1)), checkout_of(wish(1)), checkout_of(wish(2))]);
    let (first, again) = (seat(replies[0].clone()), seat(replies[1].clone()));
    assert_eq!((first.lease, first.ticket, 0), (again.lease, again.ticket, again.age_ms));
    assert_eq!(code(&replies[2]), Code::PoolExhausted);
    rig.restart();
}
