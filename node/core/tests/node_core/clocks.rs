//! The node's idea of time, seen through the stamps of its frames.

use leasehold_node_core::Input;
use leasehold_protocol::api::ClockStatus;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::{ClockReading, Stamp, UnixMs};
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use crate::rig::{Rig, code, imported, wish};

const MINUTE_MS: i64 = 60_000;
/// What a clock may gain or lose before anybody remarks it.
const TOLERANCE_MS: i64 = 5 * MINUTE_MS;

fn clock(rig: &Rig) -> ClockStatus {
    rig.status().clock
}

fn step(rig: &mut Rig, ms: i64) {
    rig.now.wall_ms = rig.now.wall_ms.plus(ms);
}

/// Imports the answer to a request of this moment: the issuer's clock shows `issued_at`, give or take a minute.
fn hear(rig: &mut Rig, issued_at: UnixMs) {
    let mut offer = rig.offer(vec![PoolOffer::new(1, "cad", 1)]);
    offer.issued_at = issued_at;
    offer.time = Some((issued_at.plus(-MINUTE_MS), issued_at.plus(MINUTE_MS)));
    rig.take(&offer);
}

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

#[test]
fn a_clock_is_suspect_from_five_minutes_of_divergence_on() {
    for (step_ms, suspect) in
        [(TOLERANCE_MS, false), (TOLERANCE_MS + 1, true), (-TOLERANCE_MS, false), (-TOLERANCE_MS - 1, true)]
    {
        let mut rig = Rig::with_seats(1);
        // Proven time is an hour behind here, so that it contradicts nothing.
        rig.reboot(60 * MINUTE_MS);
        rig.tick();
        step(&mut rig, step_ms);
        assert_eq!(tick(&mut rig).suspect, suspect, "{step_ms}");
    }
}

#[test]
fn a_clock_is_suspect_from_five_minutes_behind_proven_time_on() {
    for (behind_ms, suspect) in [(TOLERANCE_MS, false), (TOLERANCE_MS + 1, true)] {
        let mut rig = Rig::with_seats(1);
        rig.reboot(-behind_ms);
        assert_eq!(tick(&mut rig).suspect, suspect, "{behind_ms}");
    }
}

#[test]
fn a_clock_that_was_set_back_where_it_was_is_suspect_no_more_and_bounds_time_anew() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(0);
    rig.tick();
    step(&mut rig, 400 * DAY_MS);
    let stamp = tick(&mut rig);
    assert!(stamp.suspect && stamp.hi == rig.now.wall_ms.plus(DAY_MS));
    rig.wait(60 * MINUTE_MS);
    step(&mut rig, -400 * DAY_MS + TOLERANCE_MS);
    let stamp = tick(&mut rig);
    assert!(!stamp.suspect);
    assert_eq!(stamp.hi, rig.now.wall_ms.plus(DAY_MS), "not 400 days ahead");
    assert_eq!(clock(&rig).status, "COARSE");
}

#[test]
fn a_kernel_that_is_synchronised_for_ten_minutes_ends_a_divergence() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(0);
    (rig.now.kernel_synced, rig.now.maxerror_ms) = (true, 20);
    rig.tick();
    rig.wait(60 * MINUTE_MS);
    step(&mut rig, 30 * MINUTE_MS);
    assert!(tick(&mut rig).suspect, "that the kernel was synchronised before the step confirms nothing");
    rig.wait(5 * MINUTE_MS);
    rig.now.kernel_synced = false;
    assert!(tick(&mut rig).suspect);
    rig.now.kernel_synced = true;
    assert!(tick(&mut rig).suspect);
    rig.wait(10 * MINUTE_MS - 1);
    assert!(tick(&mut rig).suspect, "the ten minutes are counted anew after a break");
    rig.wait(1);
    let stamp = tick(&mut rig);
    assert!(!stamp.suspect);
    assert_eq!(stamp.hi, rig.now.wall_ms.plus(TOLERANCE_MS + 20), "the bound is taken anew");
    assert_eq!(clock(&rig).status, "GOOD");
    rig.restart();
}

/// A time service that has kept the clock for hours, and goes on after a step, says nothing of the step for ten minutes.
#[test]
fn the_ten_minutes_of_synchronisation_begin_with_the_divergence() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(0);
    rig.now.kernel_synced = true;
    rig.tick();
    rig.wait(60 * MINUTE_MS);
    step(&mut rig, 30 * MINUTE_MS);
    rig.tick();
    rig.wait(10 * MINUTE_MS - 1);
    assert!(tick(&mut rig).suspect);
    rig.wait(1);
    assert!(!tick(&mut rig).suspect);
}

#[test]
fn a_synchronised_kernel_does_not_end_a_contradiction_of_proven_time() {
    let mut rig = Rig::with_seats(1);
    rig.now.kernel_synced = true;
    rig.reboot(-60 * MINUTE_MS);
    for _ in 0..4 {
        assert!(tick(&mut rig).suspect);
        rig.wait(10 * MINUTE_MS);
    }
}

#[test]
fn an_answer_of_this_boot_ends_a_divergence_if_the_clock_agrees_with_it() {
    for (off_ms, suspect) in [
        (0, false),
        (TOLERANCE_MS - MINUTE_MS, false),
        (MINUTE_MS - TOLERANCE_MS, false),
        (TOLERANCE_MS + MINUTE_MS, true),
        (-TOLERANCE_MS - MINUTE_MS, true),
    ] {
        let mut rig = Rig::with_seats(1);
        rig.reboot(0);
        rig.tick();
        step(&mut rig, 30 * MINUTE_MS);
        assert!(tick(&mut rig).suspect);
        let issuers = rig.now.wall_ms.plus(-off_ms);
        hear(&mut rig, issuers);
        let stamp = tick(&mut rig);
        assert_eq!(stamp.suspect, suspect, "{off_ms}");
        let bound = stamp.hi.since(issuers.plus(MINUTE_MS));
        assert!((0..10).contains(&bound), "the issuer's bound is the lowest: {bound}");
        rig.restart();
    }
}

#[test]
fn a_clock_that_is_set_to_agree_with_an_answer_of_before_is_suspect_no_more() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(2 * DAY_MS);
    hear(&mut rig, NOW.plus(60 * MINUTE_MS));
    rig.wait(60 * MINUTE_MS);
    rig.now.wall_ms = NOW.plus(120 * MINUTE_MS);
    assert!(!tick(&mut rig).suspect, "two days back, to where the issuer said that it is");
    assert_eq!(clock(&rig).status, "GOOD");
    // Forward, a step looks like a pause of the machine, which voids what it heard before.
    step(&mut rig, 30 * MINUTE_MS);
    assert!(tick(&mut rig).suspect);
    step(&mut rig, -30 * MINUTE_MS);
    assert!(!tick(&mut rig).suspect);
    assert_eq!(clock(&rig).status, "COARSE", "void for ever");
}

#[test]
fn an_answer_is_good_for_a_day_from_its_asking_and_for_one_boot() {
    let mut rig = Rig::with_seats(1);
    let offer = rig.offer(vec![PoolOffer::new(1, "cad", 1)]);
    let bundle = rig.answer(&offer);
    rig.wait(60 * MINUTE_MS);
    imported(rig.import(bundle));
    rig.wait(DAY_MS - 60 * MINUTE_MS);
    assert_eq!(clock(&rig).status, "GOOD");
    rig.wait(1);
    assert_eq!(clock(&rig).status, "COARSE");
    let now = rig.now.wall_ms;
    hear(&mut rig, now);
    assert_eq!(clock(&rig).status, "GOOD");
    rig.reboot(0);
    assert_eq!(clock(&rig).status, "COARSE");
    // Also where the counters of two boots are alike.
    let now = rig.now.wall_ms;
    hear(&mut rig, now);
    assert_eq!(clock(&rig).status, "GOOD");
    rig.reboot(0);
    assert_eq!(clock(&rig).status, "COARSE");
}

#[test]
fn a_bound_is_taken_anew_when_the_kernel_becomes_synchronised_and_not_before() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(DAY_MS);
    assert_eq!(tick(&mut rig).hi, rig.now.wall_ms.plus(DAY_MS));
    rig.wait(DAY_MS);
    let carried = tick(&mut rig).hi.since(rig.now.wall_ms);
    assert!(DAY_MS < carried && carried < DAY_MS + 50_000, "{carried}");
    (rig.now.kernel_synced, rig.now.maxerror_ms) = (true, 100);
    assert_eq!(tick(&mut rig).hi, rig.now.wall_ms.plus(TOLERANCE_MS + 100));
    rig.wait(DAY_MS);
    let carried = tick(&mut rig).hi.since(rig.now.wall_ms);
    assert!(TOLERANCE_MS + 40_000 < carried, "it is carried, as every other: {carried}");
}

#[test]
fn a_bound_below_proven_time_is_void() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(0);
    rig.now.kernel_synced = true;
    let hi = tick(&mut rig).hi;
    assert_eq!(hi, rig.now.wall_ms.plus(TOLERANCE_MS));
    let mut offer = rig.offer(vec![PoolOffer::new(1, "cad", 1)]);
    offer.time = Some((hi.plus(1_000), hi.plus(1_000)));
    let bundle = rig.answer(&offer);
    rig.reboot(0);
    rig.tick();
    step(&mut rig, 2 * MINUTE_MS);
    // The request was made in another boot: its answer bounds time from below only.
    imported(rig.import(bundle));
    assert_eq!(tick(&mut rig).hi, UnixMs::MAX);
    assert_eq!(code(&rig.checkout(wish(1))), Code::ClockUntrusted);
    assert!(clock(&rig).cause.is_some() && clock(&rig).hint.is_some());
}

/// A boot whose id is the same but whose counter is behind: the machine was restored to an earlier moment.
#[test]
fn a_counter_that_runs_backwards_is_another_boot() {
    let mut rig = Rig::with_seats(1);
    rig.wait(60 * MINUTE_MS);
    let before = tick(&mut rig);
    rig.now.boottime_ms -= 30 * MINUTE_MS;
    let after = tick(&mut rig);
    assert_eq!((after.svc, after.floor), (before.svc, before.floor));
    assert_eq!(after.hi, rig.now.wall_ms.plus(DAY_MS));
    rig.wait(1_000);
    assert_eq!(tick(&mut rig).svc.since(before.svc), 1_000);
    rig.restart();
}

#[test]
fn what_remains_of_a_lease_falls_with_the_running_time_over_any_number_of_restarts() {
    for restarts in 1..=20 {
        let mut rig = Rig::with_seats(1);
        rig.seat(1);
        let mut left_ms = rig.leases()[0].expires_in_ms;
        for restart in 0..restarts {
            rig.wait(7_000);
            rig.tick();
            match restart % 3 {
                0 => rig.restart(),
                1 => rig.reboot(DAY_MS),
                _ => rig.reboot(-DAY_MS),
            }
            rig.tick();
            rig.wait(1_000);
            let now_ms = rig.leases()[0].expires_in_ms;
            assert_eq!(left_ms - now_ms, 8_000, "restart {restart} of {restarts}");
            left_ms = now_ms;
        }
    }
}

#[test]
fn a_suspect_clock_is_told_with_its_cause_and_for_how_long() {
    let mut rig = Rig::with_seats(1);
    step(&mut rig, 10 * MINUTE_MS);
    rig.tick();
    rig.wait(90_000);
    let told = clock(&rig);
    assert_eq!((told.status.as_str(), told.suspect_for_ms), ("SUSPECT", Some(90_000)));
    assert_eq!(told.cause.as_deref(), Some("the clock gained 10 min 0 s on the running time"));
    step(&mut rig, -20 * MINUTE_MS);
    let told = clock(&rig);
    assert_eq!(told.cause.as_deref(), Some("the clock is 9 min 59 s behind proven time"));
    step(&mut rig, 10 * MINUTE_MS);
    let told = clock(&rig);
    assert_eq!((told.cause, told.hint, told.suspect_for_ms), (None, None, None));
}

/// A pause shows in the wall clock only, once that is set: also in one that was set back rightly before.
#[test]
fn a_pause_is_remarked_after_the_clock_was_set_back_rightly() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(2 * DAY_MS);
    hear(&mut rig, NOW);
    rig.now.wall_ms = NOW;
    assert!(!tick(&mut rig).suspect);
    step(&mut rig, DAY_MS);
    let hi = tick(&mut rig).hi;
    assert!(rig.now.wall_ms <= hi, "a day may have passed: {hi}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever clocks and machine do: proven time and service time never go back, and what is said of them agrees.
    #[test]
    fn floor_and_service_time_never_decrease(moves in vec((0_u8..7, 0_i64..3 * DAY_MS), 1..25)) {
        let mut rig = Rig::with_seats(1);
        let mut last = tick(&mut rig);
        for (which, ms) in moves {
            match which {
                0 => rig.wait(ms),
                1 => step(&mut rig, ms),
                2 => step(&mut rig, -ms),
                3 => rig.reboot(ms),
                4 => rig.now.kernel_synced = !rig.now.kernel_synced,
                5 => rig.restart(),
                _ => {
                    let wall = rig.now.wall_ms;
                    hear(&mut rig, wall);
                }
            }
            let stamp = tick(&mut rig);
            prop_assert!(last.floor <= stamp.floor && last.svc <= stamp.svc, "{last:?} {stamp:?}");
            prop_assert!(stamp.floor <= stamp.hi, "{stamp:?}");
            last = stamp;
        }
    }
}
