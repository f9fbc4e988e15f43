//! What is counted since the start, for metrics: kept by the one writer of frames, so counting takes no lock.

use std::collections::BTreeMap;
use std::time::Duration;

use leasehold_cli::openmetrics;
use leasehold_node_core::{Effect, Effects, EndCause, Event, Record, Reply};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::PoolId;
use prometheus_client::metrics::histogram::Histogram;

use crate::limits;
use crate::snapshots::SnapshotNews;

/// How often each code was the answer, by pool; no pool where none was chosen.
pub(crate) type ByPool = BTreeMap<(Option<PoolId>, Code), u64>;

/// The counts.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Leases granted, by the code that allowed them.
    pub(crate) checkouts: ByPool,
    /// Checkouts and renewals denied.
    pub(crate) denials: ByPool,
    /// Renewals.
    pub(crate) renewals: u64,
    /// Leases that their holders gave back.
    pub(crate) released: u64,
    /// Leases that had run out and whose seat somebody needed.
    pub(crate) evicted: u64,
    /// Leases that an operator took back.
    pub(crate) forced: u64,
    /// Leases that went on by the tickets of their holders.
    pub(crate) adopted: u64,
    /// Bundles put in force.
    pub(crate) bundles: u64,
    /// Artefacts refused.
    pub(crate) artefacts_refused: BTreeMap<Code, u64>,
    /// Frames written.
    pub(crate) frames: u64,
    /// How long frames took to be written and synced.
    pub(crate) syncs: Histogram,
    /// Snapshots, which the writer has no part in.
    pub(crate) snapshots: SnapshotNews,
}

impl Tally {
    /// Nothing was counted yet.
    pub(crate) fn new() -> Self {
        Self {
            checkouts: ByPool::new(),
            denials: ByPool::new(),
            renewals: 0,
            released: 0,
            evicted: 0,
            forced: 0,
            adopted: 0,
            bundles: 0,
            artefacts_refused: BTreeMap::new(),
            frames: 0,
            syncs: openmetrics::sync_times(),
            snapshots: SnapshotNews::default(),
        }
    }

    /// Counts what follows from one input. An answer that is only given again grants nothing.
    pub(crate) fn count(&mut self, effects: &Effects) {
        let mut granted = false;
        for effect in &effects.0 {
            match effect {
                Effect::Record(record) => {
                    granted |= matches!(record, Record::LeaseGranted(_));
                    self.count_record(record);
                }
                Effect::Reply { body: Reply::Seat(seat), .. } if granted => {
                    add(&mut self.checkouts, Some(seat.pool), seat.code);
                }
                Effect::Event(event) => self.count_event(event),
                Effect::Reply { .. } | Effect::Sign(_) => {}
            }
        }
    }

    /// Counts a frame that took `time` to be durable.
    pub(crate) fn count_sync(&mut self, time: Duration) {
        self.frames += 1;
        self.syncs.observe(time.as_secs_f64());
    }

    fn count_record(&mut self, record: &Record) {
        match record {
            Record::Renewed(leases) => self.renewals += leases.len() as u64,
            Record::LeaseLingers { .. } | Record::LeaseEnded { cause: EndCause::Released, .. } => {
                self.released += 1;
            }
            Record::LeaseForced { .. } => self.forced += 1,
            Record::LeaseEnded { cause: EndCause::Evicted, .. } => self.evicted += 1,
            Record::TicketAdopted { .. } => self.adopted += 1,
            _ => {}
        }
    }

    fn count_event(&mut self, event: &Event) {
        match event {
            Event::Denied { pool, code } => add(&mut self.denials, *pool, *code),
            Event::ArtefactRefused { code, .. } => *self.artefacts_refused.entry(*code).or_default() += 1,
            Event::BundleApplied { .. } => self.bundles += 1,
            _ => {}
        }
    }
}

/// Adds one. When there are too many series already, a new one is counted without its pool.
fn add(counts: &mut ByPool, pool: Option<PoolId>, code: Code) {
    let room = counts.len() < limits::SERIES || counts.contains_key(&(pool, code));
    *counts.entry((pool.filter(|_| room), code)).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_series_is_bounded_and_nothing_goes_uncounted() {
        let mut counts = ByPool::new();
        let pool = |number: usize| Some(PoolId((number as u128).to_be_bytes()));
        for number in 0..=limits::SERIES {
            add(&mut counts, pool(number), Code::PoolExhausted);
            let kept = counts.contains_key(&(pool(number), Code::PoolExhausted));
            assert_eq!(kept, number < limits::SERIES, "{number}");
        }
        add(&mut counts, pool(0), Code::PoolExhausted);
        assert_eq!(counts[&(pool(0), Code::PoolExhausted)], 2);
        assert_eq!(counts.values().sum::<u64>(), limits::SERIES as u64 + 2);
    }
}
