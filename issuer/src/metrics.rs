//! What an issuer measures. Series are listed in `deploy/docs/metrics.md`.
//!
//! What has a state is read from the core at each scrape, so it cannot drift; requests are counted by the [`Meter`].
//! Labels name routes, statuses and states: no customer, no key.

use std::fmt;

use leasehold_cli::openmetrics::{self, Page, clamped};
use leasehold_issuer_core::ApiKeyState;
use leasehold_protocol::seq::Seq;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::writer::Durable;

const PREFIX: &str = "leasehold_issuer";

/// Counts requests. All clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Family<Answered, Counter>);

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    /// In capitals; empty for what no route takes.
    pub(crate) method: String,
    /// The path with placeholders; empty for what is none.
    pub(crate) route: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

/// Everything that the text says of the state, taken between two frames.
#[derive(Debug)]
pub(crate) struct Observed {
    held: [(&'static str, usize); 7],
    suspect: bool,
    frozen_accounts: usize,
    forked_nodes: usize,
    root_end_s: Option<i64>,
    seq: Seq,
    syncs: Histogram,
}

impl Meter {
    /// Counts one.
    pub(crate) fn count(&self, answered: &Answered) {
        self.0.get_or_create(answered).inc();
    }
}

impl Observed {
    /// Takes it; the text is made elsewhere, so that the writer goes on.
    pub(crate) fn of(durable: &Durable<'_>) -> Self {
        let issuer = durable.issuer;
        let keys = issuer.api_keys().filter(|key| key.state == ApiKeyState::Active);
        Self {
            held: [
                ("account", issuer.accounts().count()),
                ("product", issuer.products().count()),
                ("grant", issuer.grants().count()),
                ("pool", issuer.pools().count()),
                ("node", issuer.nodes().count()),
                ("allocation", issuer.rows().count()),
                ("api_key", keys.count()),
            ],
            suspect: durable.stamp.suspect,
            frozen_accounts: issuer.frozen().count(),
            forked_nodes: issuer.nodes().filter(|node| node.forked.is_some()).count(),
            root_end_s: issuer.trust_root().map(|trust| trust.root().not_after.0.div_euclid(1000)),
            seq: durable.tail.next_seq.previous(),
            syncs: durable.syncs.clone(),
        }
    }

    /// The text.
    pub(crate) fn expose(self, meter: Meter) -> String {
        openmetrics::expose(PREFIX, Exposed { state: self, meter })
    }
}

#[derive(Debug)]
struct Exposed {
    state: Observed,
    meter: Meter,
}

impl Collector for Exposed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut page, state) = (Page::new(encoder), &self.state);
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauges("build_info", "The program that runs", [(version, 1)])?;
        let held = state.held.map(|(kind, count)| ([("kind", kind.to_owned())], clamped(count)));
        page.gauges("held", "What the issuer holds, by kind; of API keys those that open something", held)?;
        let clock = [("GOOD", !state.suspect), ("SUSPECT", state.suspect)];
        let clock = clock.map(|(name, is_so)| ([("state", name.to_owned())], i64::from(is_so)));
        page.gauges("clock_state", "State of the clock: 1 for the one it is in", clock)?;
        let help = "Accounts that get no seats because promises may be forgotten";
        page.gauge("frozen_accounts", help, clamped(state.frozen_accounts))?;
        page.gauge("forked_nodes", "Nodes of which there are two", clamped(state.forked_nodes))?;
        let root_end = state.root_end_s.map(|end| ([], end));
        page.timestamps("trust_root_end", "End of the trust root", root_end)?;
        let help = "Requests by route and status of the answer";
        self.meter.0.encode(page.family("requests", help, None, MetricType::Counter)?)?;
        let help = "Time for one frame to be written and synced";
        let syncs = page.family("journal_fsync", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        state.syncs.encode(syncs)?;
        page.gauge("journal_seq", "Number of the last record", clamped(state.seq.0))
    }
}
