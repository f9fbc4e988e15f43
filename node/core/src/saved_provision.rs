//! What bundles gave the node, as a snapshot keeps it: artefacts as their envelopes, which are verified again.

use std::borrow::Cow;

use leasehold_protocol::artefact::{Artefact, Bundle, Chain, Grant, NodeCertificate, Pool};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::envelope::{Verified, VerifyError, verify};
use leasehold_protocol::trust_root::TrustRoot;
use serde::{Deserialize, Serialize};

use crate::provision::{LastBundle, PoolEntry, PoolIndex, Provision, Row, RowIndex};
use crate::release::Releases;
use crate::revocation::Revocations;
use crate::snapshot::{Lineage, RestoreError};

/// [`Provision`].
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedProvision<'a> {
    /// The one applied last: who the node is and what number its bundles have reached.
    bundle: Bytes,
    head: Bytes,
    certificate: Bytes,
    revocations: Cow<'a, Revocations>,
    releases: Cow<'a, Releases>,
    pools: Vec<(PoolIndex, SavedPool<'a>)>,
    rows: Vec<(RowIndex, SavedRow)>,
    next_pool: PoolIndex,
    next_row: RowIndex,
}

#[derive(Serialize, Deserialize)]
struct SavedPool<'a> {
    pool: Bytes,
    grant: Bytes,
    live: bool,
    rows: Cow<'a, [RowIndex]>,
}

/// A row as its chain, which ends with its allocation.
#[derive(Serialize, Deserialize)]
struct SavedRow {
    pool_index: PoolIndex,
    current: bool,
    /// How many of the node's roots were there when it came.
    roots: usize,
    grant: Bytes,
    pool: Bytes,
    allocation: Bytes,
    certificate: Bytes,
    unbounded_from_ms: i64,
}

impl<'a> SavedProvision<'a> {
    pub(crate) fn of(provision: &'a Provision) -> Self {
        Self {
            bundle: Bytes(provision.last_bundle.envelope.clone()),
            head: envelope(&provision.head),
            certificate: envelope(&provision.certificate),
            revocations: Cow::Borrowed(&provision.revocations),
            releases: Cow::Borrowed(&provision.releases),
            pools: provision.pools.iter().map(|(&index, entry)| (index, SavedPool::of(entry))).collect(),
            rows: provision.rows.iter().map(|(&index, row)| (index, SavedRow::of(row))).collect(),
            next_pool: provision.next_pool,
            next_row: provision.next_row,
        }
    }

    pub(crate) fn restore(self, lineage: &Lineage) -> Result<Provision, RestoreError> {
        let bundle: Verified<Bundle> = verified(&self.bundle, lineage)?;
        let pools = self.pools.into_iter().map(|(index, pool)| Ok((index, pool.restore(lineage)?)));
        let rows = self.rows.into_iter().map(|(index, row)| Ok((index, row.restore(lineage)?)));
        Ok(Provision {
            node: bundle.node,
            account: bundle.account,
            generation: bundle.generation,
            head: verified(&self.head, lineage)?,
            certificate: verified(&self.certificate, lineage)?,
            ratchet: bundle.ratchet,
            last_bundle: LastBundle::of(&bundle),
            revocations: self.revocations.into_owned(),
            releases: self.releases.into_owned(),
            pools: pools.collect::<Result<_, RestoreError>>()?,
            rows: rows.collect::<Result<_, RestoreError>>()?,
            next_pool: self.next_pool,
            next_row: self.next_row,
        })
    }
}

impl<'a> SavedPool<'a> {
    fn of(entry: &'a PoolEntry) -> Self {
        Self {
            pool: envelope(&entry.pool),
            grant: envelope(&entry.grant),
            live: entry.live,
            rows: Cow::Borrowed(&entry.rows),
        }
    }

    fn restore(self, lineage: &Lineage) -> Result<PoolEntry, RestoreError> {
        Ok(PoolEntry {
            pool: verified(&self.pool, lineage)?,
            grant: verified(&self.grant, lineage)?,
            live: self.live,
            rows: self.rows.into_owned(),
        })
    }
}

impl SavedRow {
    fn of(row: &Row) -> Self {
        let Chain { roots, grant, pool, allocation, certificate } = row.chain.clone();
        Self {
            pool_index: row.pool_index,
            current: row.current,
            roots: roots.len(),
            grant,
            pool,
            allocation,
            certificate,
            unbounded_from_ms: row.unbounded_from_ms,
        }
    }

    fn restore(self, lineage: &Lineage) -> Result<Row, RestoreError> {
        let Self { grant, pool, allocation, certificate, .. } = self;
        verified::<Grant>(&grant, lineage)?;
        verified::<Pool>(&pool, lineage)?;
        verified::<NodeCertificate>(&certificate, lineage)?;
        let verified_allocation = verified(&allocation, lineage)?;
        let roots = lineage.envelopes().take(self.roots).collect();
        let chain = Chain { roots, grant, pool, allocation, certificate };
        Ok(Row {
            pool_index: self.pool_index,
            allocation: verified_allocation,
            current: self.current,
            chain_digest: chain.digest(),
            chain,
            unbounded_from_ms: self.unbounded_from_ms,
        })
    }
}

fn envelope<T>(artefact: &Verified<T>) -> Bytes {
    Bytes(artefact.envelope().to_vec())
}

/// An artefact was verified under the root that was the newest then, which may not be the newest now.
fn verified<T: Artefact>(envelope: &Bytes, lineage: &Lineage) -> Result<Verified<T>, RestoreError> {
    let verify = |root: &TrustRoot| verify(&envelope.0, &root.ring(T::KIND));
    let mut refusal: Option<VerifyError> = None;
    for root in lineage.roots() {
        match verify(root) {
            Ok(artefact) => return Ok(artefact),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let error = refusal.expect("a lineage has a root");
    Err(RestoreError::Artefact { kind: T::KIND, error })
}
