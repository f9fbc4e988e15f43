//! Type 3: the manifest.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, check_set_by, ensure};
use crate::bytes::Digest;
use crate::ids::{AccountId, ManifestId};
use crate::limits;
use crate::time::UnixMs;

/// The complete list of an account's live grants and pools. Always shipped together with its head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Identity and time.
    pub issue: Issue<ManifestId>,
    /// Whose.
    pub account: AccountId,
    /// Ascending by kind and id.
    pub entries: Vec<ManifestEntry>,
    /// Later fields.
    pub ext: Extensions,
}

/// One live grant or pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Type number and id of the entity.
    pub subject: (u16, [u8; 16]),
    /// Serial of its current version.
    pub serial: u64,
    /// Of its current version.
    pub digest: Digest,
}

impl Manifest {
    /// The entry of an entity.
    pub fn entry(&self, kind: Kind, id: [u8; 16]) -> Option<&ManifestEntry> {
        let at = self.entries.binary_search_by_key(&(kind.number(), id), |entry| entry.subject).ok()?;
        self.entries.get(at)
    }
}

impl Artefact for Manifest {
    const KIND: Kind = Kind::Manifest;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        check_set_by(&self.entries, limits::MANIFEST_ENTRIES, "entries", |e| &e.subject)?;
        let kinds = [Kind::Grant.number(), Kind::Pool.number()];
        ensure(
            self.entries.iter().all(|e| kinds.contains(&e.subject.0)),
            "entries",
            "must be grants and pools",
        )?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand { account: Some(self.account), ..Demand::default() }
    }
}
