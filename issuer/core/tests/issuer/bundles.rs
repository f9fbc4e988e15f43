//! Bundles: who gets one, and what is in it.

use leasehold_issuer_core::{Command, JoinCheck, NodeClass};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::request::JoinSecret;

use crate::exchange::{answer, join, plan, refused, secret, sign, sold};
use crate::node::TestNode;
use crate::rig::{DAY_MS, Rig, TestKey, grant};

#[test]
fn a_bundle_opens_with_the_trust_root_and_holds_all_the_node_is_entitled_to() {
    let mut rig = sold();
    rig.act(Command::CreateGrant(grant(Seats::Unlimited))).unwrap();
    let mut node = TestNode::new(50);
    let request = node.request(Some(secret(&rig)));
    let opened = answer(&mut rig, &request).unwrap();
    assert_eq!((opened.grants.len(), opened.pools.len(), opened.allocations.len()), (2, 2, 1));
    assert_eq!(opened.bundle.generation, 1);
    assert_eq!(opened.bundle.ratchet.counter, 1);
    assert_eq!(opened.time.unwrap().nonce, request.nonce);
    let row = &opened.allocations[0];
    assert_eq!((row.slots.len(), row.sign_key), (40, TestKey::new(50).public_key().id()));
    assert!(opened.certificate.not_before <= row.issue.issued_at, "the row is signed under the certificate");
    rig.check_replay();
}

#[test]
fn a_row_and_a_certificate_are_shipped_byte_for_byte_until_they_change() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let first = join(&mut rig, &mut node);
    node.known_as = Some((first.bundle.account, first.bundle.node));
    rig.pass(DAY_MS);
    rig.allocate("plant", 10).unwrap();
    let second = answer(&mut rig, &node.request(None)).unwrap();
    assert_eq!(second.allocations[0].envelope(), first.allocations[0].envelope());
    assert_eq!(second.allocations.len(), 2);
    assert_eq!(second.certificate.envelope(), first.certificate.envelope());
    assert_eq!(
        second.manifest.envelope(),
        first.manifest.envelope(),
        "the same grants are the same manifest"
    );
    assert!(first.head.version < second.head.version);
    assert!(first.bundle.issue.serial < second.bundle.issue.serial);
    assert_eq!(second.bundle.ratchet.counter, 2);
    rig.check_replay();
}

#[test]
fn a_certificate_is_renewed_at_half_its_life_and_keeps_its_begin() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let first = join(&mut rig, &mut node);
    node.known_as = Some((first.bundle.account, first.bundle.node));
    rig.pass(183 * DAY_MS);
    let second = answer(&mut rig, &node.request(None)).unwrap();
    assert!(first.certificate.issue.serial < second.certificate.issue.serial);
    assert_eq!(second.certificate.not_before, first.certificate.not_before);
    node.tls_keys = vec![SpkiDigest([77; 32])];
    let third = answer(&mut rig, &node.request(None)).unwrap();
    assert_eq!(third.certificate.tls_keys, node.tls_keys, "new TLS keys, new certificate");
}

#[test]
fn an_answered_request_is_found_again_and_whose_it_was() {
    let mut rig = sold();
    let request = TestNode::new(50).request(Some(secret(&rig)));
    assert_eq!(rig.issuer.bundle_for(request.digest()), None);
    let account = answer(&mut rig, &request).unwrap().bundle.account;
    let last = rig.issuer.next_seq().previous();
    assert_eq!(rig.issuer.bundle_for(request.digest()), Some((account, last)));
    assert_eq!(rig.replayed().bundle_for(request.digest()), Some((account, last)));
}

#[test]
fn a_node_asks_again_before_it_got_the_first_answer() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let code = secret(&rig);
    let first = answer(&mut rig, &node.request(Some(code))).unwrap();
    let second = answer(&mut rig, &node.request(Some(code))).unwrap();
    assert_eq!(second.bundle.node, first.bundle.node);
    assert_eq!(second.certificate.envelope(), first.certificate.envelope());
}

#[test]
fn a_join_code_serves_one_key() {
    let mut rig = sold();
    let code = secret(&rig);
    answer(&mut rig, &TestNode::new(50).request(Some(code))).unwrap();
    assert_eq!(refused(&mut rig, &TestNode::new(51).request(Some(code))), Code::JoinCodeUsed);
}

#[test]
fn an_enrolled_node_shows_its_own_join_code_or_none() {
    let mut rig = sold();
    rig.node("lab", NodeClass::Online);
    let other = JoinSecret(rig.issuer.node("lab").unwrap().node.join.issued.nonce);
    let mut node = TestNode::new(50);
    let own = secret(&rig);
    join(&mut rig, &mut node);
    answer(&mut rig, &node.request(Some(own))).unwrap();
    assert_eq!(refused(&mut rig, &node.request(Some(other))), Code::AlreadyExists);
    assert_eq!(refused(&mut rig, &TestNode::new(50).request(Some(other))), Code::AlreadyExists, "by its key");
}

#[test]
fn a_join_code_expires() {
    for (class, life_ms) in [(NodeClass::Online, 3_600_000), (NodeClass::AirGapped, 14 * DAY_MS)] {
        let mut rig = Rig::with_pool(Seats::Value(100), 0, class);
        rig.pass(life_ms + 60_000);
        let request = TestNode::new(50).request(Some(secret(&rig)));
        assert_eq!(refused(&mut rig, &request), Code::JoinCodeExpired);
        rig.now.wall_ms = rig.now.wall_ms.plus(-120_000);
        answer(&mut rig, &request).unwrap();
    }
}

#[test]
fn a_stranger_gets_no_bundle() {
    let mut rig = sold();
    assert_eq!(refused(&mut rig, &TestNode::new(50).request(None)), Code::JoinCodeInvalid);
    let unknown = TestNode::new(50).request(Some(JoinSecret([99; 16])));
    assert_eq!(refused(&mut rig, &unknown), Code::JoinCodeInvalid);
    let mut wrong = TestNode::new(50);
    let request = wrong.request(Some(secret(&rig)));
    let plan = plan(&mut rig, &request, JoinCheck::Wrong);
    assert_eq!(plan.unwrap_err().code, Code::JoinCodeInvalid);
}

#[test]
fn a_request_that_names_a_node_is_signed_by_its_key() {
    let mut rig = sold();
    let mut node = TestNode::new(50);
    let opened = join(&mut rig, &mut node);
    let mut thief = TestNode::new(51);
    thief.known_as = Some((opened.bundle.account, opened.bundle.node));
    assert_eq!(refused(&mut rig, &thief.request(None)), Code::ArtefactRefused);
    let mut lost = TestNode::new(50);
    lost.known_as = Some((opened.bundle.account, leasehold_protocol::ids::NodeId([1; 16])));
    assert_eq!(refused(&mut rig, &lost.request(None)), Code::ArtefactRefused);
}

#[test]
fn a_bundle_that_is_not_what_was_planned_is_not_recorded() {
    let mut rig = sold();
    let request = TestNode::new(50).request(Some(secret(&rig)));
    let plan = plan(&mut rig, &request, JoinCheck::Right).unwrap();
    let envelope = sign(&rig, &plan);
    let mut other = plan.clone();
    other.enrolment.generation = 2;
    let swapped = Command::IssueBundle { plan: Box::new(other), envelope: envelope.clone() };
    assert_eq!(rig.refused(swapped), Code::Internal);
    rig.act(Command::CreateAccount(crate::rig::account("meanwhile"))).unwrap();
    rig.pass(1);
    let late = Command::IssueBundle { plan: Box::new(plan), envelope };
    assert_eq!(rig.refused(late), Code::Conflict);
}

#[test]
fn a_head_is_fresh_as_long_as_its_node_may_hear_nothing() {
    for (class, days) in [(NodeClass::Online, 1), (NodeClass::Intermittent, 7), (NodeClass::AirGapped, 366)] {
        let mut rig = Rig::with_pool(Seats::Value(100), 0, class);
        rig.allocate("plant", 40).unwrap();
        let opened = join(&mut rig, &mut TestNode::new(50));
        let fresh_ms = opened.head.fresh_for_ms;
        assert!(days * DAY_MS - 1000 < fresh_ms && fresh_ms <= days * DAY_MS, "{fresh_ms}");
    }
}
