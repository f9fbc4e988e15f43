//! The standing head: signed anew only when there is something to say, or when it grows old.

use leasehold_issuer_core::{Command, NodeClass};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::ids::AccountId;

use crate::exchange::{join, sync};
use crate::node::TestNode;
use crate::rig::{Rig, grant};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn nodes_of_one_account_do_not_chase_each_other() {
    let (mut rig, account) = rig();
    let mut plant = TestNode::new(50);
    let first = join(&mut rig, &mut plant);
    assert_eq!(version(&rig, account), (Some(first.head.version), false));
    // Whoever asks gets the head that stands: nobody else has to ask for it.
    assert_eq!(sync(&mut rig, &mut plant).head.envelope(), first.head.envelope());
    rig.act(Command::CreateGrant(grant(Seats::Value(1)))).unwrap();
    assert_eq!(version(&rig, account), (Some(first.head.version), true));
    let second = sync(&mut rig, &mut plant);
    assert!(first.head.version < second.head.version);
    assert_eq!(version(&rig, account), (Some(second.head.version), false));
    rig.check_replay();
}

#[test]
fn a_head_is_issued_once_however_many_ask() {
    let (mut rig, account) = rig();
    let first = rig.act(Command::IssueHead { account }).unwrap();
    assert_eq!(rig.act(Command::IssueHead { account }).unwrap(), first);
    rig.allocate("plant", 1).unwrap();
    let second = rig.act(Command::IssueHead { account }).unwrap();
    assert!(first < second);
    assert_eq!(rig.act(Command::IssueHead { account }).unwrap(), second);
}

#[test]
fn a_head_is_replaced_long_before_it_is_stale() {
    let (mut rig, account) = rig();
    rig.act(Command::IssueHead { account }).unwrap();
    rig.pass(12 * HOUR_MS - 10_000);
    assert!(!version(&rig, account).1);
    rig.pass(20_000);
    assert!(version(&rig, account).1);
}

#[test]
fn the_head_of_a_node_that_is_seldom_reached_is_its_own() {
    let (mut rig, account) = rig();
    rig.act(Command::IssueHead { account }).unwrap();
    let standing = version(&rig, account).0.unwrap();
    rig.node("ship", NodeClass::Intermittent);
    let code = rig.issuer.node("ship").unwrap().node.join.issued.nonce;
    let mut ship = TestNode::new(60);
    let request = ship.request(Some(leasehold_protocol::request::JoinSecret(code)));
    let opened = crate::exchange::answer(&mut rig, &request).unwrap();
    assert!(standing < opened.head.version);
    assert_eq!(opened.head.fresh_for_ms, 7 * 24 * HOUR_MS);
    assert_eq!(version(&rig, account), (Some(standing), false), "nobody else hears of it");
    rig.check_replay();
}

fn rig() -> (Rig, AccountId) {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::Online);
    rig.allocate("plant", 40).unwrap();
    let account = rig.issuer.account("ACME").unwrap().id;
    (rig, account)
}

/// Version of the standing head, and whether it is to be replaced.
fn version(rig: &Rig, account: AccountId) -> (Option<u64>, bool) {
    let standing = rig.issuer.standing_head(&rig.now, account).unwrap();
    (standing.head.map(|head| head.version), standing.due)
}
