//! Grants and rows in time: friendly to who paid, strict with what was promised.

use leasehold_node_core::Input;
use leasehold_protocol::code::Code;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer, RowOffer};

use crate::rig::{Rig, code, denied, imported, seat, wish};

const MINUTE_MS: i64 = 60_000;

fn with_row(row: RowOffer) -> Rig {
    Rig::with(vec![PoolOffer { rows: vec![row], ..PoolOffer::new(1, "cad", 2) }])
}

fn row() -> RowOffer {
    RowOffer::new(1, SlotSet::range(0, 2))
}

#[test]
fn a_grant_is_served_from_five_minutes_before_its_start() {
    let begins = NOW.plus(60 * MINUTE_MS);
    let mut rig = Rig::with(vec![PoolOffer { not_before: begins, ..PoolOffer::new(1, "cad", 1) }]);
    rig.wait(54 * MINUTE_MS);
    let denial = denied(rig.checkout(wish(1)));
    assert_eq!(denial.code, Code::NotYetEffective);
    assert!(denial.detail.contains("in 6 min 0 s"), "{}", denial.detail);
    rig.wait(MINUTE_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
}

#[test]
fn an_ended_grant_is_served_and_flagged_in_grace_and_then_no_more() {
    let (ends, grace_ms) = (NOW.plus(60 * MINUTE_MS), 30 * MINUTE_MS);
    let mut rig = Rig::with(vec![PoolOffer { not_after: ends, grace_ms, ..PoolOffer::new(1, "cad", 3) }]);
    rig.wait(60 * MINUTE_MS - 1);
    assert_eq!(rig.seat(1).code, Code::Allowed);
    rig.wait(1);
    let flagged = rig.seat(2);
    assert_eq!((flagged.code, flagged.ticket.flags.0), (Code::AllowedGrace, 1));
    rig.wait(30 * MINUTE_MS - 1);
    assert_eq!(code(&rig.checkout(wish(3))), Code::AllowedGrace);
    rig.wait(1);
    assert_eq!(code(&rig.checkout(wish(4))), Code::Expired);
    assert_eq!(code(&rig.renew(flagged.lease)), Code::Expired);
}

#[test]
fn no_lease_outlives_its_row() {
    let ends = NOW.plus(10 * MINUTE_MS);
    let mut rig = with_row(RowOffer { not_after: ends, ..row() });
    let short = rig.seat(1);
    let hi = short.ticket.issued.hi;
    assert!(short.ttl_ms < 900_000, "{}", short.ttl_ms);
    assert!(hi.plus(short.ttl_ms * 11 / 10) <= ends && ends < hi.plus((short.ttl_ms + 2) * 11 / 10));
    rig.wait(8 * MINUTE_MS);
    assert_eq!(seat(rig.renew(short.lease)).ttl_ms, rig.leases()[0].expires_in_ms);
    rig.wait(MINUTE_MS);
    let denial = denied(rig.checkout(wish(2)));
    assert_eq!(denial.code, Code::AllocationEnded, "less than a minute of life is not worth a lease");
    assert_eq!(code(&rig.renew(short.lease)), Code::AllocationEnded);
}

#[test]
fn an_answer_is_given_again_until_the_row_ends() {
    let mut rig = with_row(RowOffer { not_after: NOW.plus(20 * MINUTE_MS), ..row() });
    let ttl_ms = rig.seat(1).ttl_ms;
    for _ in 0..19 {
        rig.wait(MINUTE_MS);
        assert_eq!(rig.seat(1).ttl_ms, ttl_ms, "it stands as it was promised");
    }
    rig.wait(MINUTE_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::AllocationEnded);
}

#[test]
fn an_answer_is_not_given_again_once_it_may_reach_beyond_its_row() {
    let mut rig = with_row(RowOffer { not_after: NOW.plus(DAY_MS + 20 * MINUTE_MS), ..row() });
    rig.seat(1);
    // After a forward step true time may be a day ahead of the wall clock: ten minutes before the end of the row.
    rig.now.wall_ms = NOW.plus(10 * MINUTE_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::AllocationEnded, "15 minutes and a tenth do not fit");
    rig.wait(7 * MINUTE_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::AllocationEnded);
    assert!(rig.seat(2).ttl_ms < 3 * MINUTE_MS, "a shorter one does");
}

#[test]
fn a_renewal_never_shortens_a_lease() {
    let mut rig = with_row(RowOffer { not_after: NOW.plus(30 * MINUTE_MS), ..row() });
    let lease = rig.seat(1).lease;
    let mut ends = rig.leases()[0].expires_in_ms;
    for _ in 0..20 {
        rig.wait(MINUTE_MS);
        rig.renew(lease);
        let next = rig.leases()[0].expires_in_ms + MINUTE_MS;
        assert!(ends <= next, "{ends} {next}");
        ends = next - MINUTE_MS;
    }
}

#[test]
fn a_longer_version_of_a_row_takes_over_renewals() {
    let short = RowOffer { not_after: NOW.plus(10 * MINUTE_MS), ..row() };
    let pool = PoolOffer { rows: vec![short.clone()], ..PoolOffer::new(1, "cad", 2) };
    let mut rig = Rig::with(vec![pool.clone()]);
    let granted = rig.seat(1);
    rig.give(vec![PoolOffer {
        rows: vec![RowOffer { seq: 2, not_after: NOW.plus(DAY_MS), ..short }],
        ..pool
    }]);
    rig.wait(9 * MINUTE_MS);
    let renewed = seat(rig.renew(granted.lease));
    assert_eq!((renewed.ttl_ms, renewed.epoch), (900_000, granted.epoch));
    assert_ne!(renewed.chain, granted.chain);
    assert!(rig.core.chain(granted.chain).is_none(), "nothing needs the old row any more");
    rig.restart();
}

#[test]
fn a_row_without_contact_ends_where_its_pool_says_so() {
    let max_offline_ms = Some(60 * MINUTE_MS);
    let mut rig = Rig::with(vec![PoolOffer { max_offline_ms, ..PoolOffer::new(1, "cad", 2) }]);
    rig.wait(60 * MINUTE_MS - 1);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
    rig.wait(1);
    assert_eq!(code(&rig.checkout(wish(2))), Code::ManifestStale);
}

/// Without any upper bound of time: after a wall clock that lies below the floor.
fn blind(row: RowOffer) -> Rig {
    let mut rig = with_row(row);
    rig.now.wall_ms = NOW.plus(-60 * MINUTE_MS);
    rig.reboot(0);
    rig
}

#[test]
fn without_an_upper_bound_of_time_only_fixed_rows_are_served_and_only_for_a_while() {
    let mut rig = blind(row());
    let denial = denied(rig.checkout(wish(1)));
    assert_eq!(denial.code, Code::ClockRolledBack);
    assert!(denial.detail.contains("1 h 0 min behind"), "{}", denial.detail);

    let mut rig = blind(RowOffer { suspect_budget_ms: Some(10 * MINUTE_MS), ..row() });
    assert_eq!(rig.status().clock.status, "SUSPECT");
    let lease = rig.seat(1).lease;
    rig.wait(10 * MINUTE_MS - 1);
    assert_eq!(code(&rig.renew(lease)), Code::Allowed);
    rig.restart();
    rig.wait(1);
    assert_eq!(code(&rig.checkout(wish(2))), Code::ClockRolledBack, "the budget is used up");
    assert_eq!(code(&rig.renew(lease)), Code::ClockRolledBack);
}

#[test]
fn a_clock_that_was_right_again_after_no_bound_was_known_is_bounded_by_a_day() {
    let mut rig = blind(row());
    assert_eq!(code(&rig.checkout(wish(1))), Code::ClockRolledBack);
    rig.frame([Input::Tick]);
    rig.now.wall_ms = NOW;
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
}

/// The kernel's error, a step and the issuer contradict each other: the floor is above every upper bound there was.
#[test]
fn a_clock_that_nothing_bounds_is_not_trusted() {
    let mut rig = with_row(row());
    let mut offer = rig.offer(vec![PoolOffer { rows: vec![row()], ..PoolOffer::new(1, "cad", 2) }]);
    let signed = NOW.plus(8 * MINUTE_MS);
    offer.time = Some((signed, signed));
    let bundle = rig.answer(&offer);
    rig.now.kernel_synced = true;
    rig.reboot(0);
    rig.frame([Input::Tick]);
    rig.now.wall_ms = NOW.plus(4 * MINUTE_MS);
    imported(rig.import(bundle));
    let denial = denied(rig.checkout(wish(1)));
    assert_eq!(denial.code, Code::ClockUntrusted);
    rig.restart();
}

#[test]
fn a_pool_that_requires_a_clock_is_not_served_without() {
    let budget = RowOffer { suspect_budget_ms: Some(DAY_MS), ..row() };
    let pool = PoolOffer { rows: vec![budget], ..PoolOffer::new(1, "cad", 2) };
    for (require_clock, expected) in [(true, Code::ClockRolledBack), (false, Code::Allowed)] {
        let mut rig = Rig::with(vec![PoolOffer { require_clock, ..pool.clone() }]);
        let lease = rig.seat(1).lease;
        rig.now.wall_ms = NOW.plus(-60 * MINUTE_MS);
        rig.reboot(0);
        assert_eq!(code(&rig.renew(lease)), expected);
        assert_eq!(code(&rig.checkout(wish(2))), expected);
    }
}

/// The budget is running time without a bound, whatever the clock does and however often the node starts.
#[test]
fn a_budget_counts_running_time_without_a_bound_and_no_other() {
    let mut rig = blind(RowOffer { suspect_budget_ms: Some(60 * MINUTE_MS), ..row() });
    let left = |rig: &Rig| rig.pool().allocations[0].budget_left_ms;
    rig.tick();
    rig.wait(20 * MINUTE_MS);
    assert_eq!(left(&rig), Some(40 * MINUTE_MS));
    rig.reboot(-DAY_MS);
    rig.tick();
    assert_eq!(left(&rig), Some(60 * MINUTE_MS), "the node was off since its last frame");
    rig.wait(20 * MINUTE_MS);
    rig.restart();
    assert_eq!(left(&rig), Some(40 * MINUTE_MS));
    rig.now.wall_ms = NOW.plus(40 * MINUTE_MS);
    rig.tick();
    rig.wait(60 * MINUTE_MS);
    assert_eq!(left(&rig), None, "the clock was set right");
    rig.tick();
    rig.now.wall_ms = NOW.plus(-60 * MINUTE_MS);
    rig.reboot(0);
    rig.tick();
    assert_eq!(left(&rig), Some(40 * MINUTE_MS), "what was used is used");
}

#[test]
fn a_row_that_is_certainly_over_is_not_served_from_its_budget() {
    let ends = NOW.plus(30 * MINUTE_MS);
    let mut rig =
        blind(RowOffer { suspect_budget_ms: Some(DAY_MS), not_after: ends, renew_after: ends, ..row() });
    rig.tick();
    rig.wait(29 * MINUTE_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
    rig.wait(2 * MINUTE_MS);
    let denial = denied(rig.checkout(wish(2)));
    assert_eq!(denial.code, Code::ClockRolledBack);
    assert!(denial.detail.contains("certainly over"), "{}", denial.detail);
}

/// Both times and the difference, and what heals it.
#[test]
fn a_denial_for_time_says_both_times_and_how_far_they_are_apart() {
    let says = |reply, code: Code, parts: &[&str]| {
        let denial = denied(reply);
        assert_eq!(denial.code, code);
        for part in parts {
            assert!(denial.detail.contains(part), "{part}: {}", denial.detail);
        }
        assert!(!denial.hint.is_empty() && !denial.would_allow.is_empty());
    };
    let at = |ms: i64| NOW.plus(ms).to_string();

    let pool = PoolOffer { not_before: NOW.plus(2 * DAY_MS), ..PoolOffer::new(1, "cad", 1) };
    let mut rig = Rig::with(vec![pool]);
    says(rig.checkout(wish(1)), Code::NotYetEffective, &[&at(2 * DAY_MS), &at(0), "in 2 d 0 h"]);

    let pool = PoolOffer { not_after: NOW.plus(DAY_MS), ..PoolOffer::new(1, "cad", 1) };
    let mut rig = Rig::with(vec![pool]);
    rig.wait(3 * DAY_MS);
    says(rig.checkout(wish(1)), Code::Expired, &[&at(DAY_MS), &at(3 * DAY_MS), "2 d 0 h ago"]);

    let mut rig = with_row(RowOffer { not_after: NOW.plus(DAY_MS), ..row() });
    rig.reboot(2 * DAY_MS);
    says(rig.checkout(wish(1)), Code::AllocationEnded, &[&at(DAY_MS), &at(3 * DAY_MS), "2 d 0 h after it"]);

    let mut rig = with_row(RowOffer { not_after: NOW.plus(DAY_MS + 30_000), ..row() });
    rig.reboot(0);
    says(rig.checkout(wish(1)), Code::AllocationEnded, &[&at(DAY_MS + 30_000), &at(DAY_MS), "30 s left"]);

    let mut rig = blind(row());
    let parts = [&at(-60 * MINUTE_MS), &at(0), "1 h 0 min behind", "no budget for that"];
    says(rig.checkout(wish(1)), Code::ClockRolledBack, &parts);

    let mut rig = blind(RowOffer { suspect_budget_ms: Some(MINUTE_MS), ..row() });
    rig.tick();
    rig.wait(MINUTE_MS);
    let parts = [&at(-59 * MINUTE_MS), "59 min 59 s behind", "budget of 1 min 0 s", "used up"];
    says(rig.checkout(wish(1)), Code::ClockRolledBack, &parts);
}
