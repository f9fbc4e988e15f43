//! `GET /metrics`: the state as text of the format `OpenMetrics`. Series are listed in `deploy/docs/metrics.md`.
//!
//! What has a state is read from the core at each scrape, so it cannot drift; what is counted comes from the
//! [`Tally`]. Labels name pools, allocations, products, codes and states: never a holder.

use std::fmt;

use leasehold_cli::openmetrics::{self, Labels, Page, clamped};
use leasehold_node_core::{ClockWidths, Ends};
use leasehold_protocol::api::{StatusAnswer, TrustState};
use leasehold_protocol::time::UnixMs;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::limits;
use crate::tally::{ByPool, Tally};
use crate::writer::Durable;

const PREFIX: &str = "leasehold_node";
const TRUST_STATES: [(TrustState, &str); 8] = [
    (TrustState::Unprovisioned, "UNPROVISIONED"),
    (TrustState::Revoked, "REVOKED"),
    (TrustState::Recover, "RECOVER"),
    (TrustState::Forked, "FORKED"),
    (TrustState::Expired, "EXPIRED"),
    (TrustState::Grace, "GRACE"),
    (TrustState::Stale, "STALE"),
    (TrustState::Fresh, "FRESH"),
];
const CLOCK_STATES: [&str; 3] = ["GOOD", "COARSE", "SUSPECT"];

/// Everything that the text says, taken between two frames.
#[derive(Debug)]
pub(crate) struct Observed {
    status: StatusAnswer,
    clock: ClockWidths,
    ends: Option<Ends>,
    tally: Tally,
    can_grow: bool,
    queue: usize,
}

impl Observed {
    /// Takes it; the text is made elsewhere, so that the writer goes on.
    pub(crate) fn of(durable: &Durable<'_>) -> Self {
        Self {
            status: durable.core.status(durable.now, durable.journal.clone(), true),
            clock: durable.core.clock_widths(durable.now),
            ends: durable.core.ends(),
            tally: durable.tally.clone(),
            can_grow: durable.can_grow,
            queue: durable.queue,
        }
    }

    /// Whether the last try reached the issuer, which the core does not know.
    pub(crate) fn with_issuer(mut self, reachable: Option<bool>) -> Self {
        self.status.issuer.reachable = reachable;
        self
    }

    /// The text.
    pub(crate) fn expose(self) -> String {
        openmetrics::expose(PREFIX, self)
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        self.encode_states(&mut page)?;
        self.encode_clock(&mut page)?;
        self.encode_seats(&mut page)?;
        self.encode_counts(&mut page)?;
        self.encode_ends(&mut page)?;
        self.encode_journal(&mut page)
    }
}

impl Observed {
    fn encode_states(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauges("build_info", "The program that runs", [(version, 1)])?;
        let trust = TRUST_STATES
            .map(|(state, name)| ([("state", name.to_owned())], i64::from(self.status.trust_state == state)));
        page.gauges("trust_state", "Trust state of the node: 1 for the one it is in", trust)?;
        let pools = self.status.pools.iter().flat_map(|pool| {
            TRUST_STATES.map(|(state, name)| {
                let labels = [("pool", pool.pool_id.to_string()), ("state", name.to_owned())];
                (labels, i64::from(pool.trust_state == state))
            })
        });
        page.gauges("pool_trust_state", "Trust state of each pool: 1 for the one it is in", pools)
    }

    fn encode_clock(&self, page: &mut Page<'_>) -> fmt::Result {
        let (clock, widths) = (&self.status.clock, &self.clock);
        let states =
            CLOCK_STATES.map(|state| ([("state", state.to_owned())], i64::from(clock.status == state)));
        page.gauges("clock_state", "State of the clock: 1 for the one it is in", states)?;
        let synced = clock.kernel_synchronised.into();
        page.gauge("clock_synchronised", "1 if a time service disciplines the machine's clock", synced)?;
        let uncertainty = widths.uncertainty_ms.map(|ms| ([], ms.div_euclid(1000)));
        page.gauges(
            "clock_uncertainty_seconds",
            "Between the bounds of true time; absent where one is not known",
            uncertainty,
        )?;
        let behind = widths.wall_offset_ms.div_euclid(1000);
        page.gauge("clock_offset_seconds", "The machine's clock less the best time; never above 0", behind)?;
        let aside = clock.time_kept_aside.is_some().into();
        page.gauge("clock_time_kept_aside", "1 while a signed time waits for an operator's word", aside)
    }

    fn encode_seats(&self, page: &mut Page<'_>) -> fmt::Result {
        let seats = self.status.pools.iter().flat_map(|pool| {
            let series = |state: &str, seats: u32| {
                let labels: Labels<3> = [
                    ("pool", pool.pool_id.to_string()),
                    ("product", pool.product.clone()),
                    ("state", state.to_owned()),
                ];
                (labels, i64::from(seats))
            };
            let allocated = pool.seats.map(|seats| series("allocated", seats));
            let in_use = [
                series("in_use", pool.in_use),
                series("borrowed", pool.borrowed),
                series("lingering", pool.lingering),
                series("draining", pool.draining),
                series("evictable", pool.evictable),
                series("overage", pool.overage),
                series("quarantine", pool.quarantined),
            ];
            allocated.into_iter().chain(in_use)
        });
        page.gauges("seats", "Seats by state; an unlimited pool has no `allocated`", seats)
    }

    fn encode_counts(&self, page: &mut Page<'_>) -> fmt::Result {
        let tally = &self.tally;
        page.counters(
            "checkouts",
            "Seats checked out, by the code of the answer",
            by_pool(&tally.checkouts),
        )?;
        page.counters("denials", "Checkouts and renewals denied, by code", by_pool(&tally.denials))?;
        page.counter("renewals", "Leases renewed", tally.renewals)?;
        let causes = [("released", tally.released), ("evicted", tally.evicted), ("forced", tally.forced)];
        let endings = causes.map(|(cause, count)| ([("cause", cause.to_owned())], count));
        page.counters("lease_endings", "Leases ended, by cause", endings)?;
        page.counter(
            "tickets_adopted",
            "Leases that went on by the tickets of their holders",
            tally.adopted,
        )?;
        page.counter("bundles_applied", "Bundles put in force", tally.bundles)?;
        let refused = tally.artefacts_refused.iter();
        let refused = refused.map(|(code, &count)| ([("code", code.to_string())], count));
        page.counters("artefacts_refused", "Files and answers of the issuer refused, by code", refused)
    }

    fn encode_ends(&self, page: &mut Page<'_>) -> fmt::Result {
        let ends = self.ends.as_ref();
        let heard_at = ends.and_then(|ends| seconds(ends.heard_at)).map(|at| ([], at));
        let reachable = self.status.issuer.reachable.map(|reachable| ([], i64::from(reachable)));
        page.gauges(
            "issuer_reachable",
            "1 if the last try reached the issuer; absent where none was made",
            reachable,
        )?;
        page.timestamps("last_sync", "When the issuer signed its last word that was applied", heard_at)?;
        let certificate = ends.and_then(|ends| seconds(ends.certificate)).map(|at| ([], at));
        page.timestamps("certificate_end", "End of the node's certificate", certificate)?;
        let pools = || ends.into_iter().flat_map(|ends| &ends.pools);
        let grants = pools().filter_map(|pool| {
            let labels = [("pool", pool.pool.to_string()), ("product", pool.product.clone())];
            Some((labels, seconds(pool.grant)?))
        });
        page.timestamps("grant_end", "End of the grant of each pool, without grace", grants)?;
        let rows = pools().flat_map(|pool| {
            pool.allocations.iter().filter_map(|&(row, end)| {
                Some(([("pool", pool.pool.to_string()), ("allocation", row.to_string())], seconds(end)?))
            })
        });
        page.timestamps("allocation_end", "End of each allocation", rows)
    }

    fn encode_journal(&self, page: &mut Page<'_>) -> fmt::Result {
        let (tally, syncs) = (&self.tally, &self.tally.syncs);
        let help = "Time for one frame to be written and synced";
        syncs.encode(page.family("journal_fsync", help, Some(&Unit::Seconds), MetricType::Histogram)?)?;
        page.counter("journal_frames", "Frames written since the start", self.tally.frames)?;
        page.gauge("journal_seq", "Number of the last record", clamped(self.status.journal.seq))?;
        let newest = tally.snapshots.newest();
        let seq = newest.map(|newest| ([], clamped(newest.tail.next_seq.previous().0)));
        page.gauges("snapshot_seq", "Number of the last record that the newest snapshot is of", seq)?;
        let made_at = newest.and_then(|newest| seconds(newest.made_at)).map(|at| ([], at));
        page.timestamps("snapshot_made", "When the newest snapshot was made", made_at)?;
        page.counter("snapshot_failures", "Snapshots that could not be made", tally.snapshots.failures())?;
        page.gauge(
            "journal_can_grow",
            "1 as long as there is room for the next segment",
            self.can_grow.into(),
        )?;
        page.gauge("writer_queue", "Commands that wait for the writer", clamped(self.queue))?;
        page.gauge("writer_queue_limit", "How many may wait; one more is OVERLOADED", clamped(limits::INBOX))
    }
}

fn by_pool(counts: &ByPool) -> impl Iterator<Item = (Labels<2>, u64)> {
    counts.iter().map(|((pool, code), &count)| {
        let pool = pool.map(|pool| pool.to_string()).unwrap_or_default();
        ([("pool", pool), ("code", code.to_string())], count)
    })
}

/// None for what has no end.
fn seconds(at: UnixMs) -> Option<i64> {
    (at != UnixMs::MIN && at != UnixMs::MAX).then(|| at.0.div_euclid(1000))
}
