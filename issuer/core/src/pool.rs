//! A pool and what is allocated of it: where no seat is given twice.

use std::collections::BTreeSet;

use leasehold_protocol::artefact::{Pool, Seats};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::AllocationId;
use leasehold_protocol::limits::ALLOCATION_SLOT_RANGES;
use leasehold_protocol::slots::{SlotRange, SlotSet};
use serde::Serialize;

/// A pool, its live rows, and the slots they hold.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PoolState {
    pub(crate) pool: Pool,
    pub(crate) digest: Digest,
    pub(crate) rows: BTreeSet<AllocationId>,
    pub(crate) taken: SlotSet,
    /// Over all versions of the pool.
    pub(crate) longest_ttl_ms: i64,
}

impl PoolState {
    /// A pool of which nothing is allocated.
    pub(crate) fn new(pool: Pool, digest: Digest) -> Self {
        let longest_ttl_ms = pool.ttl.max_ms;
        Self { pool, digest, rows: BTreeSet::new(), taken: SlotSet::EMPTY, longest_ttl_ms }
    }

    /// Slots that no live row holds, `freed` being counted as free already; `None` for an unlimited pool.
    pub(crate) fn free(&self, freed: &SlotSet) -> Option<SlotSet> {
        let all = SlotSet::range(0, self.pool.slot_count()?);
        Some(all.without(&self.taken.without(freed)))
    }

    /// Takes the slots of a new row. `false`, and nothing is taken, if one of them is held or does not exist.
    pub(crate) fn take(&mut self, id: AllocationId, slots: &SlotSet) -> bool {
        let exist = match self.pool.slot_count() {
            Some(count) => SlotSet::range(0, count).contains_all(slots) && !slots.is_empty(),
            None => slots.is_empty(),
        };
        if !exist || self.taken.intersects(slots) || !self.rows.insert(id) {
            return false;
        }
        self.taken.insert_all(slots);
        true
    }

    /// Gives the slots of a row back. `false` if the pool has no such row.
    pub(crate) fn give_back(&mut self, id: AllocationId, slots: &SlotSet) -> bool {
        self.taken.remove_all(slots);
        self.rows.remove(&id)
    }

    /// Law 1 over versions of the pool: whatever a row holds, the pool has.
    pub(crate) fn holds_what_is_taken(&self) -> bool {
        let all = self.pool.slot_count().map(|count| SlotSet::range(0, count));
        all.is_none_or(|all| all.contains_all(&self.taken))
    }

    /// How many seats live rows hold.
    pub(crate) fn allocated(&self) -> u32 {
        self.taken.len()
    }

    /// Whether seats are counted at all.
    pub(crate) const fn is_unlimited(&self) -> bool {
        matches!(self.pool.seats, Seats::Unlimited)
    }
}

/// The `count` lowest slots of `free`; where these are too scattered for one row, those of its largest ranges. `None`
/// if no row can hold so many.
pub(crate) fn choose(free: &SlotSet, count: u32) -> Option<SlotSet> {
    let lowest = free.clone().take_lowest(count)?;
    if lowest.ranges().len() <= ALLOCATION_SLOT_RANGES {
        return Some(lowest);
    }
    largest_ranges(free).take_lowest(count)
}

/// As many slots of `free` as one row can hold.
pub(crate) fn largest_ranges(free: &SlotSet) -> SlotSet {
    let mut ranges: Vec<SlotRange> = free.ranges().to_vec();
    ranges.sort_by_key(|range| (std::cmp::Reverse(range.count), range.first));
    let mut largest = SlotSet::EMPTY;
    for range in ranges.into_iter().take(ALLOCATION_SLOT_RANGES) {
        largest.insert_all(&SlotSet::range(range.first, range.count));
    }
    largest
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::limits::ALLOCATION_SLOT_RANGES;
    use leasehold_protocol::slots::SlotSet;

    use super::choose;

    /// Every other slot from `first` on.
    fn scattered(first: u32, ranges: usize) -> SlotSet {
        (first..).step_by(2).take(ranges).collect()
    }

    #[test]
    fn the_lowest_slots_are_chosen() {
        let mut free = SlotSet::range(0, 10);
        free.remove_all(&SlotSet::range(2, 3));
        assert_eq!(choose(&free, 4), Some([0, 1, 5, 6].into_iter().collect()));
        assert_eq!(choose(&free, 8), None);
    }

    #[test]
    fn a_row_never_has_more_ranges_than_an_artefact() {
        for ranges in [ALLOCATION_SLOT_RANGES - 1, ALLOCATION_SLOT_RANGES] {
            let count = u32::try_from(ranges).unwrap();
            assert_eq!(choose(&scattered(0, ranges), count).map(|slots| slots.len()), Some(count));
        }
        let over = ALLOCATION_SLOT_RANGES + 1;
        let count = u32::try_from(over).unwrap();
        let mut free = scattered(0, over);
        assert_eq!(choose(&free, count), None);
        free.insert_all(&SlotSet::range(1000, count));
        let chosen = choose(&free, count).unwrap();
        assert!(chosen.is_well_formed(ALLOCATION_SLOT_RANGES) && chosen.len() == count, "{chosen:?}");
    }
}
