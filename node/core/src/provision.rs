//! What bundles gave the node: who it is, what its account has, which rows it may serve.

use std::collections::BTreeMap;

use leasehold_protocol::artefact::{
    Allocation, AllocationKind, Bundle, Chain, Grant, Head, Kind, NodeCertificate, Pool, Ratchet,
};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::{AccountId, NodeId, PoolId};
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;

use crate::clock::Best;
use crate::release::Releases;
use crate::revocation::{Revocations, scheduled_at};

/// Journal-local number of a pool, over all its versions.
pub(crate) type PoolIndex = u32;
/// Journal-local number of one version of an allocation.
pub(crate) type RowIndex = u32;

/// State after at least one bundle.
#[derive(Clone, Debug)]
pub(crate) struct Provision {
    pub(crate) node: NodeId,
    pub(crate) account: AccountId,
    pub(crate) generation: u32,
    pub(crate) head: Verified<Head>,
    pub(crate) certificate: Verified<NodeCertificate>,
    pub(crate) ratchet: Ratchet,
    pub(crate) last_bundle: LastBundle,
    /// What took rights away.
    pub(crate) revocations: Revocations,
    /// What went back to the vendor.
    pub(crate) releases: Releases,
    /// Pools of the account, by number; those no longer live are remembered.
    pub(crate) pools: BTreeMap<PoolIndex, PoolEntry>,
    /// Rows, by number: the current ones, and earlier ones that live leases name.
    pub(crate) rows: BTreeMap<RowIndex, Row>,
    pub(crate) next_pool: PoolIndex,
    pub(crate) next_row: RowIndex,
}

/// The bundle applied last.
#[derive(Clone, Debug)]
pub(crate) struct LastBundle {
    pub(crate) serial: u64,
    pub(crate) issued_at: UnixMs,
    pub(crate) digest: Digest,
    pub(crate) envelope: Vec<u8>,
}

/// A pool and its grant, newest versions.
#[derive(Clone, Debug)]
pub(crate) struct PoolEntry {
    pub(crate) pool: Verified<Pool>,
    pub(crate) grant: Verified<Grant>,
    /// It is in the newest manifest.
    pub(crate) live: bool,
    /// Its current rows, in the order in which they are served: elastic first, then by id.
    pub(crate) rows: Vec<RowIndex>,
}

/// One version of an allocation, with the versions of pool and grant it names.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) pool_index: PoolIndex,
    pub(crate) allocation: Verified<Allocation>,
    pub(crate) current: bool,
    pub(crate) chain: Chain,
    pub(crate) chain_digest: Digest,
    /// The clock's count of unbounded running time when the row came.
    pub(crate) unbounded_from_ms: i64,
}

impl Provision {
    /// State after the node's first bundle.
    pub(crate) fn first(opened: &OpenedBundle, roots: &[Bytes], unbounded_ms: i64) -> Self {
        let mut provision = Self {
            node: opened.bundle.node,
            account: opened.bundle.account,
            generation: opened.bundle.generation,
            head: opened.head.clone(),
            certificate: opened.certificate.clone(),
            ratchet: opened.bundle.ratchet,
            last_bundle: LastBundle::of(&opened.bundle),
            revocations: Revocations::new(),
            releases: Releases::new(),
            pools: BTreeMap::new(),
            rows: BTreeMap::new(),
            next_pool: 0,
            next_row: 0,
        };
        provision.take(opened, roots, unbounded_ms);
        provision
    }

    /// Puts a verified bundle in force. Rows that did not change keep their number.
    pub(crate) fn take(&mut self, opened: &OpenedBundle, roots: &[Bytes], unbounded_ms: i64) {
        if self.generation < opened.bundle.generation {
            // What went back of rows of an earlier generation went back with them.
            self.releases = Releases::new();
        }
        self.take_word(opened);
        self.take_pools(opened);
        self.take_rows(opened, roots, unbounded_ms);
    }

    /// Puts all of a bundle in force but its rows, which say nothing new.
    pub(crate) fn take_word(&mut self, opened: &OpenedBundle) {
        self.revocations = self.revocations_after(&opened.head);
        self.generation = opened.bundle.generation;
        self.head = opened.head.clone();
        self.certificate = opened.certificate.clone();
        self.ratchet = opened.bundle.ratchet;
        self.last_bundle = LastBundle::of(&opened.bundle);
    }

    /// All envelopes that the node stands on, ascending: its certificate, and every row with its pool and grant.
    pub(crate) fn presented(&self) -> Vec<Bytes> {
        let rows =
            self.rows.values().flat_map(|row| [&row.chain.allocation, &row.chain.pool, &row.chain.grant]);
        let certificate = Bytes(self.certificate.envelope().to_vec());
        let mut all: Vec<Bytes> = rows.cloned().chain([certificate]).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all.dedup();
        all
    }

    pub(crate) fn pool_index(&self, id: PoolId) -> Option<PoolIndex> {
        self.pools.iter().find(|(_, entry)| entry.pool.issue.id == id).map(|(&index, _)| index)
    }

    /// Since when the pool is revoked, if it is at `best` and would still live otherwise.
    pub(crate) fn revoked_since(&self, entry: &PoolEntry, best: Best) -> Option<UnixMs> {
        let known = || self.revocations.since(entry);
        let scheduled = || scheduled_at(&self.head, entry).filter(|&at| best.has_reached(at));
        if best.has_reached(entry.grant.grace_end()) { None } else { known().or_else(scheduled) }
    }

    /// All that is revoked when `newer` was issued, as far as it was told before.
    pub(crate) fn revocations_until(&self, newer: &Head) -> Revocations {
        let mut known = self.revocations.clone();
        known.learn(&self.head, newer.issue.issued_at, self.pools.values());
        known
    }

    /// All that is revoked once `newer` is in force.
    pub(crate) fn revocations_after(&self, newer: &Head) -> Revocations {
        let at = newer.issue.issued_at;
        let mut known = self.revocations_until(newer);
        known.learn(newer, at, self.pools.values());
        known.forget_ended(at);
        known
    }

    /// Why a row cannot follow the version of it that is known. Versions may be left out, as bundles may; the next one
    /// names the one before.
    pub(crate) fn unfit_version(&self, row: &Verified<Allocation>) -> Option<&'static str> {
        let versions = self.rows.values().map(|known| &known.allocation);
        let same = versions.filter(|known| known.issue.id == row.issue.id);
        let known = same.max_by_key(|known| known.seq)?;
        if row.seq < known.seq {
            return Some("is an earlier version");
        }
        if row.generation != known.generation {
            return None;
        }
        if row.seq == known.seq {
            return (row.digest() != known.digest()).then_some("says something else under the same number");
        }
        let next = known.seq.checked_add(1) == Some(row.seq);
        (next && row.prev != Some(known.digest())).then_some("does not follow the version that is known")
    }

    /// Forgets a row that is not current, once no lease names it.
    pub(crate) fn forget_row(&mut self, index: RowIndex) {
        if self.rows.get(&index).is_some_and(|row| !row.current) {
            self.rows.remove(&index);
        }
    }

    /// The chain of that digest, if a lease may still need it.
    pub(crate) fn chain(&self, digest: Digest) -> Option<&Chain> {
        self.rows.values().find(|row| row.chain_digest == digest).map(|row| &row.chain)
    }

    fn take_pools(&mut self, opened: &OpenedBundle) {
        for entry in self.pools.values_mut() {
            entry.live = false;
        }
        for pool in &opened.pools {
            let Some(grant) = opened.grant(pool.grant_digest) else { continue };
            let index = self.pool_index(pool.issue.id).unwrap_or_else(|| {
                let index = self.next_pool;
                self.next_pool = index.saturating_add(1);
                index
            });
            let entry = PoolEntry { pool: pool.clone(), grant: grant.clone(), live: true, rows: Vec::new() };
            self.pools.insert(index, entry);
        }
    }

    fn take_rows(&mut self, opened: &OpenedBundle, roots: &[Bytes], unbounded_ms: i64) {
        for row in self.rows.values_mut() {
            row.current = false;
        }
        for entry in self.pools.values_mut() {
            entry.rows.clear();
        }
        for allocation in &opened.allocations {
            let Some(pool_index) = self.pool_index(allocation.pool) else { continue };
            let Some(chain) = chain_of(opened, allocation, roots) else { continue };
            let known = self.rows.iter().find(|(_, row)| row.allocation.digest() == allocation.digest());
            let (index, unbounded_from_ms) = match known {
                Some((&index, row)) => (index, row.unbounded_from_ms),
                None => (self.next_row, unbounded_ms),
            };
            self.next_row = self.next_row.max(index.saturating_add(1));
            let chain_digest = chain.digest();
            let allocation = allocation.clone();
            let row = Row { pool_index, allocation, current: true, chain, chain_digest, unbounded_from_ms };
            self.rows.insert(index, row);
            if let Some(entry) = self.pools.get_mut(&pool_index) {
                entry.rows.push(index);
            }
        }
        let current: Vec<&Row> = self.rows.values().filter(|row| row.current).collect();
        self.releases.forget_acknowledged(&current);
        self.order_rows();
    }

    fn order_rows(&mut self) {
        let rows = &self.rows;
        let rank = |index: &RowIndex| {
            let allocation = rows.get(index).map(|row| &row.allocation);
            allocation.map(|a| (a.kind != AllocationKind::Elastic, a.issue.id))
        };
        for entry in self.pools.values_mut() {
            entry.rows.sort_by_key(rank);
        }
    }
}

impl LastBundle {
    pub(crate) fn of(bundle: &Verified<Bundle>) -> Self {
        let (serial, issued_at) = (bundle.issue.serial, bundle.issue.issued_at);
        let envelope = bundle.envelope().to_vec();
        Self { serial, issued_at, digest: bundle.digest(), envelope }
    }
}

fn chain_of(opened: &OpenedBundle, allocation: &Allocation, roots: &[Bytes]) -> Option<Chain> {
    let pool = opened.pool(allocation.pool_digest)?;
    let grant = opened.grant(pool.grant_digest)?;
    Some(Chain {
        roots: roots.to_vec(),
        grant: Bytes(grant.envelope().to_vec()),
        pool: Bytes(pool.envelope().to_vec()),
        allocation: Bytes(allocation_envelope(opened, allocation)?.to_vec()),
        certificate: Bytes(opened.certificate.envelope().to_vec()),
    })
}

fn allocation_envelope<'a>(opened: &'a OpenedBundle, allocation: &Allocation) -> Option<&'a [u8]> {
    let same = |row: &&Verified<Allocation>| row.issue.id == allocation.issue.id;
    opened.allocations.iter().find(same).map(Verified::envelope)
}

/// All roots a node has, ascending, as the bundle's roots extend them. Answers what the new ones say the floor of time
/// is to be, if one says so.
pub(crate) fn extend_roots(
    roots: &mut Vec<Bytes>,
    from: &TrustRoot,
    opened: &OpenedBundle,
) -> Option<UnixMs> {
    let (mut newest, mut floor_reset) = (from.clone(), None);
    for bytes in opened.bundle.items_of(Kind::Root) {
        if let Ok(next) = newest.advance(bytes) {
            roots.push(Bytes(bytes.to_vec()));
            floor_reset = next.root().floor_reset.or(floor_reset);
            newest = next;
        }
    }
    floor_reset
}
