//! Type 12: the time statement.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, ensure};
use crate::bytes::Nonce;
use crate::ids::{AccountId, NodeId, TimeStatementId};
use crate::time::UnixMs;

/// The issuer's bounds of true time at the moment it answered `nonce`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeStatement {
    /// Identity and time.
    pub issue: Issue<TimeStatementId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// The request's nonce.
    pub nonce: Nonce,
    /// True time was not before this: the issuer's certain time.
    pub earliest: UnixMs,
    /// True time was not after this: the issuer's wall clock + its error.
    pub latest: UnixMs,
    /// New floor for a node whose floor was lifted wrongly.
    pub floor_reset: Option<UnixMs>,
    /// Later fields.
    pub ext: Extensions,
}

impl Artefact for TimeStatement {
    const KIND: Kind = Kind::TimeStatement;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.earliest <= self.latest, "latest", "must not be before earliest")?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand { account: Some(self.account), ..Demand::default() }
    }
}
