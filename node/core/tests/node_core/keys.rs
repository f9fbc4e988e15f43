//! Idempotency keys: the same key is the same seat.

use leasehold_node_core::{Cause, Checkout, Input, Principal, Reply, ReplyTo, Way};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::JournalTail;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::request::JoinSecret;

use crate::rig::{Rig, cause, code, holder, refused, seat, wish};

#[test]
fn the_same_key_gets_the_same_answer_with_a_growing_age() {
    let mut rig = Rig::with_seats(2);
    let granted = rig.seat(1);
    let mut ages = Vec::new();
    for _ in 0..3 {
        rig.wait(10_000);
        rig.restart();
        let again = rig.seat(1);
        assert_eq!((again.lease, again.epoch, again.ttl_ms), (granted.lease, granted.epoch, granted.ttl_ms));
        assert_eq!((&again.ticket, again.place), (&granted.ticket, granted.place));
        ages.push(again.age_ms);
    }
    // Rounded up: readings are cut to milliseconds.
    assert_eq!(ages, [10_001, 20_001, 30_001]);
    assert_eq!(rig.leases().len(), 1);
}

#[test]
fn off_time_of_a_reboot_does_not_age_a_lease() {
    let mut rig = Rig::with_seats(1);
    rig.seat(1);
    rig.wait(10_000);
    rig.frame([Input::Tick]);
    rig.now.kernel_synced = true;
    rig.reboot(3_600_000);
    let age_ms = rig.seat(1).age_ms;
    assert_eq!(age_ms, 10_001, "the new boot's first frame begins where the last one ended");
    rig.frame([Input::Tick]);
    rig.wait(2_000);
    assert_eq!(rig.seat(1).age_ms, 12_001);
}

#[test]
fn a_retry_after_a_renewal_is_answered_with_the_renewed_ticket() {
    let mut rig = Rig::with_seats(1);
    let lease = rig.seat(1).lease;
    rig.wait(300_000);
    let renewed = seat(rig.renew(lease));
    rig.wait(5_000);
    let again = rig.seat(1);
    assert_eq!((again.ticket, again.age_ms), (renewed.ticket, 5_001));
}

#[test]
fn the_same_key_for_something_else_is_a_conflict() {
    let mut rig = Rig::with_seats(5);
    rig.seat(1);
    let others = [
        Checkout { count: 2, ..wish(1) },
        Checkout { product: Some("cam".to_owned()), ..wish(1) },
        Checkout { features: vec!["render".to_owned()], ..wish(1) },
        Checkout { holder: holder("bob"), ..wish(1) },
        Checkout { ttl_ms: Some(60_000), ..wish(1) },
    ];
    for other in others {
        assert_eq!(refused(rig.checkout(other.clone())).code, Code::KeyConflict, "{other:?}");
    }
    let by_other = Input::Checkout { to: ReplyTo(0), principal: Principal::Uid(2), checkout: wish(1) };
    assert_eq!(refused(rig.ask(by_other)).code, Code::KeyConflict);
    assert_eq!(rig.leases().len(), 1);
}

#[test]
fn the_key_of_an_ended_lease_gets_no_second_seat() {
    let mut rig = Rig::with_seats(2);
    let lease = rig.seat(1).lease;
    rig.release(lease);
    rig.restart();
    assert_eq!(refused(rig.checkout(wish(1))).code, Code::LeaseEnded);
    assert_eq!(refused(rig.checkout(Checkout { count: 2, ..wish(1) })).code, Code::KeyConflict);
    assert!(rig.leases().is_empty());
}

#[test]
fn a_retry_after_the_deadline_is_answered_from_what_the_lease_is_now() {
    let mut rig = Rig::with_seats(1);
    let granted = rig.seat(1);
    rig.wait(1_000_000);
    let late = rig.seat(1);
    assert_eq!((late.lease, late.age_ms), (granted.lease, 1_000_001));
    rig.seat(2);
    assert_eq!(code(&rig.checkout(wish(1))), Code::LeaseEnded);
}

#[test]
fn a_request_is_made_once_for_an_idempotency_key() {
    let mut rig = Rig::with_seats(1);
    let key = |byte| Some(IdempotencyKey([byte; 16]));
    let make = |rig: &mut Rig, idempotency_key, join| {
        let cause = Cause { idempotency_key, ..cause() };
        let journal = JournalTail { seq: rig.core.next_seq().0, chain: Digest([0; 32]) };
        rig.ask(Input::MakeRequest {
            to: ReplyTo(0),
            cause,
            way: Way::Courier,
            present: false,
            join,
            journal,
        })
    };
    let request = |reply| match reply {
        Reply::Request(request) => request,
        other => panic!("{other:?}"),
    };
    let first = request(make(&mut rig, key(1), None));
    rig.restart();
    let seq = rig.core.next_seq();
    assert_eq!((request(make(&mut rig, key(1), None)), rig.core.next_seq()), (first.clone(), seq));
    let other = refused(make(&mut rig, key(1), Some(JoinSecret([1; 16]))));
    assert_eq!(other.code, Code::IdempotencyMismatch);
    assert_ne!(request(make(&mut rig, key(2), None)), first);
    assert_ne!(request(make(&mut rig, None, None)), first);
}
