//! How long a row may still promise a seat: the strict side of time.

use leasehold_protocol::artefact::AllocationKind;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use crate::clock::Clock;
use crate::limits;
use crate::no_promise::{NoPromise, Unbounded};
use crate::provision::{Provision, Row};
use crate::rules::Rules;

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
        let bounded_ms = self.clock.room_ms(not_after).filter(|_| self.rules.leases_end_with_their_row);
        let Some(room_ms) = bounded_ms else { return Ok(wish_ms) };
        let ttl_ms = wish_ms.min(share(room_ms, 10, 11));
        if ttl_ms < limits::LEASE_MIN_MS {
            return Err(NoPromise::new(Code::AllocationEnded, not_after));
        }
        Ok(ttl_ms)
    }

    /// Whether an answer given `age_ms` ago may be given again, its life unchanged: `hi + 1.10·ttl − age ≤ not_after`.
    pub(crate) fn again(&self, row: &Row, ttl_ms: i64, age_ms: i64) -> Result<(), NoPromise> {
        let not_after = row.allocation.not_after;
        self.usable(row)?;
        let rest_ms = share(ttl_ms, 11, 10).saturating_sub(age_ms).max(0);
        let ends = self.clock.room_ms(not_after).is_some_and(|room_ms| room_ms < rest_ms);
        if ends && self.rules.leases_end_with_their_row {
            return Err(NoPromise::new(Code::AllocationEnded, not_after));
        }
        Ok(())
    }

    /// Rules that do not depend on how long the promise is.
    fn usable(&self, row: &Row) -> Result<(), NoPromise> {
        let allocation = &row.allocation;
        if self.clock.not_yet(allocation.not_before) {
            return Err(NoPromise::new(Code::NotYetEffective, allocation.not_before));
        }
        if !self.clock.is_bounded() {
            return self.without_bound(row);
        }
        let ended = self.clock.possibly_past(allocation.not_after);
        if ended && self.rules.leases_end_with_their_row {
            return Err(NoPromise::new(Code::AllocationEnded, allocation.not_after));
        }
        self.offline(row)
    }

    /// Nobody knows how late it is. Only a row that waits for nobody may be served, for a budget of running time.
    fn without_bound(&self, row: &Row) -> Result<(), NoPromise> {
        let budget_ms = row.allocation.suspect_budget_ms;
        let why = match self.budget_left_ms(row) {
            Some(1..) if self.clock.certainly_past(row.allocation.not_after) => Unbounded::Over,
            Some(1..) => return self.offline(row),
            Some(_) => Unbounded::UsedUp { budget_ms },
            None if self.requires_clock(row) => Unbounded::ClockRequired,
            None => Unbounded::NoBudget,
        };
        let code = if self.clock.rolled_back() { Code::ClockRolledBack } else { Code::ClockUntrusted };
        Err(NoPromise::unbounded(code, self.clock.floor().recorded(), why))
    }

    /// The running time for which a row may still be served without an upper bound of time; none if it never is.
    pub(crate) fn budget_left_ms(&self, row: &Row) -> Option<i64> {
        let budget_ms = row.allocation.suspect_budget_ms;
        if !row.allocation.fixed || budget_ms == 0 || self.requires_clock(row) {
            return None;
        }
        let used_ms = self.clock.unbounded_ms().saturating_sub(row.unbounded_from_ms);
        Some(budget_ms.saturating_sub(used_ms).max(0))
    }

    fn requires_clock(&self, row: &Row) -> bool {
        self.provision.pools.get(&row.pool_index).is_none_or(|entry| entry.pool.require_clock)
    }

    fn offline(&self, row: &Row) -> Result<(), NoPromise> {
        let Some(end) = offline_end(self.provision, row) else { return Ok(()) };
        if !self.clock.best().has_reached(end) {
            return Ok(());
        }
        Err(NoPromise::new(Code::ManifestStale, end))
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
