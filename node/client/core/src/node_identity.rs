//! Who is at the other end of a connection, before anything is asked of it.

use std::fmt;

use leasehold_protocol::api::IdentityAnswer;
use leasehold_protocol::artefact::{Kind, NodeCertificate};
use leasehold_protocol::bytes::{Bytes, SpkiDigest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Verified, verify};
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::proof::{ProofError, ProofFault, Step};
use leasehold_protocol::trust_root::TrustRoot;

use crate::chain::envelope;

/// What is known about the key with which a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionKey {
    /// Whoever answered proved that it holds this key: the node certificate must name it.
    Proven(SpkiDigest),
    /// An authority of the customer's own vouches for it: the node certificate need not know it.
    Vouched,
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven(key) => write!(f, "{key}"),
            Self::Vouched => f.write_str("vouched for by an authority"),
        }
    }
}

/// Why whoever answered is not taken for a node of the vendor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// It was asked, and did not say.
    #[error("it does not say who it is (HTTP {status})")]
    NoIdentity {
        /// The status of its answer.
        status: u16,
    },
    /// Nothing leads from the trust root to it.
    #[error("it shows no node certificate")]
    NoCertificate,
    /// What it shows is not signed by this vendor.
    #[error("its {} does not verify: {}", .0.step, .0.fault)]
    Chain(#[from] ProofError),
    /// It shows the certificate of one node and says that it is another.
    #[error("it says that it is {} and shows the certificate of {certified}", named(.claimed.as_ref()))]
    OtherNode {
        /// Whom it says it is.
        claimed: Option<NodeId>,
        /// Whose certificate it shows.
        certified: NodeId,
    },
    /// It shows a good certificate, but holds none of its keys: somebody relays what another one said.
    #[error("it shows the certificate of {node}, which does not name the key of this connection, {key}")]
    OtherKey {
        /// Whose certificate it shows.
        node: NodeId,
        /// The key of the connection.
        key: SpkiDigest,
    },
}

impl NotProven {
    /// The step at which the proof stops, as it stands in problem documents.
    pub fn step(&self) -> String {
        match self {
            Self::NoIdentity { .. } | Self::NoCertificate => Step::ChainMissing.to_string(),
            Self::Chain(error) => error.step.to_string(),
            Self::OtherNode { .. } => Step::Certificate.to_string(),
            Self::OtherKey { .. } => "connection".to_owned(),
        }
    }

    /// What the application is told of whoever answers at `address`.
    pub fn problem(&self, address: &str) -> Problem {
        let hint = match self {
            Self::NoIdentity { .. } => "check the address",
            Self::NoCertificate => "check the address, and that the node has a bundle",
            Self::Chain(_) | Self::OtherNode { .. } => {
                "check the address, and that the trust root is of the vendor whose node this is"
            }
            Self::OtherKey { .. } => "check the address, and what stands between here and the node",
        };
        let detail = format!("what answers at {address} is no node of this vendor: {self}");
        Problem::new(Code::PeerUntrusted, detail, hint).with("step", self.step())
    }
}

/// Whether the answer to `GET /v1/identity` proves a node of the vendor at the other end: trust root → certificate →
/// key of the connection (SPEC §7.7). No clock is asked: who paid reaches the node with a wrong one, too.
pub fn prove_node(
    trust: &TrustRoot,
    answer: &IdentityAnswer,
    key: ConnectionKey,
) -> Result<Verified<NodeCertificate>, NotProven> {
    let text = answer.certificate.as_ref().ok_or(NotProven::NoCertificate)?;
    let roots: Vec<Bytes> =
        answer.roots.iter().map(|root| envelope(root, Step::Root)).collect::<Result<_, _>>()?;
    let root = trust.follow(roots.iter().map(|root| root.0.as_slice())).map_err(at(Step::Root))?;
    let bytes = envelope(text, Step::Certificate)?;
    let certificate: Verified<NodeCertificate> =
        verify(&bytes.0, &root.ring(Kind::NodeCertificate)).map_err(at(Step::Certificate))?;
    if answer.node_id != Some(certificate.node) {
        return Err(NotProven::OtherNode { claimed: answer.node_id, certified: certificate.node });
    }
    match key {
        ConnectionKey::Proven(key) if !certificate.tls_keys.contains(&key) => {
            Err(NotProven::OtherKey { node: certificate.node, key })
        }
        ConnectionKey::Proven(_) | ConnectionKey::Vouched => Ok(certificate),
    }
}

fn at<E: Into<ProofFault>>(step: Step) -> impl Fn(E) -> ProofError {
    move |error| ProofError { step, fault: error.into() }
}

fn named(node: Option<&NodeId>) -> String {
    node.map_or_else(|| "no node yet".to_owned(), NodeId::to_string)
}
