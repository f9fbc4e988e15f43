//! The node's idea of time, seen through the stamps of its frames.

use leasehold_node_core::Input;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::{ClockReading, Stamp, UnixMs};
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer};

use crate::rig::{Rig, cause, code, imported, wish};

fn tick(rig: &mut Rig) -> Stamp {
    let stamp = rig.core.stamp_of(&rig.now);
    rig.frame([Input::Tick]);
    stamp
}

#[test]
fn the_wall_clock_never_lifts_the_floor() {
    let mut rig = Rig::with_seats(1);
    rig.now.wall_ms = NOW.plus(70 * 365 * DAY_MS);
    let floor = tick(&mut rig).floor;
    assert!(floor <= NOW, "{floor}");
    rig.now.wall_ms = NOW;
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed, "a clock once set to 2097 bricks nothing");
}

#[test]
fn floor_and_hi_enclose_true_time_at_the_worst_rates() {
    for (raw_ppm, slew_ppm) in
        [(500, 0), (-500, 0), (500, 80_000), (-500, -80_000), (500, -80_000), (-500, 80_000)]
    {
        let mut rig = Rig::with_seats(1);
        let (mut true_ms, step_ms) = (NOW.0, 600_000);
        for _ in 0..144 {
            true_ms += step_ms;
            let raw_ms = step_ms + step_ms * raw_ppm / 1_000_000;
            let slewed_ms = raw_ms + step_ms * slew_ppm / 1_000_000;
            rig.now.raw_ms += raw_ms;
            rig.now.mono_ms += slewed_ms;
            rig.now.boottime_ms += slewed_ms;
            rig.now.wall_ms = UnixMs(true_ms);
            let Stamp { floor, hi, .. } = tick(&mut rig);
            assert!(floor.0 <= true_ms && true_ms <= hi.0, "{raw_ppm} {slew_ppm}: {floor} {true_ms} {hi}");
        }
    }
}

#[test]
fn rounding_does_not_add_up_over_many_frames() {
    let mut rig = Rig::with_seats(1);
    for frame in 0..10_000 {
        rig.wait(1);
        // MONOTONIC and RAW are cut at different fractions.
        rig.now.raw_ms += if frame % 2 == 0 { -2 } else { 2 };
        tick(&mut rig);
    }
    let Stamp { floor, hi, .. } = rig.core.stamp_of(&rig.now);
    assert!(10_000 - 10 <= floor.since(NOW) && floor.since(NOW) <= 10_000, "{floor}");
    assert!(10_000 <= hi.since(NOW) && hi.since(NOW) <= 10_000 + 20, "{hi}");
}

/// The fractions that readings cut off may all lie on the wrong side, and the oscillator be as wrong as allowed.
#[test]
fn what_readings_cut_off_does_not_push_a_bound_over_true_time() {
    let mut rig = Rig::with_seats(1);
    // NTP added 10 ms to 1000.001 ms of a fast oscillator: 999.5 ms have passed.
    let fast = ClockReading {
        boottime_ms: rig.now.boottime_ms + 1_011,
        mono_ms: rig.now.mono_ms + 1_010,
        raw_ms: rig.now.raw_ms + 1_001,
        ..rig.now
    };
    let floor = rig.core.stamp_of(&fast).floor;
    assert!(floor.since(NOW) <= 999, "{floor}");
    // NTP took 10 ms away from 1000.999 ms of a slow oscillator: 1001.5 ms have passed.
    rig.now.boottime_ms += 990;
    rig.now.mono_ms += 991;
    rig.now.raw_ms += 1_000;
    let hi = rig.core.stamp_of(&rig.now).hi;
    assert!(1_002 <= hi.since(NOW), "{hi}");
}

#[test]
fn service_time_goes_on_over_a_restart_and_stands_still_while_the_machine_is_off() {
    let mut rig = Rig::with_seats(1);
    let before = tick(&mut rig).svc;
    rig.wait(7_000);
    rig.restart();
    let after = tick(&mut rig).svc;
    assert_eq!(after.since(before), 7_000, "the same boot: exact");
    rig.reboot(DAY_MS);
    assert_eq!(tick(&mut rig).svc, after, "another boot: off time counts zero");
    rig.wait(3_000);
    assert_eq!(tick(&mut rig).svc.since(after), 3_000);
}

#[test]
fn a_forward_step_voids_what_was_carried_and_a_day_after_the_wall_clock_is_taken() {
    let mut rig = Rig::with_seats(1);
    rig.now.wall_ms = NOW.plus(10 * 60_000);
    let hi = tick(&mut rig).hi;
    assert_eq!(hi, rig.now.wall_ms.plus(DAY_MS));
    rig.now.wall_ms = NOW;
    let back = tick(&mut rig).hi;
    assert_eq!(back, NOW.plus(DAY_MS), "what was carried before is void for ever");
}

#[test]
fn a_backward_step_keeps_what_was_carried() {
    let mut rig = Rig::with_seats(1);
    let before = tick(&mut rig).hi;
    rig.now.wall_ms = NOW.plus(-2 * DAY_MS);
    rig.wait(1_000);
    let Stamp { hi, suspect, .. } = tick(&mut rig);
    assert!(suspect && 1_000 <= hi.since(before) && hi.since(before) < 1_010, "{hi}");
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
}

#[test]
fn after_a_reboot_the_wall_clock_and_its_error_bound_time() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(DAY_MS);
    assert_eq!(tick(&mut rig).hi, rig.now.wall_ms.plus(DAY_MS));
    (rig.now.kernel_synced, rig.now.maxerror_ms) = (true, 250);
    rig.reboot(DAY_MS);
    assert_eq!(tick(&mut rig).hi, rig.now.wall_ms.plus(5 * 60_000 + 250));
}

#[test]
fn a_request_answered_in_the_same_boot_anchors_time_at_its_making() {
    let mut rig = Rig::with_seats(1);
    let pools = vec![leasehold_tests::vendor::PoolOffer::new(1, "cad", 1)];
    let mut offer = rig.offer(pools);
    offer.time = Some((NOW.plus(500), NOW.plus(700)));
    let bundle = rig.answer(&offer);
    rig.wait(60_000);
    imported(rig.import(bundle));
    let Stamp { floor, hi, .. } = rig.core.stamp_of(&rig.now);
    assert!(59_900 <= floor.since(NOW), "the floor does not go back: {floor}");
    assert!(60_000 <= hi.since(NOW) && hi.since(NOW) <= 60_100, "the lower of two bounds: {hi}");
    assert_eq!(rig.status().clock.status, "GOOD");
}

#[test]
fn a_signed_time_far_ahead_needs_somebodys_word() {
    for (accept_time, lifted) in [(false, false), (true, true)] {
        let mut rig = Rig::with_seats(1);
        let mut offer = rig.offer(Vec::new());
        let far = NOW.plus(40 * DAY_MS);
        offer.time = Some((far, far));
        let envelope = rig.answer(&offer);
        let to = leasehold_node_core::ReplyTo(0);
        let answer =
            imported(rig.ask(Input::Import { to, cause: cause(), envelope, dry_run: false, accept_time }));
        assert_eq!(answer.changes.iter().any(|change| change.contains("--accept-time")), !lifted);
        assert_eq!(far <= rig.core.stamp_of(&rig.now).floor, lifted);
        rig.restart();
    }
}

/// A machine that is paused again and again, each time for less than anybody remarks.
#[test]
fn short_pauses_add_up_to_no_bound_below_true_time() {
    let mut rig = Rig::with_seats(1);
    rig.now.kernel_synced = true;
    tick(&mut rig);
    for _ in 0..20 {
        rig.now.wall_ms = rig.now.wall_ms.plus(4 * 60_000);
        rig.wait(60_000);
        // True time is the wall clock's here; what is not remarked at once is tolerated, but does not add up.
        let least = rig.now.wall_ms.plus(-5 * 60_000);
        assert!(least <= tick(&mut rig).hi);
    }
}

#[test]
fn a_step_of_a_clock_that_is_behind_proven_time_bounds_nothing() {
    let mut pool = PoolOffer::new(1, "cad", 1);
    pool.rows[0].not_after = NOW.plus(14 * DAY_MS);
    pool.rows[0].suspect_budget_ms = None;
    let mut rig = Rig::with(vec![pool]);
    rig.reboot(15 * DAY_MS);
    let truth = rig.now.wall_ms;
    tick(&mut rig);
    assert_eq!(code(&rig.checkout(wish(1))), Code::AllocationEnded);
    for behind_ms in [10 * DAY_MS, 10 * DAY_MS - 6 * 60_000, 5 * DAY_MS] {
        rig.now.wall_ms = truth.plus(-behind_ms);
        let stamp = tick(&mut rig);
        assert!(truth <= stamp.hi);
        assert_eq!(code(&rig.checkout(wish(2))), Code::AllocationEnded);
    }
}
