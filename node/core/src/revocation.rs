//! What the node knows as revoked, for as long as it would have lived.

use std::collections::BTreeMap;

use leasehold_protocol::artefact::{Head, Kind};
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::provision::PoolEntry;

/// One version of a grant or pool, as heads name it.
type Subject = (Kind, u64);

/// Revoked versions of grants and pools that this node has had.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Revocations(BTreeMap<Subject, Revocation>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Revocation {
    since: UnixMs,
    /// When its grant would have ended, grace included.
    until: UnixMs,
    /// Of the grant.
    generation: u32,
}

impl Revocations {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Keeps what is revoked at `at` by this head, of pools that the node has.
    pub(crate) fn learn<'a>(
        &mut self,
        head: &Head,
        at: UnixMs,
        pools: impl IntoIterator<Item = &'a PoolEntry>,
    ) {
        for entry in pools {
            let (until, generation) = (entry.grant.grace_end(), entry.grant.generation);
            for subject in subjects(entry) {
                if let Some(since) = revoked_since(head, subject, generation, at) {
                    self.0.entry(subject).or_insert(Revocation { since, until, generation });
                }
            }
        }
    }

    /// Forgets what would have ended by itself.
    pub(crate) fn forget_ended(&mut self, at: UnixMs) {
        self.0.retain(|_, known| at < known.until);
    }

    /// A revocation that a newer head lacks, although its grant could be live when that head was issued.
    pub(crate) fn missing_from(&self, head: &Head) -> Option<Subject> {
        let at = head.issue.issued_at;
        let lacks = |(subject, known): &(&Subject, &Revocation)| {
            at < known.until && revoked_since(head, **subject, known.generation, at).is_none()
        };
        self.0.iter().find(lacks).map(|(subject, _)| *subject)
    }

    /// Since when a pool is known as revoked.
    pub(crate) fn since(&self, entry: &PoolEntry) -> Option<UnixMs> {
        subjects(entry).iter().filter_map(|subject| self.0.get(subject)).map(|known| known.since).min()
    }
}

/// When the head revokes the pool, if it says so in advance.
pub(crate) fn scheduled_at(head: &Head, entry: &PoolEntry) -> Option<UnixMs> {
    subjects(entry).iter().filter_map(|&(kind, serial)| head.revoked_from(kind, serial)).min()
}

/// Since when the head revokes this version at `at`: as far as it tells, since it was issued.
fn revoked_since(head: &Head, (kind, serial): Subject, generation: u32, at: UnixMs) -> Option<UnixMs> {
    let outdated = kind == Kind::Grant && generation < head.min_grant_generation;
    if outdated || head.revokes(kind, serial) {
        return Some(head.issue.issued_at);
    }
    head.revoked_from(kind, serial).filter(|&from| from <= at)
}

fn subjects(entry: &PoolEntry) -> [Subject; 2] {
    [(Kind::Grant, entry.grant.issue.serial), (Kind::Pool, entry.pool.issue.serial)]
}
