//! How much pools were used, as the issuer is told: what no answered request has told yet.

use std::collections::BTreeMap;

use leasehold_protocol::artefact::PoolUsage;
use leasehold_protocol::limits::REPORTED_ROWS;
use serde::{Deserialize, Serialize};

use crate::core::NodeCore;
use crate::provision::PoolIndex;

/// What was counted of a pool over a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) peak_seats: u32,
    pub(crate) granted: u64,
    pub(crate) denied: u64,
}

/// What was counted of all pools over a span of time.
pub(crate) type Usage = BTreeMap<PoolIndex, Count>;

impl Count {
    /// Over this span and another one.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            peak_seats: self.peak_seats.max(other.peak_seats),
            granted: self.granted.saturating_add(other.granted),
            denied: self.denied.saturating_add(other.denied),
        }
    }
}

/// Adds a span to another one.
pub(crate) fn add(usage: &mut Usage, other: Usage) {
    for (pool, count) in other {
        let entry = usage.entry(pool).or_default();
        *entry = entry.and(count);
    }
}

impl NodeCore {
    /// Since the last report that was answered: in the spans that end with the open requests, and after them.
    pub(crate) fn untold_usage(&self) -> Vec<PoolUsage> {
        let pools = self.provision.iter().flat_map(|p| &p.pools);
        let mut usage: Vec<PoolUsage> = pools
            .filter_map(|(&index, entry)| {
                let now = self.ledger.pool(index)?.count();
                let told = self.requests.iter().filter_map(|request| request.usage.get(&index));
                let Count { peak_seats, granted, denied } = told.fold(now, |sum, &count| sum.and(count));
                Some(PoolUsage { pool: entry.pool.issue.id, peak_seats, granted, denied })
            })
            .collect();
        usage.sort_by_key(|row| row.pool);
        usage.truncate(REPORTED_ROWS);
        usage
    }
}
