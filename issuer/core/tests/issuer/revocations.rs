//! Revocations: what is taken back stays taken back, and it is known until when it may still be used.

use leasehold_issuer_core::{
    Cause, Command, NewAmendment, NewGrant, NewRevocation, NodeClass, Revocation, RevocationTarget, What,
};
use leasehold_protocol::artefact::{Head, Kind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::GrantId;
use leasehold_protocol::limits::INLINE_REVOCATIONS;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;

use crate::exchange::{join, receive, sync};
use crate::node::TestNode;
use crate::rig::{DAY_MS, Rig, START, cause, grant};

const MINUTE_MS: i64 = 60_000;

#[test]
fn a_revoked_grant_leaves_the_manifest_and_is_listed() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let first = join(&mut rig, &mut node);
    let serial = first.grants[0].issue.serial;
    revoke(&mut rig, None).unwrap();
    let second = sync(&mut rig, &mut node);
    assert!(second.head.revokes(Kind::Grant, serial) && second.grants.is_empty() && second.pools.is_empty());
    assert!(second.allocations.is_empty(), "its rows are served no more");
    assert!(first.manifest.issue.serial < second.manifest.issue.serial);
    assert_eq!(rig.allocate("plant", 1).unwrap_err().code, Code::GrantRevoked);
    rig.check_replay();
}

#[test]
fn a_revocation_has_a_reason_and_is_done_once() {
    let mut rig = sold();
    let target = RevocationTarget::Grant(grant_id(&rig));
    let unexplained = Command::RevokeGrant(NewRevocation { target, effective_at: None });
    assert_eq!(rig.refused(unexplained), Code::InvalidRequest);
    let first = revoke(&mut rig, None).unwrap();
    let before = rig.issuer.next_seq();
    assert_eq!(revoke(&mut rig, None).unwrap(), first, "the same revocation answers");
    assert_eq!(rig.issuer.next_seq(), before);
}

#[test]
fn all_grants_of_a_product_are_revoked_together() {
    let mut rig = sold();
    rig.act(Command::CreateGrant(grant(Seats::Value(5)))).unwrap();
    rig.act(Command::CreateGrant(NewGrant { not_after: START.plus(DAY_MS), ..grant(Seats::Value(5)) }))
        .unwrap();
    rig.product("VIEW", &[]);
    rig.act(Command::CreateGrant(NewGrant { product: "VIEW".to_owned(), ..grant(Seats::Value(5)) })).unwrap();
    rig.pass(2 * DAY_MS);
    let of = |account: &str, product: &str| RevocationTarget::Product {
        account: account.to_owned(),
        product: product.to_owned(),
    };
    let revocation = revoke_as(&mut rig, of("ACME", "CAD"), None).unwrap();
    assert_eq!(revocation.grants.len(), 2, "not the one that has ended, and no other product's");
    for (account, product) in [("ACNE", "CAD"), ("ACME", "CAT")] {
        let refused = revoke_as(&mut rig, of(account, product), None).unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
    }
    rig.account("EMCA");
    assert_eq!(revoke_as(&mut rig, of("EMCA", "CAD"), None).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_past_instant_means_now_and_is_kept_as_said() {
    let mut rig = sold();
    let yesterday = START.plus(-DAY_MS);
    let revocation = revoke(&mut rig, Some(yesterday)).unwrap();
    assert_eq!(revocation.effective_at, yesterday);
    assert!(START <= revocation.enforced_from);
    assert!(!head(&mut rig).revoked.is_empty());
}

#[test]
fn a_scheduled_revocation_is_told_in_advance_and_takes_effect_by_itself() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let serial = join(&mut rig, &mut node).grants[0].issue.serial;
    let at = START.plus(DAY_MS);
    revoke(&mut rig, Some(at)).unwrap();
    let told = sync(&mut rig, &mut node);
    assert_eq!(told.head.revoked_from(Kind::Grant, serial), Some(at));
    assert_eq!((told.grants.len(), told.allocations.len()), (1, 1), "until then nothing changes");
    let next = rig.issuer.next_seq();
    assert_eq!(head(&mut rig).version, told.head.version);
    assert_eq!(rig.issuer.next_seq(), next, "and nothing is signed");
    rig.pass(DAY_MS);
    let effective = head(&mut rig);
    assert!(told.head.version < effective.version && effective.revokes(Kind::Grant, serial));
    assert_eq!(effective.revoked_from(Kind::Grant, serial), None);
    assert!(sync(&mut rig, &mut node).grants.is_empty());
    rig.check_replay();
}

#[test]
fn a_scheduled_revocation_can_be_brought_forward_but_not_put_off() {
    let mut rig = sold();
    let scheduled = revoke(&mut rig, Some(START.plus(10 * DAY_MS))).unwrap();
    assert_eq!(revoke(&mut rig, Some(START.plus(20 * DAY_MS))).unwrap(), scheduled);
    assert_ne!(revoke(&mut rig, None).unwrap(), scheduled);
    assert!(head(&mut rig).scheduled.is_empty() && !head(&mut rig).revoked.is_empty());
}

#[test]
fn a_serial_stays_listed_until_the_grant_would_have_ended() {
    let mut rig = sold();
    let serial = rig.issuer.grants().next().unwrap().grant.issue.serial;
    revoke(&mut rig, None).unwrap();
    rig.pass(364 * DAY_MS);
    assert!(head(&mut rig).revokes(Kind::Grant, serial));
    rig.pass(2 * DAY_MS);
    assert!(head(&mut rig).revoked.is_empty());
}

#[test]
fn versions_of_grants_that_will_be_revoked_have_room_in_the_head() {
    let mut rig = sold();
    for _ in 2..INLINE_REVOCATIONS {
        rig.act(Command::CreateGrant(grant(Seats::Value(1)))).unwrap();
    }
    let target = RevocationTarget::Product { account: "ACME".to_owned(), product: "CAD".to_owned() };
    let effective_at = Some(START.plus(DAY_MS));
    assert_eq!(revoke_as(&mut rig, target, effective_at).unwrap().grants.len(), INLINE_REVOCATIONS - 1);
    let amend = |seats| {
        let amendment = NewAmendment { seats: Some(Seats::Value(seats)), ..amendment(grant_id(&rig)) };
        Command::AmendGrant(amendment)
    };
    let (first, second) = (amend(101), amend(102));
    rig.act(first).unwrap();
    assert_eq!(rig.refused(second), Code::LimitExceeded);
    assert_eq!(head(&mut rig).scheduled.len(), INLINE_REVOCATIONS);
}

fn amendment(grant: GrantId) -> NewAmendment {
    NewAmendment {
        grant,
        if_version: None,
        seats: None,
        add_features: Vec::new(),
        remove_features: Vec::new(),
        not_after: None,
        grace_ms: None,
        edition: None,
    }
}

#[test]
fn what_a_node_may_still_serve_is_bounded_and_shrinks_when_it_has_heard() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let end = join(&mut rig, &mut node).allocations[0].not_after;
    rig.node("silent", NodeClass::AirGapped);
    rig.allocate("silent", 10).unwrap();
    let revocation = revoke(&mut rig, None).unwrap();
    let exposed = |rig: &Rig| {
        let view = rig.issuer.revocation(revocation.id).unwrap();
        let [only] = view.exposure[..] else {
            panic!("a node that was never given a row has nothing to serve")
        };
        (only.applied_at, only.guaranteed_dead_by, only.seats_at_risk)
    };
    assert_eq!(exposed(&rig), (None, end, Some(40)));
    rig.pass(MINUTE_MS);
    sync(&mut rig, &mut node);
    assert_eq!(exposed(&rig).0, None, "a bundle on its way is not applied");
    rig.pass(MINUTE_MS);
    receive(&mut rig, &mut node).unwrap();
    let (applied_at, dead_by, _) = exposed(&rig);
    let applied_at = applied_at.unwrap();
    assert!(START.plus(2 * MINUTE_MS) <= applied_at);
    assert_eq!(dead_by, applied_at.plus(15 * MINUTE_MS), "the longest lease of the pool drains");
    rig.check_replay();
}

#[test]
fn a_request_shows_what_was_applied_as_a_receipt_does() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    join(&mut rig, &mut node);
    let revocation = revoke(&mut rig, None).unwrap();
    let applied = |rig: &Rig| rig.issuer.revocation(revocation.id).unwrap().exposure[0].applied_at.is_some();
    sync(&mut rig, &mut node);
    assert!(!applied(&rig), "that request was made before");
    sync(&mut rig, &mut node);
    assert!(applied(&rig));
}

/// 40 of 100 seats of CAD at the online node `plant`.
fn sold() -> Rig {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::Online);
    rig.allocate("plant", 40).unwrap();
    rig
}

fn grant_id(rig: &Rig) -> GrantId {
    rig.issuer.grants().next().unwrap().grant.issue.id
}

fn revoke(rig: &mut Rig, effective_at: Option<UnixMs>) -> Result<Revocation, Problem> {
    let target = RevocationTarget::Grant(grant_id(rig));
    revoke_as(rig, target, effective_at)
}

fn revoke_as(
    rig: &mut Rig,
    target: RevocationTarget,
    effective_at: Option<UnixMs>,
) -> Result<Revocation, Problem> {
    let cause = Cause { reason: Some("unpaid".to_owned()), ..cause() };
    let seq = rig.act_for(cause, Command::RevokeGrant(NewRevocation { target, effective_at }))?;
    let What::GrantRevoked(revocation) = &rig.fact(seq).what else { panic!("a grant is revoked") };
    Ok(revocation.clone())
}

/// The head that online nodes poll.
fn head(rig: &mut Rig) -> Head {
    let account = rig.issuer.account("ACME").unwrap().id;
    rig.act(Command::IssueHead { account }).unwrap();
    rig.issuer.standing_head(&rig.now, account).unwrap().head.unwrap().clone()
}
