//! What becomes of a lease: lingering, idle, taken back by an operator; and what is said of it.

use leasehold_node_core::{Cause, Checkout, Input, Record, Reply, ReplyTo, limits};
use leasehold_protocol::api::{ForceReleaseAnswer, IdempotencyKey, LeaseState};
use leasehold_protocol::artefact::HolderProof;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::PoolOffer;

use crate::rig::{ANN, Rig, cause, code, denied, holder, refused, released, seat, wish};

const TTL_MS: i64 = 900_000;
const G_MS: i64 = 90_000;
const LINGER_MS: i64 = 60_000;

fn lingering(seats: u32) -> Rig {
    Rig::with(vec![PoolOffer { linger_ms: LINGER_MS, ..PoolOffer::new(1, "cad", seats) }])
}

fn of(user: &str, key: u8) -> Checkout {
    Checkout { holder: holder(user), ..wish(key) }
}

fn because(reason: Option<&str>, key: Option<u8>) -> Cause {
    let idempotency_key = key.map(|key| IdempotencyKey([key; 16]));
    Cause { reason: reason.map(str::to_owned), idempotency_key, ..cause() }
}

impl Rig {
    fn force_as(&mut self, lease: LeaseId, cause: Cause, dry_run: bool) -> Reply {
        self.ask(Input::ForceRelease { to: ReplyTo(0), cause, lease, dry_run })
    }

    fn force(&mut self, lease: LeaseId) -> ForceReleaseAnswer {
        forced(self.force_as(lease, because(Some("the machine is gone"), None), false))
    }

    pub(crate) fn renew_idle(&mut self, lease: LeaseId, idle_ms: i64) -> Reply {
        self.ask(Input::Renew { to: ReplyTo(0), principal: ANN, lease, idle_ms: Some(idle_ms), shown: None })
    }

    fn states(&self) -> Vec<LeaseState> {
        self.leases().into_iter().map(|lease| lease.state).collect()
    }
}

fn forced(reply: Reply) -> ForceReleaseAnswer {
    match reply {
        Reply::ForceReleased(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_released_seat_lingers_for_its_user_and_host_alone() {
    let mut rig = lingering(1);
    let first = rig.seat(1);
    assert!(released(&rig.release(first.lease)));
    assert_eq!(rig.states(), [LeaseState::Linger]);
    assert_eq!((rig.pool().in_use, rig.pool().lingering), (1, 1), "it is counted");
    let denial = denied(rig.checkout(of("bob", 2)));
    assert_eq!((denial.code, denial.retry_after_ms), (Code::PoolExhausted, Some(LINGER_MS)));
    assert_eq!(denial.held_by, ["ann@desk"]);
    let mut elsewhere = wish(2);
    elsewhere.holder.host = "lab".to_owned();
    let mut proved = wish(2);
    proved.holder.proof = HolderProof::Uid;
    for other in [of("ada", 2), of("bob", 2), elsewhere, proved] {
        assert_eq!(code(&rig.checkout(other)), Code::PoolExhausted, "others, or not surely the same");
    }
    rig.restart();
    rig.wait(LINGER_MS - 1);
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::PoolExhausted);
    let again = rig.seat(3);
    assert_eq!(again.slots, first.slots);
    assert!(again.lease != first.lease && first.epoch < again.epoch);
    assert_eq!((rig.pool().in_use, rig.pool().lingering), (1, 0));
    rig.restart();
}

#[test]
fn what_lingered_long_enough_is_free() {
    let mut rig = lingering(1);
    let lease = rig.seat(1).lease;
    rig.release(lease);
    rig.wait(LINGER_MS);
    assert_eq!((rig.pool().in_use, rig.leases().len()), (0, 0));
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::Allowed);
    rig.restart();
    let mut rig = lingering(1);
    let lease = rig.seat(1).lease;
    rig.release(lease);
    rig.wait(LINGER_MS);
    rig.tick();
    assert!(matches!(rig.records().last(), Some(Record::LeaseEnded { .. })), "memory is given back, too");
}

#[test]
fn a_lingering_seat_is_taken_before_a_free_one_and_with_any_process() {
    let mut rig = lingering(3);
    rig.seat(1);
    let second = rig.seat(2);
    rig.release(second.lease);
    let mut other = of("bob", 3);
    other.holder.host = "lab".to_owned();
    assert_eq!(seat(rig.checkout(other)).slots, SlotSet::range(2, 1), "of another user");
    let mut process = wish(4);
    process.holder.process = Some("7".to_owned());
    assert_eq!(seat(rig.checkout(process)).slots, second.slots);
}

#[test]
fn seats_that_linger_serve_another_count_of_the_same_holder_where_nothing_else_is_left() {
    let mut rig = lingering(2);
    let (first, second) = (rig.seat(1), rig.seat(2));
    rig.release(first.lease);
    rig.release(second.lease);
    let two = |user: &str, key| Checkout { count: 2, ..of(user, key) };
    assert_eq!(code(&rig.checkout(two("bob", 3))), Code::PoolExhausted);
    assert_eq!(seat(rig.checkout(two("ann", 4))).slots, SlotSet::range(0, 2));
    assert_eq!(rig.leases().len(), 1);
    rig.restart();
}

#[test]
fn a_lease_that_lingers_has_ended_for_its_holder() {
    let mut rig = lingering(2);
    let lease = rig.seat(1).lease;
    rig.release(lease);
    assert!(!released(&rig.release(lease)), "once");
    assert_eq!(refused(rig.renew(lease)).code, Code::LeaseEnded);
    assert_eq!(refused(rig.checkout(wish(1))).code, Code::LeaseEnded, "so has its key");
    assert_eq!(refused(rig.checkout(Checkout { count: 2, ..wish(1) })).code, Code::KeyConflict);
    rig.wait(LINGER_MS);
    rig.tick();
    assert_eq!(refused(rig.renew(lease)).code, Code::LeaseEnded);
    assert_eq!(refused(rig.checkout(wish(1))).code, Code::LeaseEnded);
}

#[test]
fn no_seat_lingers_beyond_the_promise_of_its_lease() {
    let mut rig = lingering(1);
    let lease = rig.seat(1).lease;
    rig.wait(TTL_MS - 10_000);
    rig.release(lease);
    assert_eq!(rig.leases()[0].expires_in_ms, 10_000);
    rig.wait(10_000);
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::Allowed);
    let mut rig = lingering(1);
    let lease = rig.seat(1).lease;
    rig.wait(TTL_MS);
    rig.release(lease);
    assert!(rig.leases().is_empty(), "its promise was over");
}

#[test]
fn the_grant_bounds_how_long_seats_linger() {
    let most =
        |ms| PoolOffer { max_linger_ms: Some(ms), linger_ms: LINGER_MS, ..PoolOffer::new(1, "cad", 1) };
    for (most_ms, lingers_ms) in [(0, None), (1_000, Some(1_000)), (LINGER_MS + 1, Some(LINGER_MS))] {
        let mut rig = Rig::with(vec![most(most_ms)]);
        let lease = rig.seat(1).lease;
        rig.release(lease);
        assert_eq!(rig.leases().first().map(|lease| lease.expires_in_ms), lingers_ms, "{most_ms}");
    }
}

#[test]
fn an_idle_lease_is_not_renewed_and_ends_as_it_was_promised() {
    let idle_ms = 600_000;
    let mut rig = Rig::with(vec![PoolOffer { idle_ms: Some(idle_ms), ..PoolOffer::new(1, "cad", 1) }]);
    let lease = rig.seat(1).lease;
    rig.wait(450_000);
    for (idle, expected) in [
        (-1, Code::Allowed),
        (idle_ms - 1, Code::Allowed),
        (idle_ms, Code::IdleTimeout),
        (i64::MAX, Code::IdleTimeout),
    ] {
        assert_eq!(code(&rig.renew_idle(lease, idle)), expected, "{idle}");
    }
    rig.wait(TTL_MS + G_MS - 1);
    assert_eq!(code(&rig.renew_idle(lease, idle_ms)), Code::IdleTimeout);
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::PoolExhausted, "its promise is not shortened");
    rig.wait(1);
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::Allowed);
    assert_eq!(refused(rig.renew(lease)).code, Code::LeaseLost);
    rig.restart();
}

#[test]
fn a_lease_that_is_used_again_is_renewed_again() {
    let mut rig = Rig::with(vec![PoolOffer { idle_ms: Some(60_000), ..PoolOffer::new(1, "cad", 1) }]);
    let lease = rig.seat(1).lease;
    let denial = denied(rig.renew_idle(lease, 90_000));
    assert!(denial.detail.contains("1 min 30 s") && denial.detail.contains("1 min 0 s"), "{}", denial.detail);
    assert_eq!(code(&rig.renew_idle(lease, 0)), Code::Allowed);
    assert_eq!(code(&rig.renew(lease)), Code::Allowed, "who does not say is not idle");
}

#[test]
fn a_forced_release_is_counted_to_the_end_of_the_promise() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    rig.wait(100_000);
    let left_ms = TTL_MS + G_MS - 100_000;
    let answer = rig.force(lease);
    assert_eq!((answer.state, answer.free_in_ms), (LeaseState::Drain, left_ms));
    assert_eq!(answer.holder, "ann@desk");
    assert_eq!(rig.states(), [LeaseState::Drain]);
    assert_eq!((rig.pool().in_use, rig.pool().draining), (1, 1));
    let denial = denied(rig.renew(lease));
    assert!(denial.code == Code::Draining && denial.detail.contains("operator"), "{denial:?}");
    assert_eq!(seat(rig.checkout(wish(1))).lease, lease, "its promise stands, and is told again");
    rig.restart();
    rig.wait(left_ms - 1);
    let denial = denied(rig.checkout(wish(2)));
    assert_eq!((denial.code, denial.retry_after_ms), (Code::PoolExhausted, Some(1)));
    rig.wait(1);
    rig.seat(2);
    let problem = refused(rig.renew(lease));
    assert!(problem.code == Code::LeaseLost && problem.detail.contains("operator"), "{problem:?}");
    rig.restart();
}

#[test]
fn a_forced_release_says_who_and_why_and_is_done_once() {
    let mut rig = Rig::with_seats(2);
    let (lease, other) = (rig.seat(1).lease, rig.seat(2).lease);
    let hash = rig.core.state_hash();
    for reason in [None, Some(""), Some(" ")] {
        assert_eq!(refused(rig.force_as(lease, because(reason, None), false)).code, Code::InvalidRequest);
    }
    let unknown = because(Some("test"), None);
    assert_eq!(refused(rig.force_as(LeaseId([3; 16]), unknown, false)).code, Code::LeaseUnknown);
    assert_eq!(forced(rig.force_as(lease, because(Some("test"), None), true)).state, LeaseState::Drain);
    assert_eq!(rig.core.state_hash(), hash, "nothing was done");
    let keyed = because(Some("left the company"), Some(7));
    let first = forced(rig.force_as(lease, keyed.clone(), false));
    let told =
        rig.records().filter(|record| matches!(record, Record::LeaseForced { cause, .. } if *cause == keyed));
    assert_eq!(told.count(), 1);
    rig.restart();
    let hash = rig.core.state_hash();
    assert_eq!(forced(rig.force_as(lease, keyed.clone(), false)), first);
    assert_eq!(forced(rig.force_as(lease, because(Some("again"), None), false)), first, "it was already");
    assert_eq!(refused(rig.force_as(other, keyed.clone(), false)).code, Code::IdempotencyMismatch);
    assert_eq!(rig.core.state_hash(), hash, "nothing more was done");
    rig.release(lease);
    assert_eq!(forced(rig.force_as(lease, keyed, false)), first, "also when the lease has ended");
    rig.restart();
}

#[test]
fn what_nobody_may_use_is_free_as_soon_as_an_operator_takes_it_back() {
    let mut rig = lingering(2);
    let (given, lost) = (rig.seat(1).lease, rig.seat(2).lease);
    rig.release(given);
    let answer = rig.force(given);
    assert_eq!((answer.state, answer.free_in_ms), (LeaseState::Evictable, 0));
    rig.wait(TTL_MS + G_MS);
    assert_eq!(rig.force(lost).free_in_ms, 0);
    assert!(rig.leases().is_empty());
    assert_eq!(code(&rig.checkout(Checkout { count: 2, ..of("bob", 3) })), Code::Allowed);
    rig.restart();
}

#[test]
fn a_forced_lease_may_be_given_back_and_does_not_linger() {
    let mut rig = lingering(1);
    let lease = rig.seat(1).lease;
    rig.force(lease);
    assert!(released(&rig.release(lease)));
    assert_eq!(code(&rig.checkout(of("bob", 2))), Code::Allowed);
}

#[test]
fn the_tick_ends_what_an_operator_took_back_when_it_is_over() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    rig.force(lease);
    rig.wait(TTL_MS + G_MS - 1);
    rig.tick();
    assert_eq!(rig.leases().len(), 1);
    rig.wait(1);
    rig.tick();
    assert!(rig.leases().is_empty());
    rig.restart();
}

#[test]
fn so_many_forced_releases_are_answered_alike() {
    let count = u8::try_from(limits::KEPT_ANSWERS).unwrap() + 1;
    let mut rig = Rig::with_seats(u32::from(count));
    let leases: Vec<LeaseId> = (0..count).map(|key| rig.seat(key).lease).collect();
    for (key, lease) in (0..).zip(&leases) {
        rig.force_as(*lease, because(Some("test"), Some(key)), false);
    }
    let other = leases[5];
    for (key, known) in [(0, false), (1, true), (2, true), (count - 1, true)] {
        let reply = rig.force_as(other, because(Some("test"), Some(key)), true);
        assert_eq!(matches!(reply, Reply::Refused(_)), known, "{key}");
    }
}

#[test]
fn the_holder_of_an_overdraft_seat_is_seen() {
    let rows = PoolOffer::new(1, "cad", 3).rows;
    let mut rig = Rig::with(vec![PoolOffer { rows, overdraft: 1, ..PoolOffer::new(1, "cad", 2) }]);
    let first = rig.seat(1);
    let over = seat(rig.checkout(Checkout { count: 2, ..of("bob", 2) }));
    assert_eq!((over.code, over.slots), (Code::AllowedOverage, SlotSet::range(1, 2)));
    let shown: Vec<(String, bool)> = rig.leases().into_iter().map(|l| (l.holder, l.overage)).collect();
    assert_eq!(shown, [("ann@desk".to_owned(), false), ("bob@desk".to_owned(), true)]);
    assert_eq!((rig.pool().seats, rig.pool().overage), (Some(3), 1));
    assert_eq!(code(&rig.renew(over.lease)), Code::AllowedOverage);
    assert_eq!(
        seat(rig.checkout(Checkout { count: 2, ..of("bob", 2) })).code,
        Code::AllowedOverage,
        "a retry"
    );
    rig.release(over.lease);
    rig.release(first.lease);
    assert_eq!(rig.pool().overage, 0);
    assert_eq!(rig.seat(3).code, Code::Allowed);
}

#[test]
fn a_denial_names_the_time_at_which_enough_seats_may_be_free() {
    for (count, expected_ms) in [(1, 960_000), (2, 970_000), (3, 980_000)] {
        let mut rig = Rig::with_seats(3);
        for key in 1..=3 {
            rig.seat(key);
            rig.wait(10_000);
        }
        let wish = || Checkout { count, ..of("bob", 9) };
        let denial = denied(rig.checkout(wish()));
        assert_eq!(denial.retry_after_ms, Some(expected_ms), "{count}");
        rig.wait(expected_ms - 1);
        assert_eq!(code(&rig.checkout(wish())), Code::PoolExhausted);
        rig.wait(1);
        assert_eq!(code(&rig.checkout(wish())), Code::Allowed);
    }
}
