//! The slots of a pool that leases hold. They may be very many and scattered, and each checkout asks for the lowest gap:
//! whatever is asked here takes a time that hardly grows with them.

use std::collections::BTreeMap;
use std::iter;

use leasehold_protocol::slots::{SlotRange, SlotSet};

/// A set of slots, as its ranges: the first slot of each, and one past its last. None is empty or touches the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken(BTreeMap<u32, u32>);

impl Taken {
    pub(crate) fn insert_all(&mut self, slots: &SlotSet) {
        for range in slots.ranges() {
            let (mut first, mut end) = (range.first, range.end());
            while let Some((known, known_end)) = self.last_before(end).filter(|&(_, known)| first <= known) {
                self.0.remove(&known);
                (first, end) = (first.min(known), end.max(known_end));
            }
            self.0.insert(first, end);
        }
    }

    /// All these slots, of which none is there twice: sorted, then joined.
    pub(crate) fn of(ranges: impl IntoIterator<Item = SlotRange>) -> Self {
        let mut ranges: Vec<SlotRange> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for range in ranges {
            match joined.last_mut().filter(|(_, end)| range.first <= *end) {
                Some((_, end)) => *end = range.end().max(*end),
                None => joined.push((range.first, range.end())),
            }
        }
        Self(joined.into_iter().collect())
    }

    pub(crate) fn remove_all(&mut self, slots: &SlotSet) {
        for range in slots.ranges() {
            let (first, end) = (range.first, range.end());
            let overlapping = |taken: &Self| {
                taken.last_before(end.saturating_sub(1)).filter(|&(_, known_end)| first < known_end)
            };
            while let Some((known, known_end)) = overlapping(self) {
                self.0.remove(&known);
                if known < first {
                    self.0.insert(known, first);
                }
                if end < known_end {
                    self.0.insert(end, known_end);
                }
            }
        }
    }

    /// Whether any of these slots is in the set.
    pub(crate) fn intersects(&self, slots: &SlotSet) -> bool {
        let overlaps = |range: &SlotRange| {
            self.last_before(range.end().saturating_sub(1)).is_some_and(|(_, end)| range.first < end)
        };
        slots.ranges().iter().any(overlaps)
    }

    /// The slots of `all` that are not in this set, ascending. What comes first is found first: nobody pays for the rest.
    pub(crate) fn gaps<'a>(&'a self, all: &'a SlotSet) -> impl Iterator<Item = SlotRange> + Clone + 'a {
        all.ranges().iter().flat_map(|&range| self.gaps_in(range))
    }

    fn gaps_in(&self, range: SlotRange) -> impl Iterator<Item = SlotRange> + Clone + '_ {
        let before = self.last_before(range.first).map_or(range.first, |(_, end)| end);
        let first = before.clamp(range.first, range.end());
        let taken = self.0.range(first..range.end());
        let begins = iter::once(first).chain(taken.clone().map(|(_, &end)| end));
        let ends = taken.map(|(&first, _)| first).chain(iter::once(range.end()));
        begins
            .zip(ends)
            .filter(|(first, end)| first < end)
            .map(|(first, end)| SlotRange { first, count: end.saturating_sub(first) })
    }

    /// The last range that begins at `slot` or before it.
    fn last_before(&self, slot: u32) -> Option<(u32, u32)> {
        self.0.range(..=slot).next_back().map(|(&first, &end)| (first, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_set_of_slots() {
        let mut seed = 7_u32;
        let (mut taken, mut model) = (Taken::default(), SlotSet::EMPTY);
        let all: SlotSet = (3..40).chain(50..64).collect();
        for _ in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut slots = SlotSet::range(seed >> 8 & 63, seed >> 20 & 7);
            slots.insert_all(&SlotSet::range(seed >> 14 & 63, seed >> 24 & 3));
            if seed >> 31 == 0 {
                taken.remove_all(&slots);
                model.remove_all(&slots);
            } else {
                taken.insert_all(&slots);
                model.insert_all(&slots);
            }
            let ranges: Vec<(u32, u32)> =
                model.ranges().iter().map(|range| (range.first, range.end())).collect();
            assert_eq!(taken.0.iter().map(|(&first, &end)| (first, end)).collect::<Vec<_>>(), ranges);
            let gaps: Vec<SlotRange> = taken.gaps(&all).collect();
            assert_eq!(gaps, all.without(&model).ranges());
        }
    }

    #[test]
    fn the_highest_slots_there_are_can_be_taken() {
        let (mut taken, top) = (Taken::default(), SlotSet::range(u32::MAX - 2, 2));
        taken.insert_all(&top);
        assert_eq!(taken.gaps(&top).count(), 0);
        taken.remove_all(&SlotSet::range(u32::MAX - 1, 1));
        assert_eq!(taken.gaps(&top).collect::<Vec<_>>(), SlotSet::range(u32::MAX - 1, 1).ranges());
    }
}
