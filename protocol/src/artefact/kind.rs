//! Type numbers, names, sizes and signers of the artefacts.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

use crate::limits;

/// What an envelope holds. Numbers are frozen; those missing here are reserved for later artefacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Keys, roles and caps of a vendor.
    Root,
    /// What is current of an account.
    Head,
    /// Complete list of an account's grants and pools.
    Manifest,
    /// What was bought.
    Grant,
    /// Floating seats of a grant.
    Pool,
    /// A node's slice of a pool.
    Allocation,
    /// Who a node is.
    NodeCertificate,
    /// Proof of a lease.
    LeaseTicket,
    /// The issuer's bounds of true time.
    TimeStatement,
    /// What a node asks and reports.
    Request,
    /// All a node needs, in one file.
    Bundle,
    /// A node's answer to a bundle.
    Receipt,
    /// Container of a seat's whole chain.
    SeatProof,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; 13] = [
        Self::Root,
        Self::Head,
        Self::Manifest,
        Self::Grant,
        Self::Pool,
        Self::Allocation,
        Self::NodeCertificate,
        Self::LeaseTicket,
        Self::TimeStatement,
        Self::Request,
        Self::Bundle,
        Self::Receipt,
        Self::SeatProof,
    ];

    /// The number in the envelope.
    pub const fn number(self) -> u16 {
        match self {
            Self::Root => 1,
            Self::Head => 2,
            Self::Manifest => 3,
            Self::Grant => 4,
            Self::Pool => 5,
            Self::Allocation => 6,
            Self::NodeCertificate => 9,
            Self::LeaseTicket => 10,
            Self::TimeStatement => 12,
            Self::Request => 14,
            Self::Bundle => 15,
            Self::Receipt => 16,
            Self::SeatProof => 18,
        }
    }

    /// The kind of a number, if this version knows it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in text forms and signed messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Head => "head",
            Self::Manifest => "manifest",
            Self::Grant => "grant",
            Self::Pool => "pool",
            Self::Allocation => "allocation",
            Self::NodeCertificate => "certificate",
            Self::LeaseTicket => "lease",
            Self::TimeStatement => "time",
            Self::Request => "request",
            Self::Bundle => "bundle",
            Self::Receipt => "receipt",
            Self::SeatProof => "proof",
        }
    }

    /// The version of the type that this crate writes and reads.
    pub const fn version(self) -> u8 {
        1
    }

    /// `lh/<name>/<version>`: separates the domains of signatures.
    pub fn type_name(self) -> String {
        format!("lh/{}/{}", self.name(), self.version())
    }

    /// Cap of the whole envelope.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Manifest | Self::Request | Self::Bundle => limits::LARGE_ENVELOPE_BYTES,
            Self::SeatProof => limits::PROOF_BYTES,
            _ => limits::ENVELOPE_BYTES,
        }
    }

    /// The role whose keys sign it; `None` where a node signs, or nobody.
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Root => Some(Role::Root),
            Self::Head => Some(Role::Status),
            Self::Manifest | Self::Grant | Self::Pool => Some(Role::Grant),
            Self::Allocation | Self::TimeStatement | Self::Bundle => Some(Role::Alloc),
            Self::NodeCertificate => Some(Role::Enrol),
            Self::LeaseTicket | Self::Request | Self::Receipt | Self::SeatProof => None,
        }
    }
}

/// By its number.
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| de::Error::custom("no kind has this number"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a key of a root is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Signs roots; offline, m-of-n.
    Root,
    /// What was bought.
    Grant,
    /// Human second signature above the caps of `grant`.
    Approve,
    /// Which node may serve how much.
    Alloc,
    /// Heads and revocations.
    Status,
    /// Node certificates.
    Enrol,
    /// Checkpoints of the transparency log.
    Log,
}
