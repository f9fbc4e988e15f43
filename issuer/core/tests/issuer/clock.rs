//! The issuer's certain time, and its guard against a wall clock that is implausibly far ahead.

use leasehold_issuer_core::{Cause, Command};
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use crate::rig::{DAY_MS, Rig, START, account, cause};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn write(rig: &mut Rig) -> Result<(), Code> {
    rig.act(Command::CreateAccount(account("A"))).map(drop).map_err(|problem| problem.code)
}

fn accept(rig: &mut Rig, at: UnixMs) -> Result<(), Code> {
    let cause = Cause { accept_time: Some(at), ..cause() };
    rig.act_for(cause, Command::CreateAccount(account("A"))).map(drop).map_err(|problem| problem.code)
}

fn earliest(rig: &Rig) -> UnixMs {
    rig.issuer.bounds_of_time().earliest
}

#[test]
fn in_one_boot_the_wall_clock_gains_an_hour_at_most() {
    for (gain_ms, expected) in [
        (HOUR_MS - 1, Ok(())),
        (HOUR_MS, Ok(())),
        (HOUR_MS + 1, Err(Code::ClockImplausible)),
        (20_000 * DAY_MS, Err(Code::ClockImplausible)),
    ] {
        let mut rig = Rig::new();
        rig.pass(30 * DAY_MS);
        rig.now.wall_ms = rig.now.wall_ms.plus(gain_ms);
        let checked = rig.issuer.check_clock(&rig.now).map_err(|problem| problem.code);
        assert_eq!(checked, expected, "{gain_ms}");
        assert_eq!(write(&mut rig), expected, "{gain_ms}");
    }
}

#[test]
fn after_a_start_an_unsynchronised_clock_leaps_seven_days_at_most() {
    for (off_ms, synced, expected) in [
        (7 * DAY_MS, false, Ok(())),
        (7 * DAY_MS + 1, false, Err(Code::ClockImplausible)),
        (300 * DAY_MS, true, Ok(())),
    ] {
        let mut rig = Rig::new();
        rig.reboot(off_ms);
        rig.now.kernel_synced = synced;
        assert_eq!(write(&mut rig), expected, "{off_ms} {synced}");
    }
}

#[test]
fn an_operator_accepts_the_time_that_the_clock_shows_and_no_other() {
    let mut rig = Rig::new();
    rig.reboot(300 * DAY_MS);
    assert_eq!(write(&mut rig), Err(Code::ClockImplausible));
    let wall = rig.now.wall_ms;
    for other in [wall.plus(5 * MINUTE_MS + 1), wall.plus(-HOUR_MS - 1), START] {
        assert_eq!(accept(&mut rig, other), Err(Code::ClockImplausible), "{other}");
    }
    assert_eq!(accept(&mut rig, wall.plus(-MINUTE_MS)), Ok(()));
    assert_eq!(earliest(&rig), wall.plus(-MINUTE_MS));
    assert_eq!(write(&mut rig), Ok(()));
    rig.check_replay();
}

#[test]
fn a_time_may_be_accepted_for_itself_and_nothing_else_changes() {
    let mut rig = Rig::new();
    rig.reboot(300 * DAY_MS);
    assert_eq!(rig.act(Command::AcceptTime).unwrap_err().code, Code::ClockImplausible);
    let wall = rig.now.wall_ms;
    let vouched = Cause { accept_time: Some(wall), ..cause() };
    rig.act_for(vouched, Command::AcceptTime).unwrap();
    assert_eq!(earliest(&rig), wall);
    assert_eq!(write(&mut rig), Ok(()));
    assert_eq!(rig.act(Command::AcceptTime).unwrap_err().code, Code::InvalidRequest);
    rig.check_replay();
}

#[test]
fn a_clock_set_back_changes_neither_order_nor_certain_time() {
    let mut rig = Rig::new();
    rig.pass(DAY_MS);
    write(&mut rig).unwrap();
    let (before, recorded) = (earliest(&rig), rig.issuer.last_recorded().unwrap());
    rig.now.wall_ms = START.plus(-1000 * DAY_MS);
    write(&mut rig).unwrap();
    assert_eq!(rig.issuer.last_recorded(), Some(recorded.plus(1)));
    assert!(before <= earliest(&rig));
    assert_eq!(rig.issuer.bounds_of_time().latest, UnixMs::MAX, "a bound below certain time is none");
}

#[test]
fn certain_time_begins_a_day_behind_and_rises_with_the_running_time() {
    let mut rig = Rig::new();
    assert_eq!(earliest(&rig), START.plus(-DAY_MS));
    rig.pass(1_000_000);
    write(&mut rig).unwrap();
    assert_eq!(earliest(&rig), START.plus(-DAY_MS + 999_500));
}

#[test]
fn what_ntp_adds_to_the_clock_is_not_certain() {
    let mut rig = Rig::new();
    rig.pass(1_000_000);
    rig.now.raw_ms -= 1000;
    write(&mut rig).unwrap();
    assert_eq!(earliest(&rig), START.plus(-DAY_MS + (999_000 - 500)));
}

#[test]
fn many_frames_round_no_more_than_one() {
    let mut rig = Rig::new();
    for _ in 0..500 {
        rig.pass(1001);
        write(&mut rig).unwrap();
    }
    assert_eq!(earliest(&rig), START.plus(-DAY_MS + 500_500 - 251));
    rig.check_replay();
}

#[test]
fn a_clock_that_was_synchronised_for_ten_minutes_lifts_certain_time() {
    let mut rig = Rig::new();
    (rig.now.kernel_synced, rig.now.maxerror_ms) = (true, 20);
    write(&mut rig).unwrap();
    rig.pass(10 * MINUTE_MS - 1);
    write(&mut rig).unwrap();
    assert!(earliest(&rig) < START.plus(-DAY_MS + HOUR_MS));
    rig.pass(1);
    write(&mut rig).unwrap();
    assert_eq!(earliest(&rig), rig.now.wall_ms.plus(-5 * MINUTE_MS - 20));
    rig.check_replay();
}

#[test]
fn ten_minutes_of_synchronisation_are_counted_anew_after_a_break() {
    let mut rig = Rig::new();
    rig.now.kernel_synced = true;
    write(&mut rig).unwrap();
    rig.pass(9 * MINUTE_MS);
    rig.now.kernel_synced = false;
    write(&mut rig).unwrap();
    rig.now.kernel_synced = true;
    rig.pass(9 * MINUTE_MS);
    write(&mut rig).unwrap();
    assert!(earliest(&rig) < START);
}

#[test]
fn off_time_is_not_certain() {
    let mut rig = Rig::new();
    let before = earliest(&rig);
    rig.reboot(5 * DAY_MS);
    write(&mut rig).unwrap();
    assert_eq!(earliest(&rig), before);
}

#[test]
fn a_break_of_synchronisation_between_two_facts_counts_too() {
    for (broken, lifted) in [(true, false), (false, true)] {
        let mut rig = Rig::new();
        rig.now.kernel_synced = true;
        write(&mut rig).unwrap();
        rig.pass(9 * MINUTE_MS);
        rig.now.kernel_synced = !broken;
        rig.issuer.observe(&rig.now);
        rig.now.kernel_synced = true;
        rig.pass(9 * MINUTE_MS);
        write(&mut rig).unwrap();
        assert_eq!(START <= earliest(&rig), lifted, "{broken}");
        rig.check_replay();
    }
}

/// Every refusal says both times and how far they are apart, and what to do.
#[test]
fn an_implausible_clock_is_told_with_both_times() {
    let mut rig = Rig::new();
    rig.reboot(10 * DAY_MS);
    let problem = rig.issuer.check_clock(&rig.now).unwrap_err();
    for part in [START.to_string(), rig.now.wall_ms.to_string(), "240 h".to_owned()] {
        assert!(problem.detail.contains(&part), "{part}: {}", problem.detail);
    }
    assert!(problem.hint.contains("--accept-time"), "{}", problem.hint);
}
