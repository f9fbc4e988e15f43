//! When what the node stands on ends, for those who watch over renewals. Reads only.

use leasehold_protocol::ids::{AllocationId, PoolId};
use leasehold_protocol::time::UnixMs;

use crate::core::NodeCore;

/// Ends of signed artefacts, as they say it themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// When the issuer signed its last word that was applied.
    pub heard_at: UnixMs,
    /// End of the node's certificate.
    pub certificate: UnixMs,
    /// The pools that are served.
    pub pools: Vec<PoolEnds>,
}

/// Ends of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolEnds {
    /// Which.
    pub pool: PoolId,
    /// SKU.
    pub product: String,
    /// End of its grant, without grace.
    pub grant: UnixMs,
    /// Ends of the node's rows.
    pub allocations: Vec<(AllocationId, UnixMs)>,
}

impl NodeCore {
    /// What ends when; none before the first bundle.
    pub fn ends(&self) -> Option<Ends> {
        let provision = self.provision.as_ref()?;
        let served = provision.pools.values().filter(|entry| entry.live && !entry.rows.is_empty());
        let pools = served.map(|entry| {
            let rows = entry.rows.iter().filter_map(|row| provision.rows.get(row));
            PoolEnds {
                pool: entry.pool.issue.id,
                product: entry.grant.sku.clone(),
                grant: entry.grant.not_after,
                allocations: rows.map(|row| (row.allocation.issue.id, row.allocation.not_after)).collect(),
            }
        });
        Some(Ends {
            heard_at: provision.head.issue.issued_at,
            certificate: provision.certificate.not_after,
            pools: pools.collect(),
        })
    }
}
