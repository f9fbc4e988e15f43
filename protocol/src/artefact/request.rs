//! Type 14: the request.

use serde::{Deserialize, Serialize};

use super::{Artefact, Extensions, Issue, Kind, Malformed, check_name, check_set, check_set_by, ensure};
use crate::bytes::{Bytes, Digest, Nonce, SpkiDigest};
use crate::ids::{AccountId, NodeId, PoolId, RequestId};
use crate::keys::{PublicKey, PublicKeyBytes};
use crate::limits;
use crate::slots::SlotSet;
use crate::time::UnixMs;

/// What a node asks of the issuer and reports to it; signed with the key it names, which proves possession.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Identity and time, by the node's wall clock.
    pub issue: Issue<RequestId>,
    /// Known after the first bundle.
    pub account: Option<AccountId>,
    /// Known after the first bundle.
    pub node: Option<NodeId>,
    /// What the customer calls the node.
    pub name: String,
    /// The node's generation; 0 before the first bundle.
    pub generation: u32,
    /// The node's sign key.
    pub sign_key: PublicKeyBytes,
    /// The node's TLS keys, ascending.
    pub tls_keys: Vec<SpkiDigest>,
    /// Proof of the join code, for a first enrolment.
    pub join: Option<JoinProof>,
    /// Echoed by the time statement of the answer.
    pub nonce: Nonce,
    /// What the node has.
    pub have: Have,
    /// The ratchet against clones.
    pub ratchet: Ratchet,
    /// Number of this report; releases below are named by it.
    pub report_seq: u64,
    /// Slots given back, ascending by allocation.
    pub released: Vec<Released>,
    /// Use since the last report, ascending by pool.
    pub usage: Vec<PoolUsage>,
    /// How far the node's journal reaches.
    pub journal: JournalTail,
    /// What it wants.
    pub wants: Wants,
    /// Whether it is in RECOVER; none if its ledger is whole.
    pub recovery: Option<Recovery>,
    /// Envelopes of the issuer's that the node stands on, ascending: its certificate, and every row that it serves or
    /// under which something still runs, with its pool and grant. All of them, or none where nobody asked for them.
    pub presented: Option<Vec<Bytes>>,
    /// Later fields.
    pub ext: Extensions,
}

/// RECOVER of a node, as it tells its issuer: what it forgot may still run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// What showed that the ledger may have regressed.
    pub cause: RecoverCause,
    /// The longest promise that may have been forgotten is over: no seat is used but those that the node knows of.
    pub waited: bool,
    /// An operator of the site attests that no copy of this node runs.
    pub attested: bool,
}

/// What shows that a ledger may have regressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoverCause {
    /// An operator put a backup in the journal's place.
    Restored,
    /// An operator says so.
    Declared,
    /// The journal ends before records that were acknowledged, or is damaged.
    Behind,
    /// The machine is the same, its VM generation is not.
    Snapshot,
    /// Somebody shows a ticket of this node that its journal lacks.
    Ticket,
    /// The issuer knows of more reports than this node made.
    Issuer,
}

/// Shows knowledge of a join code without telling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinProof {
    /// First 16 bytes of SHA-256("LH1-join-id" ‖ the code's secret): which code.
    pub join_id: [u8; 16],
    /// HMAC-SHA256 with the code's secret over PAE("LH1-join", sign key, TLS keys…).
    pub mac: Digest,
}

/// Versions a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// Newest root.
    pub root_version: u32,
    /// Newest head; 0 = none.
    pub head_version: u64,
    /// The bundle applied last.
    pub bundle: Option<Digest>,
}

/// Where a node stands in its exchanges with the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratchet {
    /// Exchanges so far.
    pub counter: u64,
    /// Hash over all of them.
    pub tip: Digest,
}

/// Slots a node gives back: each is free and its right removed by a durable record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The row, by its digest.
    pub allocation: Digest,
    /// The slots.
    pub slots: SlotSet,
    /// The report that first named the release.
    pub report_seq: u64,
}

/// Use of one pool since the last report that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolUsage {
    /// The pool.
    pub pool: PoolId,
    /// Most seats in use at once.
    pub peak_seats: u32,
    /// Leases granted.
    pub granted: u64,
    /// Checkouts denied.
    pub denied: u64,
}

/// How far a journal reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalTail {
    /// Seq of the last record.
    pub seq: u64,
    /// Chain hash after it.
    pub chain: Digest,
}

/// What a request asks for: bit 0 a certificate, bit 1 allocations, bit 2 the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wants(pub u16);

impl Wants {
    /// Everything there is to ask for.
    pub const ALL: Self = Self(0b111);
}

impl Artefact for Request {
    const KIND: Kind = Kind::Request;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        check_name(&self.name, "name")?;
        ensure(self.node.is_some() == self.account.is_some(), "account", "must come together with node")?;
        ensure(PublicKey::admit(self.sign_key).is_ok(), "sign_key", "is weak or not canonical")?;
        ensure(!self.tls_keys.is_empty(), "tls_keys", "must not be empty")?;
        check_set(&self.tls_keys, limits::TLS_KEYS, "tls_keys")?;
        check_released(&self.released)?;
        check_set_by(&self.usage, limits::REPORTED_ROWS, "usage", |u| &u.pool)?;
        let enrolled = self.node.is_some();
        ensure(enrolled || self.recovery.is_none(), "recovery", "is of an enrolled node")?;
        if let Some(presented) = &self.presented {
            ensure(enrolled, "presented", "is of an enrolled node")?;
            check_set_by(presented, limits::BUNDLE_ITEMS, "presented", |envelope| &envelope.0)?;
        }
        self.ext.check()
    }
}

pub(super) fn check_released(released: &[Released]) -> Result<(), Malformed> {
    check_set_by(released, limits::REPORTED_ROWS, "released", |r| &r.allocation)?;
    for row in released {
        let slots = row.slots.is_well_formed(limits::ALLOCATION_SLOT_RANGES) && !row.slots.is_empty();
        ensure(slots, "released.slots", "are not in canonical ranges")?;
    }
    Ok(())
}
