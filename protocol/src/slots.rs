//! Sets of numbered seats as sorted ranges.

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// `count` consecutive slots from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotRange {
    /// Lowest slot.
    pub first: u32,
    /// How many; never 0 in a well-formed set.
    pub count: u32,
}

impl SlotRange {
    /// One past the highest slot.
    pub const fn end(self) -> u32 {
        self.first.saturating_add(self.count)
    }
}

/// A set of slots in its only form: ranges ascending, none empty, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotSet(Ranges);

/// Nearly every set has few ranges: these need no memory elsewhere.
type Ranges = SmallVec<[SlotRange; 2]>;

impl SlotSet {
    /// The empty set.
    pub const EMPTY: Self = Self(Ranges::new_const());

    /// `count` slots from `first` on.
    pub fn range(first: u32, count: u32) -> Self {
        if count == 0 { Self::EMPTY } else { Self(smallvec![SlotRange { first, count }]) }
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.0
    }

    /// How many slots.
    pub fn len(&self) -> u32 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.count))
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `slot` is in the set.
    pub fn contains(&self, slot: u32) -> bool {
        self.0.iter().any(|range| range.first <= slot && slot < range.end())
    }

    /// Whether every slot of `other` is in this set.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|o| self.0.iter().any(|r| r.first <= o.first && o.end() <= r.end()))
    }

    /// Whether the two sets share a slot.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().any(|a| other.0.iter().any(|b| a.first < b.end() && b.first < a.end()))
    }

    /// The lowest slot.
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|range| range.first)
    }

    /// Every slot, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|range| range.first..range.end())
    }

    /// Adds the slots of `other`.
    pub fn insert_all(&mut self, other: &Self) {
        for &range in &other.0 {
            self.insert_range(range);
        }
    }

    /// Removes the slots of `other`.
    pub fn remove_all(&mut self, other: &Self) {
        for &gone in &other.0 {
            self.remove_range(gone);
        }
    }

    /// Takes the `count` lowest slots out of the set; `None`, and nothing taken, if there are fewer.
    pub fn take_lowest(&mut self, count: u32) -> Option<Self> {
        if self.len() < count {
            return None;
        }
        let mut taken = Self::EMPTY;
        let mut missing = count;
        while missing > 0 {
            let range = *self.0.first()?;
            let part = SlotRange { first: range.first, count: range.count.min(missing) };
            taken.insert_range(part);
            self.remove_range(part);
            missing = missing.saturating_sub(part.count);
        }
        Some(taken)
    }

    /// The slots of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.remove_all(other);
        rest
    }

    /// Whether the set is in its only form, without overflow, in at most `max_ranges` ranges.
    pub fn is_well_formed(&self, max_ranges: usize) -> bool {
        self.0.len() <= max_ranges
            && self.0.iter().all(|range| range.count > 0 && range.first.checked_add(range.count).is_some())
            && self.0.windows(2).all(|pair| matches!(pair, [a, b] if a.end() < b.first))
    }

    fn insert_range(&mut self, new: SlotRange) {
        if new.count == 0 {
            return;
        }
        // In ascending order nothing has to be looked for.
        if self.0.last().is_none_or(|last| last.end() < new.first) {
            return self.0.push(new);
        }
        let (mut first, mut end) = (new.first, new.end());
        self.0.retain(|&mut old| {
            let touches = old.first <= end && first <= old.end();
            if touches {
                first = first.min(old.first);
                end = end.max(old.end());
            }
            !touches
        });
        let at = self.0.partition_point(|old| old.first < first);
        self.0.insert(at, SlotRange { first, count: end.saturating_sub(first) });
    }

    fn remove_range(&mut self, gone: SlotRange) {
        let mut kept = Ranges::new();
        for range in self.0.drain(..) {
            for (first, end) in
                [(range.first, range.end().min(gone.first)), (range.first.max(gone.end()), range.end())]
            {
                if first < end {
                    kept.push(SlotRange { first, count: end.saturating_sub(first) });
                }
            }
        }
        self.0 = kept;
    }
}

impl FromIterator<u32> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> Self {
        let mut set = Self::EMPTY;
        for first in slots {
            set.insert_range(SlotRange { first, count: 1 });
        }
        set
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut set = Self::EMPTY;
        for range in ranges {
            set.insert_range(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::{SlotRange, SlotSet};
    use std::collections::BTreeSet;

    #[test]
    fn behaves_like_a_set_of_numbers() {
        let mut seed = 7_u32;
        let mut set = SlotSet::EMPTY;
        let mut model = BTreeSet::new();
        for _ in 0..3000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let range = SlotSet::range(seed >> 8 & 63, seed >> 20 & 7);
            if seed >> 30 == 0 {
                set.remove_all(&range);
                for slot in range.iter() {
                    model.remove(&slot);
                }
            } else if seed >> 30 == 1 {
                set.insert_all(&range);
                model.extend(range.iter());
            } else {
                let taken = set.take_lowest(seed >> 16 & 3);
                let want = (seed >> 16 & 3) as usize;
                let lowest: Vec<u32> = model.iter().copied().take(want).collect();
                assert_eq!(taken.is_some(), lowest.len() == want);
                if let Some(taken) = taken {
                    assert_eq!(taken.iter().collect::<Vec<_>>(), lowest);
                    for slot in &lowest {
                        model.remove(slot);
                    }
                }
            }
            assert!(set.is_well_formed(64), "{set:?}");
            assert!(set.iter().eq(model.iter().copied()));
            assert_eq!(set.len() as usize, model.len());
        }
    }

    #[test]
    fn only_one_form_is_well_formed() {
        let set = |ranges: &[(u32, u32)]| {
            SlotSet(ranges.iter().map(|&(first, count)| SlotRange { first, count }).collect())
        };
        assert!(set(&[(0, 1), (2, 1)]).is_well_formed(2));
        for bad in [
            set(&[(0, 1), (1, 1)]),
            set(&[(2, 1), (0, 1)]),
            set(&[(0, 0)]),
            set(&[(u32::MAX, 2)]),
            set(&[(0, 2), (1, 2)]),
        ] {
            assert!(!bad.is_well_formed(2), "{bad:?}");
        }
        assert!(!set(&[(0, 1), (2, 1), (4, 1)]).is_well_formed(2));
    }
}
