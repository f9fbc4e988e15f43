//! The same key does the work once.

use leasehold_issuer_core::{Cause, Command, Idempotency, NodeClass, What};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;

use crate::rig::{Rig, account, allocation, cause};

fn keyed(number: u8) -> Cause {
    asked(number, 0)
}

fn asked(number: u8, request: u8) -> Cause {
    let idempotency = Idempotency { key: IdempotencyKey([number; 16]), params: [request; 16] };
    Cause { idempotency: Some(idempotency), ..cause() }
}

#[test]
fn a_repetition_is_answered_with_the_first_record() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    let first = rig.act_for(keyed(1), Command::CreateAllocation(allocation(3))).unwrap();
    rig.pass(1000);
    let mut again = keyed(1);
    again.actor = "somebody else".to_owned();
    assert_eq!(rig.act_for(again, Command::CreateAllocation(allocation(3))).unwrap(), first);
    assert_eq!(rig.issuer.rows().count(), 1);
    rig.check_replay();
}

#[test]
fn a_repetition_is_answered_before_the_state_is_looked_at() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    let first = rig.act_for(keyed(1), Command::CreateAllocation(allocation(5))).unwrap();
    assert_eq!(rig.issuer.done_before(&keyed(1)), Ok(Some(first)));
    let impossible = Command::CreateAllocation(allocation(6));
    assert_eq!(rig.act_for(keyed(1), impossible).unwrap(), first);
}

#[test]
fn a_repetition_is_recognised_after_a_restart() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    let first = rig.act_for(keyed(1), Command::CreateAllocation(allocation(3))).unwrap();
    rig.issuer = rig.replayed();
    rig.reboot(1000);
    assert_eq!(rig.act_for(keyed(1), Command::CreateAllocation(allocation(3))).unwrap(), first);
}

#[test]
fn another_request_under_the_same_key_is_refused() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.act_for(keyed(1), Command::CreateAllocation(allocation(3))).unwrap();
    let other = Command::CreateAccount(account("B"));
    assert_eq!(rig.act_for(asked(1, 1), other).unwrap_err().code, Code::IdempotencyMismatch);
    assert_eq!(rig.issuer.done_before(&asked(1, 1)).unwrap_err().code, Code::IdempotencyMismatch);
    assert_eq!(rig.issuer.done_before(&asked(2, 1)), Ok(None));
}

#[test]
fn a_node_registered_again_under_the_same_key_keeps_its_first_join_code() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    let node = leasehold_issuer_core::NewNode {
        account: "ACME".to_owned(),
        name: "lab".to_owned(),
        site: None,
        class: NodeClass::Online,
    };
    let issued = [rig.issued_join(), rig.issued_join()];
    let [first, second] = issued
        .map(|issued| rig.act_for(keyed(1), Command::RegisterNode { node: node.clone(), issued }).unwrap());
    assert_eq!(first, second);
    let What::NodeRegistered(node) = &rig.fact(first).what else { panic!("a node is made") };
    assert_eq!(node.join.issued, issued[0]);
}

#[test]
fn a_refusal_uses_no_key() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.act_for(keyed(1), Command::CreateAllocation(allocation(6))).unwrap_err();
    rig.act_for(keyed(1), Command::CreateAllocation(allocation(5))).unwrap();
}
