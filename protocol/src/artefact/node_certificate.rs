//! Type 9: the node certificate.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, check_set, ensure};
use crate::bytes::SpkiDigest;
use crate::envelope::Verified;
use crate::ids::{AccountId, CertificateId, NodeId};
use crate::keys::{PublicKey, PublicKeyBytes};
use crate::limits;
use crate::time::UnixMs;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCertificate {
    /// Identity and time.
    pub issue: Issue<CertificateId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// Signs tickets, requests and receipts.
    pub sign_key: PublicKeyBytes,
    /// TLS keys of its replicas, ascending.
    pub tls_keys: Vec<SpkiDigest>,
    /// Raised by enrolment and recovery only.
    pub generation: u32,
    /// Bounds of what it may serve.
    pub caps: NodeCaps,
    /// Of this sign key's first certificate; kept by renewals.
    pub not_before: UnixMs,
    /// Limits connecting online; renewed at half life.
    pub not_after: UnixMs,
    /// Later fields.
    pub ext: Extensions,
}

/// Bounds of a node; `None` = no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCaps {
    /// Most slots one allocation may give it.
    pub max_seats: Option<u32>,
}

impl Verified<NodeCertificate> {
    /// The node's sign key. That it is admissible was found when the certificate was verified.
    pub fn sign_key(&self) -> PublicKey {
        PublicKey::admitted(self.sign_key)
    }
}

impl Artefact for NodeCertificate {
    const KIND: Kind = Kind::NodeCertificate;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(PublicKey::admit(self.sign_key).is_ok(), "sign_key", "is weak or not canonical")?;
        ensure(!self.tls_keys.is_empty(), "tls_keys", "must not be empty")?;
        check_set(&self.tls_keys, limits::TLS_KEYS, "tls_keys")?;
        ensure(self.generation > 0, "generation", "must not be 0")?;
        ensure(self.not_before < self.not_after, "not_after", "must be after not_before")?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        let validity_ms = self.not_after.since(self.issue.issued_at);
        Demand { account: Some(self.account), validity_ms, ..Demand::default() }
    }
}
