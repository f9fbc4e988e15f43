//! Nothing is believed that is not signed.

use leasehold_client_core::{Answer, Call, Event, Task};
use leasehold_protocol::api::{CheckoutRequest, Seat};
use leasehold_protocol::artefact::LeaseTicket;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::PoolId;
use leasehold_protocol::proof::verify_proof;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;

use crate::rig::{PATIENCE, Rig, given};
use crate::vendor::{Vendor, lease, wish};

/// Offers a seat and says at which step it is refused; the seat must be handed back first.
fn refused_step(rig: &mut Rig, seat: Seat) -> String {
    let handed_back = seat.lease_id;
    rig.offer(seat);
    if matches!(rig.calls[0].call, Call::Chain(_)) {
        rig.show_chain();
    }
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    let call = rig.answer(Answer::Released(true));
    assert_eq!(call, Call::Release(handed_back));
    let Event::Failed(problem) = rig.take_event() else { panic!() };
    assert_eq!(problem.code, Code::ProofInvalid);
    assert!(rig.core.is_over());
    problem.extra["step"].as_str().unwrap().to_owned()
}

#[test]
fn a_proved_seat_can_prove_itself() {
    let mut rig = Rig::new();
    rig.allow(given(0, 0));
    rig.show_chain();
    let Event::Acquired(seat) = rig.take_event() else { panic!() };
    let root = TrustRoot::pin(&rig.vendor.root).unwrap();
    let (_, proved) = verify_proof(&root, &seat.proof().to_bytes()).unwrap();
    assert_eq!(proved.ticket.lease, lease(1));
}

#[test]
fn an_answer_that_says_more_than_its_ticket_is_refused() {
    let changes: [fn(&mut Seat); 11] = [
        |seat| seat.lease_id = lease(2),
        |seat| seat.epoch += 1,
        |seat| seat.slot = Some(2),
        |seat| seat.slot = None,
        |seat| seat.slots = Some(vec![1, 2]),
        |seat| seat.ttl_ms += 1,
        |seat| seat.features.push("render".into()),
        |seat| seat.product = "cam".into(),
        |seat| seat.holder = "eve@ws-17".into(),
        |seat| seat.code = Code::PoolExhausted,
        |seat| seat.pool_id = PoolId([9; 16]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut rig = Rig::new();
        let mut seat = rig.vendor.seat(&wish(), given(0, 0));
        change(&mut seat);
        assert_eq!(refused_step(&mut rig, seat), "ticket", "{number}");
    }
}

#[test]
fn a_signed_ticket_for_something_else_than_asked_is_refused() {
    let changes: [fn(&mut LeaseTicket); 9] = [
        |ticket| ticket.features = vec!["render".into()],
        |ticket| ticket.features = vec!["base".into(), "unsold".into()],
        |ticket| ticket.holder.user = "eve".into(),
        |ticket| ticket.holder.host = "elsewhere".into(),
        |ticket| (ticket.slots, ticket.count) = (SlotSet::range(1, 2), 2),
        |ticket| ticket.slots = SlotSet::range(40, 1),
        |ticket| ticket.generation = 2,
        |ticket| ticket.issued.hi = UnixMs(ticket.issued.hi.0 + 366 * 86_400_000),
        |ticket| ticket.ttl_ms = 86_400_001,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut rig = Rig::new();
        let mut ticket = rig.vendor.ticket(&wish(), given(0, 0));
        change(&mut ticket);
        let seat = rig.vendor.seat_of(&ticket, given(0, 0));
        assert_eq!(refused_step(&mut rig, seat), "ticket", "{number}");
    }
}

#[test]
fn another_product_or_pool_than_asked_is_refused() {
    let other_product = CheckoutRequest { product: Some("cam".into()), ..wish() };
    let other_pool = CheckoutRequest { product: None, pool: Some(PoolId([9; 16])), ..wish() };
    for asked in [other_product, other_pool] {
        let mut rig = Rig::of(1, PATIENCE, Task::Checkout(Box::new(asked)));
        let seat = rig.vendor.seat(&wish(), given(0, 0));
        assert_eq!(refused_step(&mut rig, seat), "ticket");
    }
}

#[test]
fn a_node_of_another_vendor_is_refused() {
    let mut rig = Rig::new();
    rig.vendor = Vendor::new("another vendor");
    let seat = rig.vendor.seat(&wish(), given(0, 0));
    assert_eq!(refused_step(&mut rig, seat), "grant");
}

#[test]
fn a_ticket_of_a_key_outside_the_chain_is_refused() {
    let mut rig = Rig::new();
    let seat = rig.vendor.seat(&wish(), given(0, 0));
    let forged = Vendor::new("another vendor").seat(&wish(), given(0, 0));
    assert_eq!(refused_step(&mut rig, Seat { ticket: forged.ticket, ..seat }), "ticket");
}

#[test]
fn a_chain_that_is_not_shown_or_another_one_is_refused() {
    for (answer, step) in
        [(None, "chain_missing"), (Some(Vendor::new("another vendor").chain_answer()), "container")]
    {
        let mut rig = Rig::new();
        rig.allow(given(0, 0));
        match answer {
            // A bundle may have been applied meanwhile: it is asked once more.
            None => {
                rig.fail(Code::NotFound);
                assert!(rig.events.is_empty(), "{:?}", rig.events);
                rig.pass_to_deadline(i64::MAX);
                rig.allow(given(0, 1_000));
                drop(rig.fail(Code::NotFound));
            }
            Some(chain) => drop(rig.answer(Answer::Chain(Box::new(chain)))),
        }
        rig.fail(Code::Unreachable);
        let Event::Failed(problem) = rig.take_event() else { panic!() };
        assert_eq!((problem.code, problem.extra["step"].as_str()), (Code::ProofInvalid, Some(step)));
    }
}

#[test]
fn a_renewal_whose_proof_fails_changes_nothing() {
    let mut rig = Rig::held(1);
    rig.pass_to_deadline(i64::MAX);
    let seat = rig.core.live_seat(&rig.now).unwrap().seat.clone();
    rig.offer(Seat { epoch: seat.epoch + 1, ..seat });
    let Event::Warning { cause, stop_in_ms } = rig.take_event() else { panic!() };
    assert_eq!(cause.code, Code::ProofInvalid);
    assert!(stop_in_ms > 0 && rig.is_live());
}

#[test]
fn a_renewal_of_a_lease_of_others_is_proved_but_not_handed_back() {
    let changes: [fn(&mut Seat); 2] = [|seat| seat.epoch += 1, |seat| seat.product = "cam".into()];
    for change in changes {
        let mut rig = Rig::of(1, PATIENCE, Task::Renew(lease(1)));
        let mut seat = rig.vendor.seat(&wish(), given(0, 0));
        change(&mut seat);
        rig.offer(seat);
        rig.show_chain();
        assert!(matches!(rig.take_event(), Event::Failed(problem) if problem.code == Code::ProofInvalid));
        assert!(rig.calls.is_empty());
    }
}

#[test]
fn a_chain_that_changed_meanwhile_is_asked_for_again() {
    let mut rig = Rig::new();
    rig.allow(given(0, 0));
    rig.fail(Code::NotFound);
    rig.pass_to_deadline(i64::MAX);
    rig.allow(given(0, 1_000));
    rig.show_chain();
    assert!(matches!(rig.take_event(), Event::Acquired(_)));
}

/// The lease of a key that was used before may be held by the process that used it first.
#[test]
fn a_lease_that_its_key_brought_back_is_not_given_back_for_want_of_proof() {
    let mut rig = Rig::new();
    let seat = rig.vendor.seat(&wish(), given(0, 60_000));
    let forged = Vendor::new("another vendor").seat(&wish(), given(0, 0));
    rig.offer(Seat { ticket: forged.ticket, ..seat });
    rig.show_chain();
    let Event::Failed(problem) = rig.take_event() else { panic!() };
    assert_eq!((problem.code, rig.core.is_over(), rig.calls.len()), (Code::ProofInvalid, true, 0));
}
