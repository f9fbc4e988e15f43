//! Type 6: the allocation.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, ensure};
use crate::bytes::Digest;
use crate::ids::{AccountId, AllocationId, NodeId, PoolId};
use crate::keys::KeyId;
use crate::limits;
use crate::slots::SlotSet;
use crate::time::UnixMs;

/// A node's slice of a pool; a later version with the same id extends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// Identity and time of signing.
    pub issue: Issue<AllocationId>,
    /// Whose.
    pub account: AccountId,
    /// The pool.
    pub pool: PoolId,
    /// The version of the pool it was cut from.
    pub pool_digest: Digest,
    /// Who may serve it.
    pub node: NodeId,
    /// The node's sign key.
    pub sign_key: KeyId,
    /// The node's generation.
    pub generation: u32,
    /// Base or elastic.
    pub kind: AllocationKind,
    /// The issuer neither shrinks it, nor accepts a surrender of it, nor frees it by time, in this generation.
    pub fixed: bool,
    /// Slots it may serve; empty for an unlimited pool.
    pub slots: SlotSet,
    /// Those of `slots` that may be borrowed.
    pub borrow_slots: SlotSet,
    /// How far beyond `not_after` borrows may reach.
    pub mclt_ms: i64,
    /// Running time for which it is served although no upper bound of time is known.
    pub suspect_budget_ms: i64,
    /// Version of this row: strictly ascending with the generation.
    pub seq: u64,
    /// The version before.
    pub prev: Option<Digest>,
    /// The issuer wants no more than so many of `slots` kept: the node gives the others back as they become free.
    pub shrink_to: Option<u32>,
    /// Releases up to this report of the node are taken into account.
    pub acked_report_seq: u64,
    /// First instant of validity.
    pub not_before: UnixMs,
    /// When the node should ask for the next version.
    pub renew_after: UnixMs,
    /// No lease lives beyond this; there is no grace.
    pub not_after: UnixMs,
    /// Later fields.
    pub ext: Extensions,
}

/// How long an allocation lasts and whether it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllocationKind {
    /// To the grant's end; needs no contact.
    Base,
    /// Short, renewed at half life, moves between nodes by demand.
    Elastic,
}

impl Artefact for Allocation {
    const KIND: Kind = Kind::Allocation;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(
            self.slots.is_well_formed(limits::ALLOCATION_SLOT_RANGES),
            "slots",
            "are not in canonical ranges",
        )?;
        let borrow = self.borrow_slots.is_well_formed(limits::ALLOCATION_SLOT_RANGES);
        ensure(
            borrow && self.slots.contains_all(&self.borrow_slots),
            "borrow_slots",
            "are not a part of slots",
        )?;
        ensure(!(self.fixed && self.shrink_to.is_some()), "shrink_to", "must not be asked of a fixed row")?;
        ensure(self.mclt_ms >= 0, "mclt_ms", "must not be negative")?;
        ensure(self.suspect_budget_ms >= 0, "suspect_budget_ms", "must not be negative")?;
        ensure(self.not_before <= self.renew_after, "renew_after", "must not be before not_before")?;
        ensure(self.renew_after <= self.not_after, "renew_after", "must not be after not_after")?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand {
            account: Some(self.account),
            product: None,
            seats: self.slots.len(),
            validity_ms: self.not_after.since(self.not_before),
        }
    }
}
