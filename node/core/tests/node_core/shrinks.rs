//! A pool that shrinks below its use: the newest leases end, others move, nothing is promised less.

use std::collections::BTreeMap;

use leasehold_node_core::{Cause, Checkout, Entropy, Input, Reply, ReplyTo};
use leasehold_protocol::api::LeaseState;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{PoolOffer, RowOffer};

use crate::rig::{Rig, cause, code, denied, refused, seat, wish};

const TTL_MS: i64 = 900_000;
const OVER_MS: i64 = 990_000;

/// Version `seq` of pool and row.
fn pool(seq: u64, seats: u32, slots: SlotSet, shrink_to: Option<u32>) -> Vec<PoolOffer> {
    let rows = vec![RowOffer { seq, shrink_to, ..RowOffer::new(1, slots) }];
    vec![PoolOffer { serial: seq, rows, ..PoolOffer::new(1, "cad", seats) }]
}

fn because() -> Cause {
    Cause { reason: Some("test".to_owned()), ..cause() }
}

fn leases_of(rig: &mut Rig, count: u8) -> Vec<LeaseId> {
    (1..=count)
        .map(|key| {
            let lease = rig.seat(key).lease;
            rig.wait(1_000);
            lease
        })
        .collect()
}

fn codes(rig: &mut Rig, leases: &[LeaseId]) -> Vec<Code> {
    leases.iter().map(|&lease| code(&rig.renew(lease))).collect()
}

#[test]
fn a_shrink_below_use_ends_the_newest_leases_first_and_reaches_its_target_under_load() {
    let mut rig = Rig::with(pool(1, 6, SlotSet::range(0, 6), None));
    let leases = leases_of(&mut rig, 5);
    rig.give(pool(2, 6, SlotSet::range(0, 6), Some(3)));
    let start = rig.now.boottime_ms;
    assert_eq!(rig.pool().draining, 2);
    assert_eq!(
        codes(&mut rig, &leases),
        [Code::Allowed, Code::Allowed, Code::Allowed, Code::Draining, Code::Draining]
    );
    let states: Vec<LeaseState> = rig.leases().into_iter().map(|lease| lease.state).collect();
    assert_eq!(states[2..], [LeaseState::Active, LeaseState::Drain, LeaseState::Drain]);
    rig.restart();
    while rig.now.boottime_ms - start < OVER_MS {
        rig.wait(45_000);
        rig.tick();
        codes(&mut rig, &leases);
        assert_ne!(code(&rig.checkout(wish(9))), Code::Allowed, "nothing is granted until then");
    }
    assert_eq!((rig.pool().seats, rig.pool().in_use, rig.pool().draining), (Some(3), 3, 0));
    assert_eq!(codes(&mut rig, &leases[..3]), [Code::Allowed; 3], "they never noticed");
    rig.restart();
}

#[test]
fn a_lease_of_several_seats_counts_as_many_where_a_shrink_looks_for_the_newest() {
    let mut rig = Rig::with(pool(1, 6, SlotSet::range(0, 6), None));
    let old = rig.seat(1).lease;
    let wide = seat(rig.checkout(Checkout { count: 3, ..wish(2) })).lease;
    let new = rig.seat(3).lease;
    rig.give(pool(2, 6, SlotSet::range(0, 6), Some(3)));
    assert_eq!(codes(&mut rig, &[old, wide, new]), [Code::Allowed, Code::Draining, Code::Draining]);
    rig.release(new);
    assert_eq!(code(&rig.renew(wide)), Code::Draining, "one seat too many");
    rig.release(old);
    assert_eq!(code(&rig.renew(wide)), Code::Allowed, "they are no more than may be kept");
    rig.restart();
}

#[test]
fn leases_that_leave_by_themselves_are_not_made_up_for() {
    for (keep, expected) in [
        (2, [Code::Draining, Code::Allowed, Code::Allowed]),
        (1, [Code::Draining, Code::Allowed, Code::Draining]),
    ] {
        let mut rig = Rig::with(pool(1, 3, SlotSet::range(0, 3), None));
        let leases = leases_of(&mut rig, 3);
        rig.ask(Input::ForceRelease { to: ReplyTo(0), cause: because(), lease: leases[0], dry_run: false });
        rig.give(pool(2, 3, SlotSet::range(0, 3), Some(keep)));
        assert_eq!(codes(&mut rig, &leases), expected);
        assert_eq!(rig.pool().draining, 3 - keep);
        rig.release(leases[1]);
        assert_eq!(code(&rig.renew(leases[2])), Code::Allowed, "the first one ends by itself");
    }
}

#[test]
fn a_lease_whose_slot_went_moves_to_a_free_one_as_the_same_lease() {
    let mut rig = Rig::with(pool(1, 4, SlotSet::range(0, 4), None));
    let leases = leases_of(&mut rig, 4);
    rig.release(leases[0]);
    rig.give(pool(2, 2, SlotSet::range(0, 2), None));
    let before = rig.leases();
    let moved = seat(rig.renew(leases[2]));
    assert_eq!((moved.lease, moved.slots.clone()), (leases[2], SlotSet::range(0, 1)));
    assert_eq!(moved.epoch, before[1].epoch);
    assert_eq!(moved.ticket.slots, moved.slots);
    assert_eq!(code(&rig.renew(leases[1])), Code::Allowed, "its slot is still here");
    let denial = denied(rig.renew(leases[3]));
    assert_eq!(denial.code, Code::Draining);
    assert_eq!(code(&rig.checkout(wish(9))), Code::PoolExhausted);
    rig.restart();
    rig.wait(OVER_MS);
    let again = seat(rig.renew(leases[2]));
    assert_eq!(again.slots, SlotSet::range(0, 1));
    rig.tick();
    assert_eq!(rig.pool().in_use, 1);
}

#[test]
fn who_keeps_a_slot_goes_on_where_an_older_lease_has_lost_its_own() {
    let slots = |row, first, count| RowOffer::new(row, SlotSet::range(first, count));
    let of = |serial, rows| vec![PoolOffer { serial, rows, ..PoolOffer::new(1, "cad", 4) }];
    let mut rig = Rig::with(of(1, vec![slots(1, 0, 2), slots(2, 2, 2)]));
    let leases = leases_of(&mut rig, 4);
    rig.give(of(2, vec![RowOffer { seq: 2, ..slots(2, 2, 2) }]));
    assert_eq!(codes(&mut rig, &leases), [Code::Draining, Code::Draining, Code::Allowed, Code::Allowed]);
    rig.release(leases[3]);
    assert_eq!(
        codes(&mut rig, &leases[..3]),
        [Code::Draining, Code::Draining, Code::Allowed],
        "one too many yet"
    );
    rig.release(leases[1]);
    assert_eq!(codes(&mut rig, &leases[..1]), [Code::Allowed], "there is a seat to move to");
    rig.restart();
}

#[test]
fn moves_never_share_a_slot() {
    let mut rig = Rig::with(pool(1, 20, SlotSet::range(0, 20), None));
    let leases: Vec<LeaseId> = (0..10)
        .map(|key| seat(rig.checkout(Checkout { count: 1 + u32::from(key % 3), ..wish(key) })).lease)
        .collect();
    for lease in [0, 3, 4] {
        rig.release(leases[lease]);
    }
    rig.give(pool(2, 20, SlotSet::range(0, 15), None));
    for lease in leases.iter().rev() {
        rig.renew(*lease);
        let mut seen = SlotSet::EMPTY;
        for lease in rig.leases() {
            let slots: SlotSet = lease.slot.into_iter().chain(lease.slots.into_iter().flatten()).collect();
            assert!(!seen.intersects(&slots));
            seen.insert_all(&slots);
        }
    }
    assert!(rig.leases().iter().all(|lease| lease.state == LeaseState::Active), "{:?}", rig.leases());
    rig.restart();
}

#[test]
fn a_fragmented_row_reaches_its_target_because_leases_move_down() {
    // Every other slot is held: 100 free ranges, and a report tells of 64.
    let mut rig = Rig::with(pool(1, 200, SlotSet::range(0, 200), None));
    let leases = leases_of(&mut rig, 200);
    let kept: Vec<LeaseId> = leases.iter().copied().skip(1).step_by(2).collect();
    for lease in leases.iter().step_by(2) {
        rig.release(*lease);
    }
    rig.give(pool(2, 200, SlotSet::range(0, 200), Some(100)));
    assert_eq!(rig.pool().seats, Some(136), "as much as one report tells");
    assert_eq!(code(&rig.checkout(wish(250))), Code::PoolExhausted, "the rest is not for new leases");
    for (waited_ms, seats) in [(TTL_MS / 2, 136), (TTL_MS / 2, 136), (TTL_MS / 2, 100)] {
        rig.wait(waited_ms);
        rig.tick();
        assert_eq!(
            rig.pool().seats,
            Some(seats),
            "what leases left is counted until their first promise is over"
        );
        assert!(codes(&mut rig, &kept).iter().all(|&code| code == Code::Allowed));
        rig.restart();
    }
    assert_eq!(rig.pool().in_use, 100);
}

#[test]
fn the_slot_that_a_lease_moved_away_from_is_nobody_elses_until_its_promise_is_over() {
    let mut rig = Rig::with(pool(1, 4, SlotSet::range(0, 4), None));
    let leases = leases_of(&mut rig, 3);
    rig.release(leases[0]);
    rig.give(pool(2, 4, SlotSet::range(0, 2), None));
    rig.wait(100_000);
    let moved = seat(rig.renew(leases[2]));
    assert_eq!(moved.slots, SlotSet::range(0, 1));
    rig.renew(leases[1]);
    // The vendor brings back what it took, while an application may use it that never heard of the move.
    rig.give(pool(3, 4, SlotSet::range(0, 4), None));
    assert_eq!(rig.seat(9).slots, SlotSet::range(3, 1));
    assert_eq!(code(&rig.checkout(wish(10))), Code::PoolExhausted);
    rig.restart();
    rig.wait(OVER_MS - 100_000 - 1_000 - 1);
    assert_eq!(code(&rig.checkout(wish(10))), Code::PoolExhausted, "not before");
    rig.wait(1);
    assert_eq!(rig.seat(10).slots, SlotSet::range(2, 1));
    rig.restart();
}

#[test]
fn what_ran_out_comes_back_only_where_there_is_room() {
    let rows = SlotSet::range(0, 4);
    let mut rig = Rig::with(pool(1, 4, rows.clone(), None));
    let leases = leases_of(&mut rig, 2);
    rig.wait(OVER_MS);
    let others: Vec<LeaseId> = [11, 12].map(|key| rig.seat(key).lease).into();
    rig.give(pool(2, 2, SlotSet::range(0, 2), None));
    assert_eq!(
        refused(rig.renew(leases[0])).code,
        Code::LeaseLost,
        "its slot is here, and nobody has it, but two are in use"
    );
    assert!(rig.leases().iter().all(|lease| lease.lease_id != leases[0]));
    assert_eq!(codes(&mut rig, &others), [Code::Allowed; 2]);
}

#[test]
fn no_path_moves_a_promised_deadline_back() {
    for run in 0..40 {
        let mut chance = Entropy::new([run; 32]);
        let first = PoolOffer {
            linger_ms: 60_000,
            idle_ms: Some(120_000),
            ..pool(1, 6, SlotSet::range(0, 6), None).remove(0)
        };
        let mut rig = Rig::with(vec![first.clone()]);
        let mut promised: BTreeMap<LeaseId, i64> = BTreeMap::new();
        let mut version = 1;
        for step in 0..60_u8 {
            rig.wait(chance.up_to(200_000));
            let held: Vec<LeaseId> = promised.keys().copied().collect();
            let some = |chance: &mut Entropy| {
                let last = i64::try_from(held.len()).unwrap() - 1;
                held.get(usize::try_from(chance.up_to(last.max(0))).unwrap())
                    .copied()
                    .unwrap_or(LeaseId([0; 16]))
            };
            let reply = match chance.up_to(9) {
                0..=2 => Some(rig.checkout(Checkout { count: 1 + u32::from(step % 3), ..wish(step) })),
                3..=5 => {
                    let lease = some(&mut chance);
                    Some(rig.renew_idle(lease, chance.up_to(150_000)))
                }
                6 => {
                    let lease = some(&mut chance);
                    promised.remove(&lease);
                    rig.release(lease);
                    None
                }
                7 => {
                    let cause = because();
                    let lease = some(&mut chance);
                    rig.ask(Input::ForceRelease { to: ReplyTo(0), cause, lease, dry_run: false });
                    None
                }
                8 => {
                    version += 1;
                    let slots = SlotSet::range(0, 1 + u32::try_from(chance.up_to(5)).unwrap());
                    let keep = u32::try_from(chance.up_to(5)).unwrap();
                    let offer = pool(version, 6, slots, Some(keep)).remove(0);
                    rig.give(vec![PoolOffer { rows: offer.rows, serial: version, ..first.clone() }]);
                    None
                }
                _ => {
                    rig.tick();
                    None
                }
            };
            if let Some(Reply::Seat(seat)) = reply {
                let until = rig.now.boottime_ms + seat.ttl_ms - seat.age_ms;
                let before = promised.insert(seat.lease, until);
                assert!(before.is_none_or(|before| before - 1 <= until), "run {run}, step {step}");
            }
            let shown: BTreeMap<LeaseId, i64> = rig
                .leases()
                .into_iter()
                .filter(|lease| lease.state != LeaseState::Linger)
                .map(|lease| (lease.lease_id, rig.now.boottime_ms + lease.expires_in_ms))
                .collect();
            promised.retain(|_, until| rig.now.boottime_ms < *until);
            for (lease, until) in &promised {
                assert!(shown.get(lease).is_some_and(|shown| until - 1 <= *shown), "run {run}, step {step}");
            }
        }
        rig.restart();
    }
}
