//! Places in a journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of one record in a journal: 1, 2, 3, … without gaps. 0 stands for "before the first record".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// No record: before the first one. A reply that waits for it waits for nothing.
    pub const NONE: Self = Self(0);
    /// The first record of every journal.
    pub const FIRST: Self = Self(1);

    /// The place `records` further on, saturating.
    #[must_use]
    pub const fn plus(self, records: u64) -> Self {
        Self(self.0.saturating_add(records))
    }

    /// The place before this one; nothing is before [`Seq::NONE`].
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
