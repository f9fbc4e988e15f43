//! Which seats a checkout gets: a pure choice among a row's slots.

use leasehold_protocol::limits::LEASE_SLOT_RANGES;
use leasehold_protocol::slots::{SlotRange, SlotSet};

use crate::lease::Lease;
use crate::provision::RowIndex;
use crate::taken::Taken;
use leasehold_protocol::seq::Seq;

/// Seats chosen for a lease, and the leases without a user that must end for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) row: RowIndex,
    pub(crate) slots: SlotSet,
    pub(crate) evicted: Vec<Seq>,
}

/// The lowest free slots of the first of `rows` that has enough; else those and the slots of run-out leases, the oldest
/// deadline first, of the first row where that is enough. Each row comes with the slots it may serve.
pub(crate) fn choose<'l, R>(
    taken: &Taken,
    rows: &[(RowIndex, SlotSet)],
    count: u32,
    run_out: impl Fn() -> R,
) -> Option<Seats>
where
    R: Iterator<Item = &'l Lease>,
{
    for (row, all) in rows {
        if let Some(slots) = pick(taken.gaps(all), count) {
            return Some(Seats { row: *row, slots, evicted: Vec::new() });
        }
    }
    rows.iter().find_map(|(row, all)| {
        let mut run_out = run_out().filter(|lease| all.intersects(&lease.slots)).peekable();
        run_out.peek()?;
        let (mut free, mut ended): (SlotSet, _) = (taken.gaps(all).collect(), Vec::new());
        for lease in run_out {
            free.insert_all(&lease.slots);
            ended.push(lease);
            // A lease may reach beyond this row; what lies outside is free then, but not this row's to give.
            let own = intersection(&free, all);
            if let Some(slots) = pick(own.ranges().iter().copied(), count) {
                // Those in the way to few enough ranges are not needed for it.
                let needed = ended.iter().filter(|lease| lease.slots.intersects(&slots));
                let evicted = needed.map(|lease| lease.grant).collect();
                return Some(Seats { row: *row, slots, evicted });
            }
        }
        None
    })
}

/// The lowest `count` slots; if these lie in more ranges than a ticket holds, the largest ranges first.
fn pick(free: impl Iterator<Item = SlotRange> + Clone, count: u32) -> Option<SlotSet> {
    first_slots(free.clone(), count).or_else(|| {
        let mut ranges: Vec<SlotRange> = free.collect();
        ranges.sort_by_key(|range| (std::cmp::Reverse(range.count), range.first));
        first_slots(ranges.into_iter(), count)
    })
}

/// The first `count` slots, if they lie in no more ranges than a ticket holds.
fn first_slots(ranges: impl Iterator<Item = SlotRange>, count: u32) -> Option<SlotSet> {
    let mut first = SlotSet::EMPTY;
    let mut missing = count;
    for range in ranges.take(LEASE_SLOT_RANGES) {
        let part = range.count.min(missing);
        first.insert_all(&SlotSet::range(range.first, part));
        missing = missing.saturating_sub(part);
        if missing == 0 {
            return Some(first);
        }
    }
    None
}

fn intersection(a: &SlotSet, b: &SlotSet) -> SlotSet {
    a.without(&a.without(b))
}
