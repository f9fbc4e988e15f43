//! A pool that does one thing at a time: what a node has to look like.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Asked, Key, Operation, Seat, Told};

/// Who holds a seat, and whose lease has ended. All lives are longer than a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pool {
    live: BTreeSet<Key>,
    ended: BTreeSet<Key>,
    /// The highest epoch given so far.
    epoch: u64,
}

impl Pool {
    /// Carries out one operation; none if what was told about it cannot be. What nobody was told may be anything.
    pub(crate) fn step(
        &self,
        seats: usize,
        leases: &BTreeMap<Key, Seat>,
        operation: &Operation,
    ) -> Option<Self> {
        let key = operation.key;
        let (told, next) = match operation.asked {
            Asked::Checkout | Asked::Renew | Asked::List if self.live.contains(&key) => {
                (Told::Live, self.clone())
            }
            Asked::Release if self.live.contains(&key) => (Told::Released, self.released(key)),
            Asked::Checkout if self.ended.contains(&key) => (Told::Ended, self.clone()),
            Asked::Checkout if self.live.len() == seats => (Told::Full, self.clone()),
            Asked::Checkout => (Told::Live, self.granted(leases, key)?),
            Asked::Release | Asked::Renew | Asked::List => (Told::Ended, self.clone()),
        };
        operation.told.is_none_or(|(heard, _)| heard == told).then_some(next)
    }

    /// A new lease: its epoch is above all before it, and nobody who is live has its slot. What was never told about it
    /// is no evidence.
    fn granted(&self, leases: &BTreeMap<Key, Seat>, key: Key) -> Option<Self> {
        let mut next = self.clone();
        if let Some(seat) = leases.get(&key) {
            let taken =
                self.live.iter().filter_map(|other| leases.get(other)).any(|other| other.slot == seat.slot);
            if taken || seat.epoch <= self.epoch {
                return None;
            }
            next.epoch = seat.epoch;
        }
        next.live.insert(key);
        Some(next)
    }

    fn released(&self, key: Key) -> Self {
        let mut next = self.clone();
        next.live.remove(&key);
        next.ended.insert(key);
        next
    }
}
