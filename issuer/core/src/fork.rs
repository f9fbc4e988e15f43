//! Two nodes that say they are one: a copy, or a restored one that does not know it, contradicts what was told before.
//!
//! Couriers may be overtaken, so an earlier report may come later and is no contradiction as long as it fits between
//! those that were taken: of two reports of one generation the one with the higher number was made by a journal that is
//! no shorter, and after no fewer exchanges. What fits is taken, whoever made it; a copy that goes on contradicts soon.
//! What is older than all that is remembered is not taken: a copy would fit there for long.

use std::collections::VecDeque;

use leasehold_protocol::artefact::{JournalTail, Receipt, Request};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::{AccountId, NodeId};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::node::NodeState;

/// What a report says of where its node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Number of the report.
    pub seq: u64,
    /// The request or receipt that it is.
    pub digest: Digest,
    /// How far the node's journal reaches.
    pub journal: JournalTail,
    /// Exchanges that it has behind it.
    pub exchanges: u64,
}

/// A contradiction as a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    /// Whose node.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Which node.
    #[serde(rename = "node_id")]
    pub node: NodeId,
    /// What was taken before.
    pub taken: Digest,
    /// What contradicts it.
    pub refused: Digest,
    /// The highest number of a report of this generation that was taken.
    pub report_seq: u64,
}

impl Told {
    pub(crate) fn by_request(request: &Verified<Request>) -> Self {
        let Request { report_seq, journal, ratchet, .. } = **request;
        Self { seq: report_seq, digest: request.digest(), journal, exchanges: ratchet.counter }
    }

    pub(crate) fn by_receipt(receipt: &Verified<Receipt>) -> Self {
        let Receipt { report_seq, journal, ratchet, .. } = **receipt;
        Self { seq: report_seq, digest: receipt.digest(), journal, exchanges: ratchet.counter }
    }

    /// Whether one history can have told this and then `later`.
    fn precedes(&self, later: &Self) -> bool {
        self.journal.seq <= later.journal.seq && self.exchanges <= later.exchanges
    }

    /// Whether the two are of journals that differ in the same record.
    fn diverges_from(&self, other: &Self) -> bool {
        self.journal.seq == other.journal.seq && self.journal.chain != other.journal.chain
    }

    fn contradicts(&self, known: &Self) -> bool {
        match self.seq.cmp(&known.seq) {
            std::cmp::Ordering::Equal => self.digest != known.digest,
            std::cmp::Ordering::Less => !self.precedes(known) || self.diverges_from(known),
            std::cmp::Ordering::Greater => !known.precedes(self) || self.diverges_from(known),
        }
    }
}

/// Reports of a node's present generation, ascending.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Reports(VecDeque<Told>);

impl Reports {
    /// What was taken that `told` contradicts.
    fn contradicted_by(&self, told: &Told) -> Option<&Told> {
        self.0.iter().find(|known| told.contradicts(known))
    }

    /// Whether it is from before all reports that are kept, of which the earlier ones are forgotten: nothing tells
    /// whether it fits.
    fn is_older_than_all(&self, told: &Told) -> bool {
        limits::KEPT_REPORTS <= self.0.len() && self.0.front().is_some_and(|oldest| told.seq < oldest.seq)
    }

    /// The highest number.
    pub(crate) fn highest(&self) -> u64 {
        self.0.back().map_or(0, |told| told.seq)
    }

    pub(crate) fn take(&mut self, told: Told) {
        let at = self.0.partition_point(|known| known.seq < told.seq);
        if self.0.get(at).is_none_or(|known| known.seq != told.seq) {
            self.0.insert(at, told);
        }
        if self.0.len() > limits::KEPT_REPORTS {
            self.0.pop_front();
        }
    }
}

/// The fork that a report shows, unless one is known already.
pub(crate) fn shown_by(node: &NodeState, told: &Told) -> Option<Forked> {
    let taken = node.reports.contradicted_by(told).filter(|_| node.forked.is_none())?;
    Some(Forked {
        account: node.node.account,
        node: node.node.id,
        taken: taken.digest,
        refused: told.digest,
        report_seq: node.reports.highest(),
    })
}

/// Nothing more is signed for a node of which there are two, or may be.
pub(crate) fn check(node: &NodeState, told: &Told) -> Result<(), Problem> {
    let id = node.node.id;
    let (detail, hint) = if node.forked.is_some() || node.reports.contradicted_by(told).is_some() {
        (
            format!(
                "node {id} contradicts what it told before: there are two of it, or it was set back without knowing"
            ),
            "end all copies but one, then say `leasehold-node recover --reason …` there: what runs goes on",
        )
    } else if node.reports.is_older_than_all(told) {
        (
            format!("node {id} has reported too often since to tell whether this report is its own"),
            "make it anew on the node; one that makes an old one again was set back, and has to recover",
        )
    } else {
        return Ok(());
    };
    Err(Problem::new(Code::NodeForked, detail, hint).with("report_seq", node.reports.highest()))
}
