//! Type 2: the head.

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
    /// Small revocations inline, ascending by kind.
    pub revoked: Vec<RevokedSerials>,
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

impl RevokedSerials {
    /// The serials, ascending.
    pub fn serials(&self) -> impl Iterator<Item = u64> + '_ {
        self.gaps.iter().scan(0_u64, |serial, gap| {
            *serial = serial.checked_add(*gap)?;
            Some(*serial)
        })
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
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand { account: Some(self.account), ..Demand::default() }
    }
}
