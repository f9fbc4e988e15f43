//! What every artefact begins with.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// Identity and time of an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue<I> {
    /// The entity the artefact is about; the same over its versions.
    pub id: I,
    /// Dense number of this very version, per account and class (per node for what nodes sign).
    pub serial: u64,
    /// When it was issued, by the signer's account.
    pub issued_at: UnixMs,
}
