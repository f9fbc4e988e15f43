//! STOP, T1 and T2 under every clock.

use leasehold_client_core::{Call, Event, Input};
use leasehold_protocol::code::Code;
use leasehold_protocol::time::BootId;

use crate::rig::{Rig, TTL_MS, given, renewal};

/// When the node may give the seat to somebody else: TTL + G.
const RECLAIM_MS: i64 = TTL_MS + TTL_MS / 10;

/// Whether the application stops before the node reclaims, if their clocks run at so many per mille of true time and
/// the node is silent after the checkout, which it granted at the moment of sending: the worst case.
fn stops_in_time(client_per_mille: i64, node_per_mille: i64) -> bool {
    let mut rig = Rig::held(1);
    let start_ms = rig.now.boottime_ms;
    while rig.is_live() {
        if !rig.calls.is_empty() {
            rig.fail(Code::Unreachable);
        }
        rig.pass_to_deadline(TTL_MS);
    }
    let stopped_true_us = (rig.now.boottime_ms - start_ms) * 1_000_000 / client_per_mille;
    let reclaimed_true_us = RECLAIM_MS * 1_000_000 / node_per_mille;
    stopped_true_us < reclaimed_true_us
}

#[test]
fn the_seat_is_out_of_use_before_it_is_given_away_whatever_rates_up_to_15_percent() {
    for client in (850..=1150).step_by(50) {
        for node in (850..=1150).step_by(50) {
            assert!(stops_in_time(client, node), "{client} {node}");
        }
    }
}

#[test]
fn the_check_of_rates_can_fail() {
    assert!(stops_in_time(843, 1157));
    assert!(!stops_in_time(842, 1158));
    assert!(!stops_in_time(830, 1170));
}

#[test]
fn a_held_seat_is_renewed_at_t1() {
    let mut rig = Rig::held(1);
    for issue in 1..20 {
        let before = rig.now.boottime_ms;
        rig.pass_to_deadline(TTL_MS);
        let t1_ms = rig.now.boottime_ms - before;
        assert!((TTL_MS * 45 / 100..=TTL_MS * 55 / 100).contains(&t1_ms), "{t1_ms}");
        assert_eq!(rig.calls[0].call, renewal());
        rig.allow(given(issue, 0));
        assert!(matches!(rig.take_event(), Event::Renewed(_)));
    }
}

#[test]
fn stop_counts_from_sending_and_not_from_the_answer() {
    let mut rig = Rig::new();
    rig.pass(4_000);
    rig.allow(given(0, 0));
    rig.pass(3_000);
    rig.show_chain();
    let Event::Acquired(seat) = rig.take_event() else { panic!() };
    assert_eq!(seat.term.stop_in_ms(&rig.now), TTL_MS * 8 / 10 - 7_000);
}

#[test]
fn the_age_of_an_answer_counts() {
    let mut rig = Rig::new();
    rig.allow(given(0, 600_000));
    rig.show_chain();
    let Event::Acquired(seat) = rig.take_event() else { panic!() };
    assert_eq!(seat.term.stop_in_ms(&rig.now), 120_000);
    // It is past T1 already.
    assert_eq!(rig.take_call().call, renewal());
}

#[test]
fn an_answer_that_is_too_old_for_use_is_renewed_before_use() {
    let mut rig = Rig::new();
    rig.allow(given(0, 720_000));
    rig.show_chain();
    assert!(rig.events.is_empty() && !rig.is_live());
    rig.allow(given(1, 0));
    assert!(matches!(rig.take_event(), Event::Acquired(_)));
    assert!(rig.is_live());
}

#[test]
fn a_suspend_past_stop_ends_the_seat_before_any_use() {
    let mut rig = Rig::held(1);
    rig.now.boottime_ms += TTL_MS;
    assert!(!rig.is_live(), "a look at the clock is enough");
    rig.input(Input::Tick);
    assert!(matches!(rig.take_event(), Event::Lost));
    assert!(matches!(rig.calls[0].call, Call::Checkout(_)));
}

#[test]
fn a_machine_paused_without_boottime_stops_by_the_wall_clock() {
    let mut rig = Rig::held(1);
    rig.set_wall(TTL_MS);
    assert!(!rig.is_live());
}

#[test]
fn a_wall_clock_that_jumps_ahead_only_renews_early() {
    let mut rig = Rig::held(1);
    rig.set_wall(TTL_MS * 6 / 10);
    rig.input(Input::Tick);
    assert!(rig.is_live() && rig.events.is_empty());
    assert_eq!(rig.calls[0].call, renewal());
    rig.allow(given(1, 0));
    let Event::Renewed(seat) = rig.take_event() else { panic!() };
    assert_eq!(seat.term.stop_in_ms(&rig.now), TTL_MS * 8 / 10);
}

#[test]
fn a_wall_clock_that_jumps_back_prolongs_nothing() {
    let mut rig = Rig::held(1);
    rig.set_wall(-TTL_MS);
    rig.now.boottime_ms += TTL_MS * 8 / 10 - 1;
    assert!(rig.is_live());
    rig.now.boottime_ms += 1;
    assert!(!rig.is_live());
}

#[test]
fn a_new_boot_ends_the_seat() {
    let mut rig = Rig::held(1);
    rig.now.boot_id = BootId([1; 16]);
    assert!(!rig.is_live());
}

#[test]
fn the_same_ticket_again_never_extends() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(TTL_MS);
    let stop_in_ms = rig.core.live_seat(&rig.now).unwrap().term.stop_in_ms(&rig.now);
    // A node that forgets the age of what it answers again.
    rig.allow(given(0, 0));
    let after = rig.core.live_seat(&rig.now).unwrap().term.stop_in_ms(&rig.now);
    assert_eq!(after, stop_in_ms);
}
