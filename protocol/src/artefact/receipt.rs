//! Type 16: the receipt.

use serde::{Deserialize, Serialize};

use super::request::check_released;
use super::{Artefact, Extensions, Issue, JournalTail, Kind, Malformed, Ratchet, Released, ensure};
use crate::bytes::Digest;
use crate::ids::{AccountId, NodeId, ReceiptId};
use crate::time::UnixMs;

/// A node's answer to a bundle: that it was applied, and which slots it gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Identity and time, by the node's wall clock.
    pub issue: Issue<ReceiptId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// The node's generation.
    pub generation: u32,
    /// The bundle applied last.
    pub bundle: Digest,
    /// The ratchet after it.
    pub ratchet: Ratchet,
    /// Number of this report.
    pub report_seq: u64,
    /// Slots given back, ascending by allocation.
    pub released: Vec<Released>,
    /// How far the node's journal reaches.
    pub journal: JournalTail,
    /// Later fields.
    pub ext: Extensions,
}

impl Artefact for Receipt {
    const KIND: Kind = Kind::Receipt;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.generation > 0, "generation", "must not be 0")?;
        check_released(&self.released)?;
        self.ext.check()
    }
}
