//! Metrics as text of the format `OpenMetrics`, family by family. What is measured is each daemon's own affair.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names and values that tell the series of a family apart.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// The text of everything that `collector` knows; each name begins with `prefix`.
pub fn expose(prefix: &str, collector: impl Collector) -> String {
    let mut registry = Registry::with_prefix(prefix);
    registry.register_collector(Box::new(collector));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a string takes any text");
    page
}

/// A histogram for the seconds that one frame of a journal takes to be written and synced: 0.1 ms to 3.3 s, from a fast
/// disk with a cache that survives power cuts to one that is in trouble.
pub fn sync_times() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 16))
}

/// A number of any width as the text holds it.
pub fn clamped<N: TryInto<i64>>(number: N) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// The text while it is written: families and their series, in the order given.
#[derive(Debug)]
pub struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    /// A page that is written with `encoder`.
    pub const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        ConstGauge::new(value).encode(self.family(name, help, None, MetricType::Gauge)?)
    }

    /// A number that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.family(name, help, None, MetricType::Counter)?)
    }

    /// Numbers that go up and down, one per set of labels.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, i64)>,
    ) -> fmt::Result {
        let family = self.family(name, help, None, MetricType::Gauge)?;
        each(family, series, |value, encoder| ConstGauge::new(value).encode(encoder))
    }

    /// Times in Unix seconds; `_timestamp_seconds` is added to the name.
    pub fn timestamps<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, i64)>,
    ) -> fmt::Result {
        let name = format!("{name}_timestamp");
        let family = self.family(&name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        each(family, series, |value, encoder| ConstGauge::new(value).encode(encoder))
    }

    /// Numbers that only grow, one per set of labels.
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> fmt::Result {
        let family = self.family(name, help, None, MetricType::Counter)?;
        each(family, series, |value, encoder| ConstCounter::new(value).encode(encoder))
    }

    /// The head of a family that has samples of its own.
    pub fn family<'f>(
        &'f mut self,
        name: &'f str,
        help: &str,
        unit: Option<&'f Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'f>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }
}

fn each<const N: usize, V>(
    mut family: MetricEncoder<'_>,
    series: impl IntoIterator<Item = (Labels<N>, V)>,
    mut encode: impl FnMut(V, MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    for (labels, value) in series {
        encode(value, family.encode_family(&labels)?)?;
    }
    Ok(())
}
