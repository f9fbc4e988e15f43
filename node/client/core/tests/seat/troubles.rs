//! Silence, overload, refusals, loss, leaving.

use leasehold_client_core::{AddressIndex, Answer, Call, Event, Input, Patience, Task};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

use crate::rig::{PATIENCE, Rig, TTL_MS, given, key_of, renewal};
use crate::vendor::{Given, lease, wish};

fn checkout() -> Task {
    Task::Checkout(Box::new(wish()))
}

#[test]
fn a_retry_keeps_its_key_until_the_timeout() {
    for code in [Code::Unreachable, Code::Timeout, Code::Overloaded, Code::ShuttingDown, Code::Internal] {
        let mut rig = Rig::new();
        let start_ms = rig.now.boottime_ms;
        let mut attempts = 0;
        while rig.events.is_empty() {
            if !rig.calls.is_empty() {
                assert!(rig.calls[0].timeout_ms <= PATIENCE.timeout_ms - (rig.now.boottime_ms - start_ms));
                assert_eq!(key_of(&rig.fail(code)), wish().key.0);
                attempts += 1;
            }
            rig.pass_to_deadline(PATIENCE.timeout_ms);
        }
        let Event::Failed(problem) = rig.take_event() else { panic!() };
        assert_eq!(problem.code.exit(), 5, "{code}");
        assert_eq!(rig.now.boottime_ms - start_ms, PATIENCE.timeout_ms, "{code}");
        assert!(attempts > 4 && rig.core.is_over(), "{code} {attempts}");
    }
}

#[test]
fn a_definite_refusal_is_final() {
    for code in [Code::KeyConflict, Code::LeaseEnded, Code::InvalidRequest] {
        let mut rig = Rig::new();
        rig.fail(code);
        let Event::Failed(problem) = rig.take_event() else { panic!() };
        assert_eq!(problem.code, code);
    }
}

#[test]
fn a_denial_is_final_without_waiting() {
    for code in [Code::PoolExhausted, Code::NoGrant, Code::NodeUnprovisioned] {
        let mut rig = Rig::new();
        rig.deny(code);
        assert!(matches!(rig.take_event(), Event::Denied(denial) if denial.code == code));
    }
}

#[test]
fn waiting_asks_again_with_the_same_key_up_to_its_end() {
    let patience = Patience { timeout_ms: 10_000, wait_ms: 60_000 };
    let mut rig = Rig::of(1, patience, checkout());
    let start_ms = rig.now.boottime_ms;
    let mut asked = 0;
    while rig.events.is_empty() {
        if !rig.calls.is_empty() {
            assert_eq!(key_of(&rig.calls[0].call), wish().key.0);
            rig.deny(Code::PoolExhausted);
            asked += 1;
        }
        rig.pass_to_deadline(patience.wait_ms);
    }
    assert!(matches!(rig.take_event(), Event::Denied(_)));
    assert_eq!(rig.now.boottime_ms - start_ms, patience.wait_ms);
    assert!((12..40).contains(&asked), "{asked}");
}

#[test]
fn waiting_does_not_help_where_nothing_was_granted() {
    let mut rig = Rig::of(1, Patience { timeout_ms: 10_000, wait_ms: 60_000 }, checkout());
    rig.deny(Code::NoGrant);
    assert!(matches!(rig.take_event(), Event::Denied(_)));
}

#[test]
fn every_address_is_asked_at_once_when_one_is_silent() {
    let mut rig = Rig::of(3, PATIENCE, checkout());
    for address in [0, 1, 2] {
        assert_eq!(rig.calls[0].address, AddressIndex(address));
        rig.fail(Code::Unreachable);
    }
    assert!(rig.calls.is_empty(), "a pause comes after the round");
    rig.pass_to_deadline(1_000);
    assert_eq!(rig.take_call().address, AddressIndex(0));
}

#[test]
fn silence_warns_once_and_ends_the_seat_at_stop_only() {
    let mut rig = Rig::held(2);
    let start_ms = rig.now.boottime_ms;
    let (mut warned_at_ms, mut others_at_ms) = (None, None);
    loop {
        if let Some(sent) = rig.calls.first() {
            if sent.address == AddressIndex(1) && others_at_ms.is_none() {
                others_at_ms = Some(rig.now.boottime_ms - start_ms);
            }
            rig.fail(Code::Timeout);
        }
        match rig.events.pop() {
            Some(Event::Warning { .. }) => {
                assert!(warned_at_ms.replace(rig.now.boottime_ms - start_ms).is_none(), "warned twice");
            }
            Some(Event::Lost) => break,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        assert!(rig.is_live());
        rig.pass_to_deadline(TTL_MS);
    }
    assert_eq!(rig.now.boottime_ms - start_ms, TTL_MS * 8 / 10);
    assert!((TTL_MS * 45 / 100..=TTL_MS * 55 / 100).contains(&warned_at_ms.unwrap()));
    assert!((TTL_MS * 7 / 10..TTL_MS * 8 / 10).contains(&others_at_ms.unwrap()), "{others_at_ms:?}");
}

#[test]
fn stop_comes_while_a_renewal_is_under_way() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(TTL_MS);
    assert_eq!(rig.core.next_deadline().map(|at| at - rig.now.boottime_ms > 0), Some(true));
    rig.pass_to_deadline(TTL_MS);
    assert!(matches!(rig.take_event(), Event::Lost));
    // Its answer comes after all: the time since it was sent is gone, the rest is good.
    rig.allow(given(1, 0));
    assert!(matches!(rig.take_event(), Event::Regained(_)));
    assert!(rig.is_live());
}

#[test]
fn a_lost_seat_is_regained_with_the_same_key() {
    let mut rig = Rig::held(1);
    rig.pass(TTL_MS);
    assert!(matches!(rig.take_event(), Event::Lost));
    // The node still has the lease: it answers the same again, too old for use, and the lease is renewed.
    assert_eq!(key_of(&rig.calls[0].call), wish().key.0);
    rig.allow(given(0, TTL_MS));
    assert!(!rig.is_live());
    assert_eq!(rig.calls[0].call, renewal());
    rig.allow(given(1, 0));
    assert!(matches!(rig.take_event(), Event::Regained(_)));
}

#[test]
fn a_lease_that_ended_is_followed_by_one_with_a_key_of_its_own() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(TTL_MS);
    rig.fail(Code::LeaseLost);
    assert!(matches!(rig.take_event(), Event::Lost));
    assert!(!rig.is_live());
    assert_eq!(key_of(&rig.fail(Code::LeaseEnded)), wish().key.0);
    rig.pass_to_deadline(1_000);
    assert_ne!(key_of(&rig.calls[0].call), wish().key.0);
    rig.allow(Given { lease: 2, ..given(0, 0) });
    let Event::Regained(seat) = rig.take_event() else { panic!() };
    assert_eq!(seat.seat.lease_id, lease(2));
}

#[test]
fn another_node_that_does_not_know_the_lease_says_nothing_about_it() {
    let mut rig = Rig::held(2);
    rig.pass(TTL_MS * 3 / 4);
    rig.fail(Code::Unreachable);
    assert!(matches!(rig.take_event(), Event::Warning { .. }));
    assert_eq!(rig.calls[0].address, AddressIndex(1));
    rig.fail(Code::LeaseUnknown);
    assert!(rig.events.is_empty() && rig.is_live());
    rig.pass_to_deadline(1_000);
    assert_eq!(rig.calls[0].address, AddressIndex(0));
    rig.fail(Code::LeaseUnknown);
    assert!(matches!(rig.take_event(), Event::Lost));
}

#[test]
fn a_renewal_that_is_denied_warns_and_lets_the_seat_run_out() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(TTL_MS);
    rig.deny(Code::AllocationEnded);
    assert!(matches!(rig.take_event(), Event::Warning { cause, .. } if cause.code == Code::AllocationEnded));
    assert!(rig.is_live());
}

#[test]
fn releasing_is_tried_again_until_it_is_known() {
    let mut rig = Rig::held(1);
    rig.input(Input::Release);
    assert!(!rig.is_live());
    rig.fail(Code::Unreachable);
    rig.pass_to_deadline(1_000);
    assert_eq!(rig.answer(Answer::Released(true)), Call::Release(lease(1)));
    assert!(matches!(rig.take_event(), Event::Released(true)));
    assert!(rig.core.is_over() && rig.core.next_deadline().is_none());
}

#[test]
fn releasing_asks_every_address_for_a_lease_it_does_not_know_the_home_of() {
    let mut rig = Rig::of(2, PATIENCE, Task::Release(lease(1)));
    rig.answer(Answer::Released(false));
    rig.answer(Answer::Released(false));
    assert!(matches!(rig.take_event(), Event::Released(false)));
}

#[test]
fn a_seat_that_comes_after_the_application_left_is_given_back() {
    let mut rig = Rig::new();
    rig.input(Input::Release);
    assert!(rig.events.is_empty());
    rig.allow(given(0, 0));
    assert_eq!(rig.answer(Answer::Released(true)), Call::Release(lease(1)));
    assert!(matches!(rig.take_event(), Event::Released(true)));

    let mut rig = Rig::new();
    rig.input(Input::Release);
    rig.deny(Code::PoolExhausted);
    assert!(matches!(rig.take_event(), Event::Released(false)));
}

#[test]
fn late_answers_of_replaced_calls_are_ignored() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(TTL_MS);
    let renewal = rig.take_call();
    rig.input(Input::Release);
    let release = rig.take_call();
    rig.input(Input::Answer { to: renewal.id, answer: Answer::Released(true) });
    assert!(rig.events.is_empty());
    rig.input(Input::Answer { to: release.id, answer: Answer::Released(true) });
    assert!(matches!(rig.take_event(), Event::Released(true)));
}

#[test]
fn a_renewal_by_id_says_what_the_node_says() {
    for code in [Code::LeaseUnknown, Code::LeaseLost, Code::LeaseEnded] {
        let mut rig = Rig::of(1, PATIENCE, Task::Renew(lease(1)));
        assert_eq!(rig.fail(code), renewal());
        assert!(matches!(rig.take_event(), Event::Failed(problem) if problem.code == code));
    }
}

fn stranger() -> Answer {
    let problem = Problem::new(Code::PeerUntrusted, "somebody else", "check the address");
    Answer::Unproven(Box::new(problem))
}

#[test]
fn a_stranger_at_one_address_does_not_keep_from_the_node_at_another() {
    let mut rig = Rig::of(2, PATIENCE, checkout());
    let asked = key_of(&rig.answer(stranger()));
    assert_eq!(rig.calls[0].address, AddressIndex(1));
    assert_eq!(key_of(&rig.calls[0].call), asked);
    rig.allow(given(0, 0));
    rig.show_chain();
    assert!(matches!(rig.take_event(), Event::Acquired(_)));
}

#[test]
fn strangers_at_every_address_are_final() {
    for task in [checkout(), Task::Renew(lease(1)), Task::Release(lease(1))] {
        let mut rig = Rig::of(2, PATIENCE, task);
        rig.answer(stranger());
        rig.pass(0);
        rig.answer(stranger());
        let Event::Failed(problem) = rig.take_event() else { panic!() };
        assert_eq!(problem.code, Code::PeerUntrusted);
    }
}

#[test]
fn a_stranger_neither_ends_nor_forges_a_seat() {
    let mut rig = Rig::held(1);
    rig.pass(TTL_MS * 6 / 10);
    rig.answer(stranger());
    assert!(matches!(rig.take_event(), Event::Warning { .. }));
    assert!(rig.is_live());
    // Where the chain is asked for, a stranger says as little about the seat that another one offered.
    let mut rig = Rig::of(2, PATIENCE, checkout());
    rig.allow(given(0, 0));
    rig.answer(stranger());
    assert!(matches!(rig.take_call().call, Call::Checkout(_)));
}

#[test]
fn leaving_while_a_stranger_is_asked_leaves_nothing_behind() {
    let mut rig = Rig::new();
    rig.input(Input::Release);
    rig.answer(stranger());
    assert!(matches!(rig.take_event(), Event::Released(false)));
}

#[test]
fn an_idle_seat_is_let_go_and_asked_for_again_when_it_is_used() {
    let mut rig = Rig::held(1);
    rig.input(Input::Used);
    rig.pass_to_deadline(TTL_MS);
    let Call::Renew { idle_ms: Some(idle_ms), .. } = rig.calls[0].call else { panic!("{:?}", rig.calls) };
    assert!(idle_ms > TTL_MS / 3, "{idle_ms}");
    rig.deny(Code::IdleTimeout);
    assert!(matches!(rig.take_event(), Event::Warning { .. }));
    rig.pass_to_deadline(TTL_MS);
    assert!(matches!(rig.take_event(), Event::Lost), "it ends as promised");
    rig.pass(10 * TTL_MS);
    assert!(rig.calls.is_empty() && rig.core.next_deadline().is_none(), "nobody waits for a seat");
    rig.input(Input::Used);
    assert_eq!(key_of(&rig.calls[0].call), wish().key.0);
}

#[test]
fn a_seat_that_is_used_again_before_stop_is_renewed_at_once() {
    let mut rig = Rig::held(1);
    rig.input(Input::Used);
    rig.pass_to_deadline(TTL_MS);
    rig.deny(Code::IdleTimeout);
    rig.take_event();
    rig.pass(1_000);
    assert!(rig.calls.is_empty());
    rig.input(Input::Used);
    assert_eq!(rig.calls[0].call, Call::Renew { lease: lease(1), idle_ms: Some(0) });
    rig.allow(given(1, 0));
    assert!(matches!(rig.take_event(), Event::Renewed(_)));
    assert!(rig.is_live());
}

#[test]
fn a_node_that_has_forgotten_the_lease_is_shown_the_ticket() {
    let mut rig = Rig::held(1);
    rig.pass(TTL_MS * 6 / 10);
    rig.fail(Code::TicketNeeded);
    let ticket = rig.vendor.seat(&wish(), given(0, 0)).ticket;
    assert_eq!(rig.calls[0].call, Call::Show { lease: lease(1), ticket, held: true });
    rig.allow(given(1, 0));
    assert!(matches!(rig.take_event(), Event::Renewed(_)));
    assert!(rig.is_live());

    // Not adopted: the seat is used to its STOP, and no longer.
    let mut rig = Rig::held(1);
    rig.pass(TTL_MS * 6 / 10);
    rig.fail(Code::TicketNeeded);
    rig.deny(Code::Recovering);
    assert!(matches!(rig.take_event(), Event::Warning { .. }) && rig.is_live());

    // The node does not know it with its ticket either.
    let mut rig = Rig::held(1);
    rig.pass(TTL_MS * 6 / 10);
    rig.fail(Code::TicketNeeded);
    rig.fail(Code::LeaseUnknown);
    assert!(matches!(rig.take_event(), Event::Lost));
}

#[test]
fn who_has_no_ticket_to_show_has_no_lease() {
    let mut rig = Rig::of(1, PATIENCE, Task::Renew(lease(1)));
    rig.fail(Code::TicketNeeded);
    let Event::Failed(problem) = rig.take_event() else { panic!() };
    assert_eq!((problem.code, problem.code.exit()), (Code::LeaseUnknown, 66));
}
