//! Finding things by what people and other systems call them: ids, or names where they fit one thing only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;

use crate::limits::CANDIDATES;
use crate::refusal::not_found;

/// Which things a name stands for. Names need not be unique: customers of the same name exist.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Names<I: Ord>(BTreeMap<String, BTreeSet<I>>);

impl<I: Ord> Default for Names<I> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<I: Ord + Copy + Display + FromStr> Names<I> {
    pub(crate) fn insert(&mut self, name: &str, id: I) {
        self.0.entry(name.to_owned()).or_default().insert(id);
    }

    /// All that go by a name.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = I> {
        self.0.get(name).into_iter().flatten().copied()
    }

    /// The thing that `text` names: its id, if it is `known`, or its name.
    pub(crate) fn find(&self, what: &str, text: &str, known: impl Fn(I) -> bool) -> Result<I, Problem> {
        self.find_among(what, text, known, |_| true)
    }

    /// The same, where a name stands only for those things that `counts`.
    pub(crate) fn find_among(
        &self,
        what: &str,
        text: &str,
        known: impl Fn(I) -> bool,
        counts: impl Fn(I) -> bool,
    ) -> Result<I, Problem> {
        if let Some(id) = text.parse().ok().filter(|&id| known(id)) {
            return Ok(id);
        }
        let named: Vec<I> = self.named(text).filter(|&id| counts(id)).collect();
        match named.as_slice() {
            [] => Err(not_found(what, text, "`list` shows what there is; an id or a name will do")),
            [one] => Ok(*one),
            several => Err(ambiguous(what, text, several)),
        }
    }
}

fn ambiguous<I: Display>(what: &str, text: &str, several: &[I]) -> Problem {
    let candidates: Vec<String> = several.iter().take(CANDIDATES).map(ToString::to_string).collect();
    let more = if several.len() > CANDIDATES { ", …" } else { "" };
    let detail = format!("{text:?} names {} {what}s: {}{more}", several.len(), candidates.join(", "));
    Problem::new(Code::Ambiguous, detail, "use the id of the one that is meant")
        .with("candidates", candidates)
}
