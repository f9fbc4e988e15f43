//! Room for later fields: the last field of every artefact.

use serde::{Deserialize, Serialize};

use super::{Malformed, check_set_by, ensure};
use crate::bytes::Bytes;
use crate::limits;

/// Extensions of an artefact, tags ascending. No tag is known to this version: a critical one refuses the artefact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extensions(pub Vec<Extension>);

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Which.
    pub tag: u16,
    /// A reader that does not know the tag must refuse the artefact.
    pub critical: bool,
    /// Its content.
    pub content: Bytes,
}

impl Extensions {
    /// None.
    pub const NONE: Self = Self(Vec::new());

    pub(crate) fn check(&self) -> Result<(), Malformed> {
        check_set_by(&self.0, limits::EXTENSIONS, "ext", |e| &e.tag)?;
        for extension in &self.0 {
            ensure(extension.content.0.len() <= limits::EXTENSION_BYTES, "ext", "is too long")?;
            ensure(!extension.critical, "ext", "holds a critical extension that this version does not know")?;
        }
        Ok(())
    }
}
