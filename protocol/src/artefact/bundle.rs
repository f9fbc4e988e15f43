//! Type 15: the bundle.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, Ratchet, ensure};
use crate::bytes::{Bytes, Digest};
use crate::ids::{AccountId, BundleId, NodeId};
use crate::limits;
use crate::time::UnixMs;

/// All a node needs, in one signed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Identity and time; the serial orders the bundles of an account.
    pub issue: Issue<BundleId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// What it answers.
    pub answers: Answers,
    /// The node's generation from here on.
    pub generation: u32,
    /// The ratchet after this exchange.
    pub ratchet: Ratchet,
    /// Envelopes, ascending by kind: roots (the newest always the last of them), head, manifest, grants, pools,
    /// allocations, certificate, time statement.
    pub items: Vec<Item>,
    /// Later fields.
    pub ext: Extensions,
}

/// What a bundle answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// The request of this digest.
    Request(Digest),
    /// None: number `number` of `count` of a series made in advance for a one-way site.
    Series {
        /// Which series.
        series: [u8; 16],
        /// 1 to `count`.
        number: u32,
        /// Bundles of the series.
        count: u32,
    },
}

/// An envelope carried by a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Type number.
    pub kind: u16,
    /// Verbatim.
    pub envelope: Bytes,
}

impl Bundle {
    /// The envelopes of one kind, in order.
    pub fn items_of(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.items
            .iter()
            .filter(move |item| item.kind == kind.number())
            .map(|item| item.envelope.0.as_slice())
    }
}

impl Artefact for Bundle {
    const KIND: Kind = Kind::Bundle;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.generation > 0, "generation", "must not be 0")?;
        ensure(self.items.len() <= limits::BUNDLE_ITEMS, "items", "has too many entries")?;
        let ascending = self.items.windows(2).all(|pair| matches!(pair, [a, b] if a.kind <= b.kind));
        ensure(ascending, "items", "must ascend by kind")?;
        if let Answers::Series { number, count, .. } = self.answers {
            ensure(1 <= number && number <= count, "answers", "has a number outside its series")?;
        }
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand { account: Some(self.account), ..Demand::default() }
    }
}
