//! Slots that are counted although no lease is known to hold them: two holders showed tickets for one, and the one who
//! lost may use it to the end of its promise.

use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::SvcMs;
use serde::{Deserialize, Serialize};

use crate::provision::PoolIndex;

/// All such slots.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Quarantine(Vec<Held>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    pool: PoolIndex,
    slots: SlotSet,
    until: SvcMs,
}

impl Quarantine {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Counts these slots until then; `svc` is now.
    pub(crate) fn add(&mut self, pool: PoolIndex, slots: SlotSet, until: SvcMs, svc: SvcMs) {
        self.0.retain(|held| svc < held.until);
        self.0.push(Held { pool, slots, until });
    }

    /// The slots of a pool that are counted now.
    pub(crate) fn of(&self, pool: PoolIndex, svc: SvcMs) -> SlotSet {
        let mut all = SlotSet::EMPTY;
        let held = self.0.iter().filter(|held| held.pool == pool && svc < held.until);
        held.for_each(|held| all.insert_all(&held.slots));
        all
    }
}
