//! Type 2: the head.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, check_set_by, ensure};
use crate::bytes::Digest;
use crate::ids::{AccountId, HeadId};
use crate::limits;
use crate::time::UnixMs;

/// What is current of an account: pins everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Identity and time.
    pub issue: Issue<HeadId>,
    /// Whose.
    pub account: AccountId,
    /// Issuer generation << 40 | the account's head counter: equal version = equal bytes.
    pub version: u64,
    /// That of the root.
    pub status_generation: u32,
    /// After this age the node is STALE.
    pub fresh_for_ms: i64,
    /// Newest root.
    pub root_version: u32,
    /// The account's manifest.
    pub manifest: Digest,
    /// The full revocation list, if there is one beside `revoked`.
    pub revocations: Option<Digest>,
    /// Grants of a lower generation are revoked.
    pub min_grant_generation: u32,
    /// Oldest node version that understands the account's artefacts: major << 16 | minor.
    pub min_node_version: u32,
    /// Of the transparency log.
    pub checkpoint: Option<Checkpoint>,
    /// What is revoked, ascending by kind. An entry leaves only once its grant would have ended, grace included.
    pub revoked: Vec<RevokedSerials>,
    /// What will be revoked, ascending by subject: told in advance, it takes effect without a word from the issuer.
    pub scheduled: Vec<ScheduledRevocation>,
    /// Later fields.
    pub ext: Extensions,
}

/// The log's size and root hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Leaves.
    pub size: u64,
    /// Root of the Merkle tree.
    pub root_hash: Digest,
}

/// Revoked serials of one kind of artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedSerials {
    /// Type number.
    pub kind: u16,
    /// The lowest serial, then the differences from each to the next (≥ 1).
    pub gaps: Vec<u64>,
}

/// A revocation with a future effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRevocation {
    /// Type number and serial.
    pub subject: (u16, u64),
    /// It is revoked from then on.
    pub effective_at: UnixMs,
}

impl RevokedSerials {
    /// `serials` of one kind, in any order.
    pub fn new(kind: Kind, serials: impl IntoIterator<Item = u64>) -> Self {
        let serials: BTreeSet<u64> = serials.into_iter().collect();
        let before = std::iter::once(0).chain(serials.iter().copied());
        let gaps = serials.iter().zip(before).map(|(serial, before)| serial.saturating_sub(before)).collect();
        Self { kind: kind.number(), gaps }
    }

    /// The serials, ascending.
    pub fn serials(&self) -> impl Iterator<Item = u64> + '_ {
        self.gaps.iter().scan(0_u64, |serial, gap| {
            *serial = serial.checked_add(*gap)?;
            Some(*serial)
        })
    }
}

impl Head {
    /// Whether this serial is revoked by list.
    pub fn revokes(&self, kind: Kind, serial: u64) -> bool {
        let listed = self.revoked.iter().filter(|list| list.kind == kind.number());
        listed.flat_map(RevokedSerials::serials).any(|revoked| revoked == serial)
    }

    /// When this serial will be revoked, if that is scheduled.
    pub fn revoked_from(&self, kind: Kind, serial: u64) -> Option<UnixMs> {
        let subject = (kind.number(), serial);
        let at = self.scheduled.binary_search_by_key(&subject, |entry| entry.subject).ok()?;
        self.scheduled.get(at).map(|entry| entry.effective_at)
    }
}

impl Artefact for Head {
    const KIND: Kind = Kind::Head;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.fresh_for_ms > 0, "fresh_for_ms", "must be positive")?;
        ensure(self.root_version > 0, "root_version", "must not be 0")?;
        check_set_by(&self.revoked, limits::SHORT_LIST, "revoked", |r| &r.kind)?;
        let count: usize = self.revoked.iter().map(|r| r.gaps.len()).sum();
        ensure(count <= limits::INLINE_REVOCATIONS, "revoked", "has too many entries")?;
        for revoked in &self.revoked {
            let gaps = revoked.gaps.iter().skip(1).all(|&gap| gap > 0);
            ensure(gaps && revoked.serials().count() == revoked.gaps.len(), "revoked", "must ascend")?;
        }
        check_set_by(&self.scheduled, limits::INLINE_REVOCATIONS, "scheduled", |s| &s.subject)?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand { account: Some(self.account), ..Demand::default() }
    }
}
