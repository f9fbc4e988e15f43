//! Receipts: a node's signed word that it applied a bundle, and which slots it gives back.

use leasehold_protocol::artefact::Receipt;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::{AccountId, NodeId};
use leasehold_protocol::keys::PublicKey;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::fork::{self, Told};
use crate::refusal::require;
use crate::release::{self, Releases};
use crate::state::State;

/// A receipt as a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptTaken {
    /// Whose node.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Which node.
    #[serde(rename = "node_id")]
    pub node: NodeId,
    /// The receipt.
    pub receipt: Digest,
    /// The bundle that the node has applied.
    pub bundle: Digest,
    /// What it gives back.
    pub releases: Releases,
    /// Where the node stood.
    pub told: Told,
}

/// What a receipt comes to.
pub(crate) enum Taken {
    New(Box<ReceiptTaken>),
    /// It was taken before, by this record.
    Before(Seq),
}

/// The key that must have signed a receipt: that of the enrolment it names.
pub(crate) fn sign_key(state: &State, receipt: &Receipt) -> Option<PublicKey> {
    let node = state.nodes.get(&receipt.node).filter(|node| node.node.account == receipt.account)?;
    let enrolment = node.enrolment.as_ref().filter(|enrolment| enrolment.generation == receipt.generation)?;
    PublicKey::admit(enrolment.certificate.sign_key).ok()
}

pub(crate) fn take(state: &State, receipt: &Verified<Receipt>) -> Result<Taken, Problem> {
    let refused = |detail: &str| {
        let hint = "make the receipt on the node that is enrolled here, after its last import";
        Problem::new(Code::ArtefactRefused, detail, hint)
    };
    let node = state.node(receipt.node)?;
    let enrolment = node.enrolment.as_ref().filter(|known| known.generation == receipt.generation);
    require(enrolment.is_some() && node.node.account == receipt.account, || {
        refused("the receipt is not of a node that is enrolled here")
    })?;
    if let Some(&(_, seq)) = node.receipts.iter().find(|(known, _)| *known == receipt.digest()) {
        return Ok(Taken::Before(seq));
    }
    require(node.sent.iter().any(|sent| sent.bundle == receipt.bundle), || {
        refused("the receipt names a bundle that is not one of the last ones for its node")
    })?;
    let told = Told::by_receipt(receipt);
    fork::check(node, &told)?;
    Ok(Taken::New(Box::new(ReceiptTaken {
        account: receipt.account,
        node: receipt.node,
        receipt: receipt.digest(),
        bundle: receipt.bundle,
        releases: release::take(state, node, &receipt.released)?,
        told,
    })))
}
