//! Type 5: the pool.

use serde::{Deserialize, Serialize};

use super::{Artefact, Demand, Extensions, Issue, Kind, Malformed, ensure};
use crate::bytes::Digest;
use crate::ids::{AccountId, GrantId, PoolId};
use crate::limits;
use crate::time::UnixMs;

/// Floating seats of a grant. Seats are numbered 0 to `seats + overdraft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Identity and time; the id is the pool's over all versions.
    pub issue: Issue<PoolId>,
    /// Who bought.
    pub account: AccountId,
    /// Its grant.
    pub grant: GrantId,
    /// The version of the grant it was cut from.
    pub grant_digest: Digest,
    /// What one seat counts: 1 = a lease.
    pub unit: u16,
    /// How many.
    pub seats: Seats,
    /// Seats sold beyond `seats`, to be paid when used.
    pub overdraft: u32,
    /// Bounds of borrowing.
    pub borrow: BorrowCaps,
    /// A node serves base rows so long without a newer head; `None` = no bound.
    pub max_offline_base_ms: Option<i64>,
    /// The same for elastic rows.
    pub max_offline_elastic_ms: Option<i64>,
    /// Bounds of a lease's life.
    pub ttl: TtlBounds,
    /// How long a seat that was given back waits for the same user and host, never beyond its promise.
    pub linger_ms: i64,
    /// A lease whose holder says that it was not used for so long is not renewed; `None` = no bound.
    pub idle_ms: Option<i64>,
    /// No budget for nodes without a trustworthy clock.
    pub require_clock: bool,
    /// Later fields.
    pub ext: Extensions,
}

/// How many seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seats {
    /// So many.
    Value(u32),
    /// As many as asked for; such pools have no slots.
    Unlimited,
}

/// Bounds of borrowing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BorrowCaps {
    /// Most seats out at once.
    pub max_seats: u32,
    /// Longest borrow.
    pub max_ms: i64,
    /// A borrow may be given back before its end.
    pub early_return: bool,
}

/// Bounds of a lease's life: `min ≤ default ≤ max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlBounds {
    /// Shortest.
    pub min_ms: i64,
    /// When nobody asks.
    pub default_ms: i64,
    /// Longest.
    pub max_ms: i64,
}

impl Default for TtlBounds {
    fn default() -> Self {
        Self { min_ms: limits::TTL_MIN_MS, default_ms: 15 * 60_000, max_ms: 15 * 60_000 }
    }
}

impl Pool {
    /// One past the highest slot number; `None` for an unlimited pool.
    pub const fn slot_count(&self) -> Option<u32> {
        match self.seats {
            Seats::Value(seats) => Some(seats.saturating_add(self.overdraft)),
            Seats::Unlimited => None,
        }
    }
}

impl Artefact for Pool {
    const KIND: Kind = Kind::Pool;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        let slots = self.slot_count().is_none_or(|count| count <= limits::POOL_SEATS);
        ensure(slots, "seats", "are more than a pool may hold")?;
        let TtlBounds { min_ms, default_ms, max_ms } = self.ttl;
        let ascending = min_ms <= default_ms && default_ms <= max_ms;
        ensure(
            ascending && min_ms >= limits::TTL_MIN_MS && max_ms <= limits::TTL_MAX_MS,
            "ttl",
            "is out of bounds",
        )?;
        ensure((0..=max_ms).contains(&self.linger_ms), "linger_ms", "is out of bounds")?;
        let idle = self.idle_ms.is_none_or(|idle_ms| idle_ms >= limits::IDLE_MIN_MS);
        ensure(idle, "idle_ms", "is too short")?;
        ensure(self.borrow.max_ms >= 0, "borrow.max_ms", "must not be negative")?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        let seats = self.slot_count().unwrap_or(u32::MAX);
        Demand { account: Some(self.account), seats, ..Demand::default() }
    }
}
