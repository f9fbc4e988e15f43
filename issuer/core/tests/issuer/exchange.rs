//! Exchanges between issuer and node, with the signatures that the shell makes.

use leasehold_issuer_core::{BundlePlan, Command, JoinCheck, NodeClass, What};
use leasehold_protocol::artefact::{Artefact, Item, Request, Seats};
use leasehold_protocol::bundle::{OpenedBundle, open_bundle};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Verified, seal};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use leasehold_protocol::seq::Seq;

use crate::node::TestNode;
use crate::rig::{REALM, Rig, cause};

/// 40 of 100 seats for the node `plant`.
pub(crate) fn sold() -> Rig {
    let mut rig = Rig::with_pool(Seats::Value(100), 0, NodeClass::AirGapped);
    rig.allocate("plant", 40).unwrap();
    rig
}

/// The secret of the join code of `plant`, which is its nonce here.
pub(crate) fn secret(rig: &Rig) -> JoinSecret {
    JoinSecret(rig.issuer.node("plant").unwrap().node.join.issued.nonce)
}

/// The first exchange of a node.
pub(crate) fn join(rig: &mut Rig, node: &mut TestNode) -> OpenedBundle {
    let request = node.request(Some(secret(rig)));
    let opened = answer(rig, &request).unwrap();
    node.take(&opened);
    opened
}

/// A later exchange.
pub(crate) fn sync(rig: &mut Rig, node: &mut TestNode) -> OpenedBundle {
    let request = node.request(None);
    let opened = answer(rig, &request).unwrap();
    node.take(&opened);
    opened
}

/// The node tells what it applied and gives back.
pub(crate) fn receive(rig: &mut Rig, node: &mut TestNode) -> Result<Seq, Problem> {
    let issuer = rig.issuer.clone();
    let receipt = node.receipt(|receipt| issuer.sign_key_of(receipt));
    rig.act(Command::TakeReceipt { receipt: Box::new(receipt) })
}

pub(crate) fn answer(rig: &mut Rig, request: &Verified<Request>) -> Result<OpenedBundle, Problem> {
    if rig.issuer.tells(&rig.now, &cause(), request)? {
        rig.act(Command::TakeReport { request: Box::new(request.clone()) })?;
    }
    let join = if rig.issuer.join_of(request).is_some() { JoinCheck::Right } else { JoinCheck::Absent };
    let plan = plan(rig, request, join)?;
    let envelope = sign(rig, &plan);
    let seq = rig.act(Command::IssueBundle { plan: Box::new(plan), envelope })?;
    let before = rig.fact(seq).before;
    assert!(before.is_some_and(|before| Seq::NONE < before && before < seq), "the node's last record");
    let What::BundleIssued(issued) = &rig.fact(seq).what else { panic!("a bundle is made") };
    Ok(open_bundle(rig.issuer.trust_root().unwrap(), &issued.envelope.0).unwrap())
}

pub(crate) fn refused(rig: &mut Rig, request: &Verified<Request>) -> Code {
    answer(rig, request).unwrap_err().code
}

/// Plans in the frame that the next command will be in.
pub(crate) fn plan(
    rig: &mut Rig,
    request: &Verified<Request>,
    join: JoinCheck,
) -> Result<BundlePlan, Problem> {
    let mut issuer = rig.issuer.clone();
    issuer.stamp(&issuer.stamp_of(&rig.now));
    let mut entropy = rig.entropy();
    issuer.plan_bundle(&rig.now, &mut entropy, &cause(), request, join)
}

/// What the signing module of the shell does.
pub(crate) fn sign(rig: &Rig, plan: &BundlePlan) -> Vec<u8> {
    let root = leasehold_protocol::artefact::Kind::Root.number();
    let mut items: Vec<Item> =
        plan.roots.iter().map(|envelope| Item { kind: root, envelope: envelope.clone() }).collect();
    sign_all(rig, std::slice::from_ref(&plan.head), &mut items);
    sign_all(rig, std::slice::from_ref(&plan.manifest), &mut items);
    sign_all(rig, &plan.grants, &mut items);
    sign_all(rig, &plan.pools, &mut items);
    sign_all(rig, &plan.allocations, &mut items);
    sign_all(rig, std::slice::from_ref(&plan.enrolment.certificate), &mut items);
    sign_all(rig, plan.time.as_slice(), &mut items);
    seal(&REALM, &plan.bundle(items), &[&rig.online]).unwrap().envelope
}

pub(crate) fn sign_all<T: Artefact>(rig: &Rig, artefacts: &[T], items: &mut Vec<Item>) {
    for artefact in artefacts {
        let envelope = Bytes(seal(&REALM, artefact, &[&rig.online]).unwrap().envelope);
        items.push(Item { kind: T::KIND.number(), envelope });
    }
}
