//! Amendments: a grant changes, its leases do not notice.

use leasehold_issuer_core::{Amended, Command, NewAmendment, NewShrink, NodeClass, What};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::slots::SlotSet;

use crate::exchange::{join, sync};
use crate::node::TestNode;
use crate::rig::{DAY_MS, Rig, START};

#[test]
fn seats_are_added_to_the_node_that_has_all_others() {
    let mut rig = online(25);
    rig.allocate("plant", 25).unwrap();
    let mut node = TestNode::new(50);
    let first = join(&mut rig, &mut node);
    let amended = amend(&mut rig, |new| new.seats = Some(Seats::Value(60))).unwrap();
    assert_eq!((amended.grant.version, amended.pool.seats), (2, Seats::Value(60)));
    assert_eq!(amended.grant.supersedes, Some(first.grants[0].issue.serial));
    let [row] = &amended.rows[..] else { panic!("one row is added") };
    assert_eq!(row.slots, SlotSet::range(25, 35));
    let second = sync(&mut rig, &mut node);
    assert!(first.head.version < second.head.version);
    let [old, new] = &second.allocations[..] else { panic!("two rows") };
    assert_eq!((old.slots.len(), new.slots.len()), (25, 35));
    assert_eq!((old.seq, old.prev), (2, Some(first.allocations[0].digest())), "a version of the row it was");
    assert_eq!(old.pool_digest, second.pools[0].digest());
    rig.check_replay();
}

#[test]
fn seats_of_a_shared_pool_are_free_first() {
    let mut rig = online(25);
    rig.node("office", NodeClass::Online);
    rig.allocate("plant", 20).unwrap();
    rig.allocate("office", 5).unwrap();
    assert!(amend(&mut rig, |new| new.seats = Some(Seats::Value(60))).unwrap().rows.is_empty());
    assert_eq!(rig.issuer.pool("CAD").unwrap().free, Some(35));
    rig.allocate("office", 35).unwrap();
    rig.check_replay();
}

#[test]
fn seats_that_a_node_may_serve_are_not_taken_away() {
    let mut rig = online(60);
    let row = rig.allocate("plant", 30).unwrap();
    join(&mut rig, &mut TestNode::new(50));
    let fewer = |seats| move |new: &mut NewAmendment| new.seats = Some(Seats::Value(seats));
    let refused = amend(&mut rig, fewer(29)).unwrap_err();
    assert_eq!(
        (refused.code, refused.detail.starts_with("1 of the seats")),
        (Code::AllocationExceedsPool, true)
    );
    // A wish to shrink frees nothing yet.
    rig.act(Command::ShrinkAllocation(NewShrink { allocation: row.id, seats: 10 })).unwrap();
    assert_eq!(amend(&mut rig, fewer(29)).unwrap_err().code, Code::AllocationExceedsPool);
    amend(&mut rig, fewer(30)).unwrap();
    assert_eq!(rig.issuer.pool("CAD").unwrap().free, Some(0));
    rig.check_replay();
}

#[test]
fn a_longer_grant_carries_its_rows_along() {
    let mut rig = online(10);
    let whole = rig.allocate("plant", 5).unwrap();
    let mut node = TestNode::new(50);
    join(&mut rig, &mut node);
    let end = START.plus(500 * DAY_MS);
    let amended = amend(&mut rig, |new| (new.not_after, new.grace_ms) = (Some(end), Some(DAY_MS))).unwrap();
    assert_eq!(amended.rows.len(), 1);
    assert_eq!((amended.rows[0].id, amended.rows[0].not_after), (whole.id, end.plus(2 * DAY_MS)));
    assert_eq!(sync(&mut rig, &mut node).allocations[0].not_after, end.plus(2 * DAY_MS));
}

/// What was promised longer is promised: a shorter grant frees its slots no earlier.
#[test]
fn a_shorter_grant_does_not_shorten_what_was_promised() {
    let mut rig = online(10);
    rig.allocate("plant", 10).unwrap();
    let mut node = TestNode::new(50);
    join(&mut rig, &mut node);
    amend(&mut rig, |new| new.not_after = Some(START.plus(10 * DAY_MS))).unwrap();
    assert_eq!(sync(&mut rig, &mut node).allocations[0].not_after, START.plus(11 * DAY_MS));
    rig.node("office", NodeClass::Online);
    rig.pass(60 * DAY_MS);
    rig.now.kernel_synced = true;
    rig.pass(DAY_MS);
    assert_eq!(rig.allocate("office", 1).unwrap_err().code, Code::AllocationExceedsPool);
    rig.check_replay();
}

#[test]
fn features_come_and_go() {
    let mut rig = online(10);
    let add = |new: &mut NewAmendment| new.add_features = vec!["sim".to_owned()];
    assert_eq!(amend(&mut rig, add).unwrap().grant.features, ["sim"]);
    let again = amend(&mut rig, add).unwrap_err();
    assert_eq!(again.code, Code::InvalidRequest, "it changes nothing");
    let remove = |new: &mut NewAmendment| new.remove_features = vec!["sim".to_owned()];
    assert!(amend(&mut rig, remove).unwrap().grant.features.is_empty());
    assert_eq!(amend(&mut rig, remove).unwrap_err().code, Code::InvalidRequest, "it is gone already");
    let foreign = |new: &mut NewAmendment| new.add_features = vec!["fly".to_owned()];
    assert_eq!(amend(&mut rig, foreign).unwrap_err().code, Code::NotFound, "not of the product");
}

#[test]
fn whoever_decided_on_an_older_version_is_told() {
    let mut rig = online(10);
    let to = |seats, version| {
        move |new: &mut NewAmendment| (new.seats, new.if_version) = (Some(Seats::Value(seats)), Some(version))
    };
    amend(&mut rig, to(11, 1)).unwrap();
    assert_eq!(amend(&mut rig, to(12, 1)).unwrap_err().code, Code::PreconditionFailed);
    amend(&mut rig, to(12, 2)).unwrap();
    let unlimited = amend(&mut rig, |new| new.seats = Some(Seats::Unlimited)).unwrap_err();
    assert_eq!(unlimited.code, Code::InvalidRequest);
}

fn online(seats: u32) -> Rig {
    Rig::with_pool(Seats::Value(seats), 0, NodeClass::Online)
}

fn amend(rig: &mut Rig, change: impl FnOnce(&mut NewAmendment)) -> Result<Amended, Problem> {
    let grant = rig.issuer.grants().next().unwrap().grant.issue.id;
    let mut new = NewAmendment {
        grant,
        if_version: None,
        seats: None,
        add_features: Vec::new(),
        remove_features: Vec::new(),
        not_after: None,
        grace_ms: None,
        edition: None,
    };
    change(&mut new);
    let seq = rig.act(Command::AmendGrant(new))?;
    let What::GrantAmended(amended) = &rig.fact(seq).what else { panic!("a grant is amended") };
    assert!(rig.fact(seq).before.is_some(), "it names the version before");
    Ok((**amended).clone())
}
