//! Numbers for repeated values: never used twice, dropped when nothing live names them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Values by number and numbers by value, with a count of who names them. There may be as many as leases: each is kept
/// once.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    next: u32,
    by_value: BTreeMap<Arc<T>, u32>,
    by_index: BTreeMap<u32, (Arc<T>, u32)>,
}

impl<T: Ord> Interner<T> {
    pub(crate) const fn new() -> Self {
        Self { next: 0, by_value: BTreeMap::new(), by_index: BTreeMap::new() }
    }

    /// With these values, and who names them: `named` has each number once for each who does.
    pub(crate) fn restored(
        next: u32,
        by_value: BTreeMap<Arc<T>, u32>,
        named: impl IntoIterator<Item = u32>,
    ) -> Self {
        let mut named: Vec<u32> = named.into_iter().collect();
        named.sort_unstable();
        let mut rest = named.as_slice();
        let mut by_index: BTreeMap<u32, (Arc<T>, u32)> =
            by_value.iter().map(|(value, &index)| (index, (Arc::clone(value), 0))).collect();
        for (index, (_, names)) in &mut by_index {
            let (_, from) = rest.split_at(rest.partition_point(|named| named < index));
            let (own, others) = from.split_at(from.partition_point(|named| named <= index));
            (*names, rest) = (u32::try_from(own.len()).unwrap_or(u32::MAX), others);
        }
        Self { next, by_value, by_index }
    }

    /// The values, in their order, with their numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&T, u32)> {
        self.by_value.iter().map(|(value, &index)| (&**value, index))
    }

    /// The values from this one on, in their order, with their numbers.
    pub(crate) fn from(&self, first: &T) -> impl Iterator<Item = (&T, u32)> {
        self.by_value.range::<T, _>(first..).map(|(value, &index)| (&**value, index))
    }

    /// The number of a value that is interned already.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        self.by_value.get(value).copied()
    }

    /// The number the next new value takes.
    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    pub(crate) fn insert(&mut self, index: u32, value: T) {
        self.next = index.saturating_add(1);
        let value = Arc::new(value);
        self.by_value.insert(Arc::clone(&value), index);
        self.by_index.insert(index, (value, 0));
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.by_index.get(&index).map(|(value, _)| &**value)
    }

    pub(crate) fn acquire(&mut self, index: u32) {
        if let Some((_, names)) = self.by_index.get_mut(&index) {
            *names = names.saturating_add(1);
        }
    }

    pub(crate) fn release(&mut self, index: u32) {
        let Some((_, names)) = self.by_index.get_mut(&index) else { return };
        *names = names.saturating_sub(1);
        if *names == 0
            && let Some((value, _)) = self.by_index.remove(&index)
        {
            self.by_value.remove(&value);
        }
    }
}
