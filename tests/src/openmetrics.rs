//! Pages of metrics, as Prometheus reads them and as operators read about them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The media type that a page has.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The families beginning with `prefix` that operators can look up, with their types.
pub fn documented(prefix: &str) -> BTreeMap<String, String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/docs/metrics.md");
    let rows = fs::read_to_string(docs).expect("metrics are documented");
    let families = rows.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        name.starts_with(prefix).then(|| Some((name.to_owned(), cells.next()?.to_owned())))?
    });
    families.collect()
}

/// One page, held against the rules of the format.
#[derive(Debug)]
pub struct Metrics {
    /// The type of each family.
    pub kinds: BTreeMap<String, String>,
    samples: Vec<(String, String, String)>,
    /// The page.
    pub text: String,
}

impl Metrics {
    /// Takes a page apart.
    pub fn parse(text: String) -> Self {
        let (mut kinds, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let body = text.strip_suffix("# EOF\n").expect("the page has an end");
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name");
                assert_eq!(kinds.insert(name.to_owned(), kind.to_owned()), None, "{name} once");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                helped.insert(rest.split_once(' ').expect("a help has a name").0.to_owned());
            } else if !line.starts_with("# UNIT ") {
                samples.push(sample(line));
            }
        }
        assert_eq!(kinds.keys().cloned().collect::<BTreeSet<_>>(), helped);
        for (name, labels, _) in &samples {
            let known = kinds.iter().any(|(family, kind)| match kind.as_str() {
                "gauge" => name == family,
                "counter" => name.strip_suffix("_total") == Some(family),
                "histogram" => {
                    ["_bucket", "_sum", "_count"].iter().any(|s| name.strip_suffix(s) == Some(family))
                }
                _ => false,
            });
            assert!(known, "{name} {labels}");
        }
        let series: BTreeSet<_> = samples.iter().map(|(name, labels, _)| (name, labels)).collect();
        assert_eq!(series.len(), samples.len(), "no series twice");
        Self { kinds, samples, text }
    }

    /// The value of the only sample of that name with these labels: a whole number.
    pub fn of(&self, name: &str, labels: &[&str]) -> Option<i64> {
        let fits = |found: &str| labels.iter().all(|label| found.contains(label));
        let mut found = self.samples.iter().filter(|(other, found, _)| other == name && fits(found));
        let value =
            found.next().map(|(_, _, value)| value.parse().unwrap_or_else(|_| panic!("{name} {value}")));
        assert!(found.next().is_none(), "{name} {labels:?} is ambiguous");
        value
    }
}

fn sample(line: &str) -> (String, String, String) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(labels.ends_with('}'), "{line}");
    assert!(value.parse::<f64>().is_ok(), "{line}");
    (name.to_owned(), labels.to_owned(), value.to_owned())
}
