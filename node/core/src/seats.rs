//! Which seats a checkout gets: a pure choice among a row's slots.

use leasehold_protocol::limits::LEASE_SLOT_RANGES;
use leasehold_protocol::slots::{SlotRange, SlotSet};

use crate::ledger::Lease;
use crate::provision::RowIndex;
use leasehold_protocol::seq::Seq;

/// Seats chosen for a checkout, and the run-out leases that must end for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) row: RowIndex,
    pub(crate) slots: SlotSet,
    pub(crate) evicted: Vec<Seq>,
}

/// The lowest free slots of the first of `rows` that has enough; else those and the slots of run-out leases, the oldest
/// deadline first, of the first row where that is enough. Each row comes with the slots it may serve.
pub(crate) fn choose<'l, R>(
    used: &SlotSet,
    rows: &[(RowIndex, SlotSet)],
    count: u32,
    run_out: impl Fn() -> R,
) -> Option<Seats>
where
    R: Iterator<Item = &'l Lease>,
{
    for (row, all) in rows {
        if let Some(slots) = pick(&all.without(used), count) {
            return Some(Seats { row: *row, slots, evicted: Vec::new() });
        }
    }
    rows.iter().find_map(|(row, all)| {
        let (mut free, mut ended) = (all.without(used), Vec::new());
        for lease in run_out().filter(|lease| all.intersects(&lease.granted.slots)) {
            free.insert_all(&lease.granted.slots);
            ended.push(lease);
            // A lease may reach beyond this row; what lies outside is free then, but not this row's to give.
            let own = intersection(&free, all);
            if let Some(slots) = pick(&own, count) {
                // Those in the way to few enough ranges are not needed for it.
                let needed = ended.iter().filter(|lease| lease.granted.slots.intersects(&slots));
                let evicted = needed.map(|lease| lease.grant).collect();
                return Some(Seats { row: *row, slots, evicted });
            }
        }
        None
    })
}

/// The lowest `count` slots; if these lie in more ranges than a ticket holds, the largest ranges first.
fn pick(free: &SlotSet, count: u32) -> Option<SlotSet> {
    let lowest = free.clone().take_lowest(count)?;
    if lowest.ranges().len() <= LEASE_SLOT_RANGES {
        return Some(lowest);
    }
    let mut ranges: Vec<SlotRange> = free.ranges().to_vec();
    ranges.sort_by_key(|range| (std::cmp::Reverse(range.count), range.first));
    ranges.truncate(LEASE_SLOT_RANGES);
    let mut largest = SlotSet::EMPTY;
    for range in ranges {
        let missing = count.saturating_sub(largest.len());
        largest.insert_all(&SlotSet::range(range.first, range.count.min(missing)));
    }
    (largest.len() == count).then_some(largest)
}

fn intersection(a: &SlotSet, b: &SlotSet) -> SlotSet {
    a.without(&a.without(b))
}
