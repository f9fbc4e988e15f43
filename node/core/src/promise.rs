//! How long a row may still promise a seat: the strict side of time.

use leasehold_protocol::artefact::AllocationKind;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use crate::clock::Clock;
use crate::limits;
use crate::provision::{Provision, Row};
use crate::rules::Rules;

/// Why a row promises nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPromise {
    pub(crate) code: Code,
    /// The instant that matters for the code: the row's end, the floor, …
    pub(crate) bound: UnixMs,
}

/// What rows are asked with.
pub(crate) struct Promises<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) provision: &'a Provision,
    pub(crate) rules: Rules,
}

impl Promises<'_> {
    /// The life, at most `wish_ms`, that the row certainly covers: `hi + 1.10·ttl ≤ not_after`.
    pub(crate) fn fresh(&self, row: &Row, wish_ms: i64) -> Result<i64, NoPromise> {
        let not_after = row.allocation.not_after;
        self.usable(row)?;
        if !self.rules.leases_end_with_their_row || self.clock.hi() == UnixMs::MAX {
            return Ok(wish_ms);
        }
        let room_ms = not_after.since(self.clock.hi());
        let ttl_ms = wish_ms.min(share(room_ms, 10, 11));
        if ttl_ms < limits::LEASE_MIN_MS {
            return Err(NoPromise { code: Code::AllocationEnded, bound: not_after });
        }
        Ok(ttl_ms)
    }

    /// Whether an answer given `age_ms` ago may be given again, its life unchanged: `hi + 1.10·ttl − age ≤ not_after`.
    pub(crate) fn again(&self, row: &Row, ttl_ms: i64, age_ms: i64) -> Result<(), NoPromise> {
        let not_after = row.allocation.not_after;
        self.usable(row)?;
        let rest_ms = share(ttl_ms, 11, 10).saturating_sub(age_ms).max(0);
        let ends = self.clock.hi() != UnixMs::MAX
            && self.clock.possibly_past(not_after.plus(rest_ms.saturating_neg()).plus(1));
        if ends && self.rules.leases_end_with_their_row {
            return Err(NoPromise { code: Code::AllocationEnded, bound: not_after });
        }
        Ok(())
    }

    /// Rules that do not depend on how long the promise is.
    fn usable(&self, row: &Row) -> Result<(), NoPromise> {
        let allocation = &row.allocation;
        if self.clock.not_yet(allocation.not_before) {
            return Err(NoPromise { code: Code::NotYetEffective, bound: allocation.not_before });
        }
        if self.clock.hi() == UnixMs::MAX {
            return self.without_bound(row);
        }
        let ended = self.clock.possibly_past(allocation.not_after);
        if ended && self.rules.leases_end_with_their_row {
            return Err(NoPromise { code: Code::AllocationEnded, bound: allocation.not_after });
        }
        self.offline(row)
    }

    /// Nobody knows how late it is. Only a row that waits for nobody may be served, for a budget of running time.
    fn without_bound(&self, row: &Row) -> Result<(), NoPromise> {
        let allocation = &row.allocation;
        let used_ms = self.clock.unbounded_ms().saturating_sub(row.unbounded_from_ms);
        let budget = allocation.fixed && !self.requires_clock(row) && used_ms < allocation.suspect_budget_ms;
        if budget && self.clock.floor() < allocation.not_after {
            return self.offline(row);
        }
        let code = if self.clock.rolled_back() { Code::ClockRolledBack } else { Code::ClockUntrusted };
        Err(NoPromise { code, bound: self.clock.floor() })
    }

    fn requires_clock(&self, row: &Row) -> bool {
        self.provision.pools.get(&row.pool_index).is_none_or(|entry| entry.pool.require_clock)
    }

    fn offline(&self, row: &Row) -> Result<(), NoPromise> {
        let Some(end) = offline_end(self.provision, row) else { return Ok(()) };
        if self.clock.best() < end {
            return Ok(());
        }
        Err(NoPromise { code: Code::ManifestStale, bound: end })
    }
}

/// When a row may no longer be served for want of a newer head.
pub(crate) fn offline_end(provision: &Provision, row: &Row) -> Option<UnixMs> {
    let pool = &provision.pools.get(&row.pool_index)?.pool;
    let bound_ms = match row.allocation.kind {
        AllocationKind::Base => pool.max_offline_base_ms,
        AllocationKind::Elastic => pool.max_offline_elastic_ms,
    };
    bound_ms.map(|ms| provision.head.issue.issued_at.plus(ms))
}

fn share(span_ms: i64, numerator: i64, denominator: i64) -> i64 {
    span_ms.saturating_mul(numerator).checked_div(denominator).unwrap_or(0)
}
