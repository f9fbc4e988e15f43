//! Signed times far ahead need somebody's word; only ROOT takes proven time back.

use leasehold_node_core::{Effect, Effects, Entropy, Event, Input, ReplyTo};
use leasehold_protocol::api::{ImportAnswer, ImportResult};
use leasehold_protocol::artefact::Role;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;
use leasehold_tests::vendor::{DAY_MS, NOW, Offer, PoolOffer};

use crate::rig::{Rig, cause, code, imported, wish};

const MONTH_MS: i64 = 30 * DAY_MS;

fn floor(rig: &Rig) -> UnixMs {
    rig.core.stamp_of(&rig.now).floor
}

fn offer(rig: &mut Rig, earliest: UnixMs) -> Offer {
    let mut offer = rig.offer(vec![PoolOffer::new(1, "cad", 1)]);
    offer.time = Some((earliest, earliest.plus(DAY_MS)));
    offer
}

fn import(rig: &mut Rig, envelope: &[u8], dry_run: bool, accept_time: bool) -> ImportAnswer {
    let (to, envelope) = (ReplyTo(0), envelope.to_vec());
    imported(rig.ask(Input::Import { to, cause: cause(), envelope, dry_run, accept_time }))
}

#[test]
fn a_signed_time_is_believed_up_to_thirty_days_ahead() {
    for (ahead_ms, lifted) in [(MONTH_MS - 1, true), (MONTH_MS, true), (MONTH_MS + 1, false)] {
        let mut rig = Rig::with_seats(1);
        let far = NOW.plus(ahead_ms);
        let offer = offer(&mut rig, far);
        rig.take(&offer);
        assert_eq!(far <= floor(&rig), lifted, "{ahead_ms}");
        assert_eq!(rig.status().clock.time_kept_aside.is_some(), !lifted);
        assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed);
        rig.restart();
    }
}

#[test]
fn the_wall_clock_counts_for_what_is_plausible() {
    let mut rig = Rig::with_seats(1);
    rig.reboot(100 * DAY_MS);
    let far = NOW.plus(100 * DAY_MS + MONTH_MS);
    let offer = offer(&mut rig, far);
    rig.take(&offer);
    assert!(far <= floor(&rig));
}

#[test]
fn the_first_time_of_a_node_is_free_and_no_later_one() {
    let far = NOW.plus(400 * DAY_MS);
    let mut rig = Rig::new();
    let first = offer(&mut rig, far);
    rig.take(&first);
    assert!(far <= floor(&rig));

    let mut rig = Rig::new();
    let mut without = rig.offer(vec![PoolOffer::new(1, "cad", 1)]);
    without.time = None;
    rig.take(&without);
    let second = offer(&mut rig, far);
    rig.take(&second);
    assert_eq!(floor(&rig), UnixMs::MIN, "the node had a bundle already");
}

#[test]
fn two_roles_or_root_vouch_for_a_time_that_is_far_ahead() {
    for second in [Role::Log, Role::Root] {
        let mut rig = Rig::with_seats(1);
        let far = NOW.plus(400 * DAY_MS);
        let offer = Offer { seconded_by: Some(second), ..offer(&mut rig, far) };
        rig.take(&offer);
        assert!(far <= floor(&rig), "{second:?}");
        assert_eq!(rig.status().clock.time_kept_aside, None);
        rig.restart();
    }
}

#[test]
fn an_operator_vouches_for_a_time_with_the_import_or_later() {
    let mut rig = Rig::with_seats(1);
    let far = NOW.plus(400 * DAY_MS);
    let offer = offer(&mut rig, far);
    let bundle = rig.answer(&offer);
    for dry_run in [true, false] {
        let answer = import(&mut rig, &bundle, dry_run, false);
        assert!(answer.changes.iter().any(|change| change.contains("400 d 0 h ahead")), "{answer:?}");
    }
    assert!(floor(&rig) < far);
    assert_eq!(import(&mut rig, &bundle, false, false).result, ImportResult::AlreadyApplied);
    assert_eq!(import(&mut rig, &bundle, true, true).result, ImportResult::AlreadyApplied);
    rig.restart();
    assert_eq!(rig.status().clock.time_kept_aside, Some(far.to_string()));
    assert_eq!(import(&mut rig, &bundle, false, true).result, ImportResult::Applied);
    assert!(far <= floor(&rig));
    assert_eq!(rig.status().clock.time_kept_aside, None);
    assert_eq!(import(&mut rig, &bundle, false, true).result, ImportResult::AlreadyApplied);
    rig.restart();

    let mut rig = Rig::with_seats(1);
    let bundle = rig.answer(&offer);
    assert_eq!(import(&mut rig, &bundle, false, true).result, ImportResult::Applied);
    assert!(far <= floor(&rig));
}

#[test]
fn a_time_that_is_believed_takes_the_place_of_one_kept_aside() {
    let mut rig = Rig::with_seats(1);
    let far = offer(&mut rig, NOW.plus(400 * DAY_MS));
    rig.take(&far);
    let plausible = offer(&mut rig, NOW.plus(1_000));
    rig.take(&plausible);
    assert_eq!(rig.status().clock.time_kept_aside, None);
}

#[test]
fn a_time_kept_aside_is_an_alarm() {
    let mut rig = Rig::with_seats(1);
    let far = NOW.plus(400 * DAY_MS);
    let offer = offer(&mut rig, far);
    let envelope = rig.answer(&offer);
    let mut out = Effects::default();
    let input =
        Input::Import { to: ReplyTo(0), cause: cause(), envelope, dry_run: false, accept_time: false };
    rig.core.handle(&rig.now, &mut Entropy::new([0; 32]), input, &mut out);
    let told = |effect: &Effect| matches!(effect, Effect::Event(Event::TimeKeptAside { earliest, .. }) if *earliest == far);
    assert!(out.0.iter().any(told), "{out:?}");
}

/// A floor that was lifted by ten days too much, every day a little.
fn lifted_wrongly() -> Rig {
    let mut rig = Rig::with_seats(1);
    let wrong = offer(&mut rig, NOW.plus(10 * DAY_MS));
    rig.take(&wrong);
    rig.tick();
    assert_eq!(rig.status().clock.status, "SUSPECT");
    rig
}

#[test]
fn a_new_root_resets_the_floor_once() {
    let mut rig = lifted_wrongly();
    let mut healing = offer(&mut rig, NOW.plus(1_000));
    healing.root_floor_reset = Some(NOW);
    rig.take(&healing);
    rig.tick();
    let reset = floor(&rig);
    assert!(NOW.plus(1_000) <= reset && reset < NOW.plus(2_000), "the statement lifts it again: {reset}");
    assert_eq!(rig.status().clock.status, "GOOD");
    rig.restart();
    rig.wait(DAY_MS);
    rig.tick();
    let before = floor(&rig);
    let mut again = offer(&mut rig, NOW.plus(1_000));
    again.root_floor_reset = Some(NOW);
    rig.take(&again);
    assert!(before <= floor(&rig), "the root is not new any more");
}

#[test]
fn a_time_statement_resets_the_floor_if_root_signed_it() {
    for (second, reset) in [(Some(Role::Root), true), (Some(Role::Log), false), (None, false)] {
        let mut rig = lifted_wrongly();
        let statement = offer(&mut rig, NOW);
        let statement = Offer { floor_reset: Some(NOW), seconded_by: second, ..statement };
        rig.take(&statement);
        assert_eq!(floor(&rig) < NOW.plus(DAY_MS), reset, "{second:?}");
        rig.restart();
    }
}
