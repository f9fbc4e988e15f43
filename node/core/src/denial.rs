//! Denials: what is said to the asker, and what is counted.

use std::collections::{BTreeMap, VecDeque};

use leasehold_protocol::api::Denial;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::SvcMs;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::provision::PoolIndex;
use crate::record::Record;

const HOUR_MS: i64 = 3_600_000;

/// A denial without the parts that few have.
pub(crate) fn denial(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Denial {
    Denial {
        code,
        detail: detail.into(),
        hint: hint.into(),
        queue_position: None,
        retry_after_ms: None,
        held_by: Vec::new(),
        would_allow: Vec::new(),
    }
}

/// Denials not journaled yet. Volatile: a crash loses at most a minute of counts, and no seat.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingDenials(BTreeMap<(Option<PoolIndex>, Code), (u32, SvcMs)>);

impl PendingDenials {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn count(&mut self, pool: Option<PoolIndex>, code: Code, svc: SvcMs) {
        let (count, _) = self.0.entry((pool, code)).or_insert((0, svc));
        *count = count.saturating_add(1);
    }

    /// When the oldest roll-up is due.
    pub(crate) fn due(&self) -> Option<SvcMs> {
        self.0.values().map(|(_, since)| since.plus(limits::DENIAL_ROLL_UP_MS)).min()
    }

    /// Takes roll-ups out, no more than one frame has room for.
    pub(crate) fn drain(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < limits::DENIAL_ROLL_UPS {
            let Some(((pool, code), (count, since))) = self.0.pop_first() else { break };
            records.push(Record::Denied { pool, code, group: String::new(), count, since });
        }
        records
    }

    pub(crate) fn of_pool(&self, pool: PoolIndex) -> u64 {
        self.0.iter().filter(|((of, _), _)| *of == Some(pool)).map(|(_, (count, _))| u64::from(*count)).sum()
    }
}

/// Journaled denials of the last hour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RecentDenials(VecDeque<(SvcMs, PoolIndex, u32)>);

impl RecentDenials {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn add(&mut self, pool: PoolIndex, count: u32, svc: SvcMs) {
        self.0.push_back((svc, pool, count));
        while self.0.front().is_some_and(|(at, ..)| svc.since(*at) > HOUR_MS) {
            self.0.pop_front();
        }
    }

    pub(crate) fn of_pool(&self, pool: PoolIndex, svc: SvcMs) -> u64 {
        let recent = self.0.iter().filter(|(at, of, _)| *of == pool && svc.since(*at) <= HOUR_MS);
        recent.map(|(_, _, count)| u64::from(*count)).sum()
    }
}
