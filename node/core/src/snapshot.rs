//! The whole fold as bytes, and back: what a journal up to here comes to.
//!
//! A snapshot is a sequence of parts, each the one encoding of a value: the [`Head`], then lists, each in groups of
//! [`limits::SNAPSHOT_PART_ITEMS`] and a last one with fewer: holders, sets of features, principals (each by value),
//! ended leases in the order of their ends, leases by grant. What follows from these is not in it. A core that was
//! restored decides as one that replayed: nothing it decides by is lost.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::sync::Arc;

use leasehold_protocol::artefact::Kind;
use leasehold_protocol::bytes::{Bytes, SpkiDigest};
use leasehold_protocol::canonical::{self, CodecError};
use leasehold_protocol::envelope::VerifyError;
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::trust_root::{RootError, TrustRoot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use slab::Slab;

use crate::clock::Clock;
use crate::contact::NamedIssuer;
use crate::core::{Identity, NodeCore};
use crate::denial::RecentDenials;
use crate::forced_release::Forced;
use crate::fork::Fork;
use crate::interner::Interner;
use crate::lease::Lease;
use crate::lease_table::LeaseTable;
use crate::ledger::{Ledger, PoolLedger, Vacated};
use crate::limits;
use crate::machine::Machine;
use crate::provision::PoolIndex;
use crate::quarantine::Quarantine;
use crate::receipt::MadeReceipt;
use crate::recover::Recover;
use crate::request::OpenRequest;
use crate::saved_provision::SavedProvision;
use crate::surrender::Surrendered;

/// The layout of the parts. A snapshot of another one is of no use: the journal is replayed.
pub const STATE_VERSION: u16 = 4;

/// Parts are not a snapshot, or not one of a node that this vendor's roots vouch for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// An artefact in it.
    #[error("its {kind} does not verify: {error}")]
    Artefact {
        /// What it is.
        kind: Kind,
        /// Why.
        error: VerifyError,
    },
    /// A part is missing.
    #[error("it ends before its last part")]
    Cut,
    /// A part is more than there should be.
    #[error("it goes on after its last part")]
    Excess,
    /// A part is not the one encoding of what should be there.
    #[error("a part of it is malformed: {0}")]
    Malformed(#[from] CodecError),
    /// The roots do not lead from the first to the last.
    #[error("its trust roots do not verify: {0}")]
    Roots(#[from] RootError),
}

impl NodeCore {
    /// The state that the journal determines, part by part, in its one encoding.
    pub fn snapshot(&self) -> impl Iterator<Item = Vec<u8>> {
        iter::once_with(|| canonical::encode(&self.head()))
            .chain(groups(self.holders.entries()))
            .chain(groups(self.features.entries()))
            .chain(groups(self.ledger.principals().entries()))
            .chain(groups(self.ledger.ended().iter()))
            .chain(groups(self.ledger.leases()))
    }

    /// Hash of the parts one after the other: equal for a live core, and one made by replay or from a snapshot.
    pub fn state_hash(&self) -> [u8; 32] {
        self.snapshot().fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }

    /// The core of a snapshot. Every artefact is verified again, from the first trust root on. The parts come from
    /// somewhere that may fail with an `E` of its own.
    pub fn restore<E: From<RestoreError>>(
        parts: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Self, E> {
        let mut parts = Parts(parts.into_iter());
        let head: Head<'_> = parts.one()?;
        let (holders, features) = (parts.values()?, parts.values()?);
        let principals = (head.next_principal, parts.values()?);
        let ended = parts.items().collect::<Result<_, _>>()?;
        let leases = parts.leases(head.leases)?;
        parts.end()?;
        let mut core = Self::new();
        core.ledger =
            Ledger::restored(head.pools.into_owned(), principals, ended, leases, head.vacated.into_owned());
        let named = |number: fn(&Lease) -> u32| core.ledger.leases().map(number);
        core.holders = Interner::restored(head.next_holder, holders, named(|lease| lease.holder));
        core.features = Interner::restored(head.next_features, features, named(|lease| lease.features));
        core.next_seq = head.next_seq;
        core.clock = head.clock.into_owned();
        let lineage = head.identity.as_ref().map(Lineage::of).transpose()?;
        core.provision = match (head.provision, &lineage) {
            (Some(saved), Some(lineage)) => Some(saved.restore(lineage)?),
            (Some(_), None) => return Err(RestoreError::Cut.into()),
            (None, _) => None,
        };
        core.identity = head.identity.zip(lineage).map(|(saved, lineage)| saved.restore(lineage));
        core.requests = head.requests.into_owned();
        core.issuer = head.issuer.into_owned();
        (core.reports, core.answered_report) = (head.reports, head.answered_report);
        core.surrenders = head.surrenders.into_owned();
        core.receipts = head.receipts.into_owned();
        core.forced = head.forced.into_owned();
        (core.recover, core.fork, core.machine) = (head.recover.into_owned(), head.fork, head.machine);
        core.quarantine = head.quarantine.into_owned();
        core.recent_denials = head.recent_denials.into_owned();
        Ok(core)
    }

    fn head(&self) -> Head<'_> {
        Head {
            next_seq: self.next_seq,
            clock: Cow::Borrowed(&self.clock),
            identity: self.identity.as_ref().map(SavedIdentity::of),
            provision: self.provision.as_ref().map(SavedProvision::of),
            requests: Cow::Borrowed(&self.requests),
            issuer: Cow::Borrowed(&self.issuer),
            reports: self.reports,
            answered_report: self.answered_report,
            surrenders: Cow::Borrowed(&self.surrenders),
            receipts: Cow::Borrowed(&self.receipts),
            forced: Cow::Borrowed(&self.forced),
            recover: Cow::Borrowed(&self.recover),
            fork: self.fork,
            quarantine: Cow::Borrowed(&self.quarantine),
            machine: self.machine,
            recent_denials: Cow::Borrowed(&self.recent_denials),
            pools: Cow::Borrowed(self.ledger.pools()),
            vacated: Cow::Borrowed(self.ledger.vacated()),
            next_holder: self.holders.next(),
            next_features: self.features.next(),
            next_principal: self.ledger.principals().next(),
            leases: self.ledger.lease_count(),
        }
    }
}

/// All that there is not very much of.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    next_seq: Seq,
    clock: Cow<'a, Clock>,
    identity: Option<SavedIdentity<'a>>,
    provision: Option<SavedProvision<'a>>,
    requests: Cow<'a, VecDeque<OpenRequest>>,
    issuer: Cow<'a, Option<NamedIssuer>>,
    reports: u64,
    answered_report: u64,
    surrenders: Cow<'a, VecDeque<Surrendered>>,
    receipts: Cow<'a, VecDeque<MadeReceipt>>,
    forced: Cow<'a, VecDeque<Forced>>,
    recover: Cow<'a, Option<Recover>>,
    fork: Option<Fork>,
    quarantine: Cow<'a, Quarantine>,
    machine: Option<Machine>,
    recent_denials: Cow<'a, RecentDenials>,
    pools: Cow<'a, BTreeMap<PoolIndex, PoolLedger>>,
    vacated: Cow<'a, Vacated>,
    next_holder: u32,
    next_features: u32,
    next_principal: u32,
    /// How many there are.
    leases: usize,
}

#[derive(Serialize, Deserialize)]
struct SavedIdentity<'a> {
    incarnation: u32,
    /// From the one it was initialised with to the newest.
    roots: Cow<'a, [Bytes]>,
    sign_key: PublicKeyBytes,
    tls_keys: Cow<'a, [SpkiDigest]>,
    name: Cow<'a, str>,
}

impl<'a> SavedIdentity<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self {
            incarnation: identity.incarnation,
            roots: Cow::Borrowed(&identity.roots),
            sign_key: identity.sign_key,
            tls_keys: Cow::Borrowed(&identity.tls_keys),
            name: Cow::Borrowed(&identity.name),
        }
    }

    fn restore(self, lineage: Lineage) -> Identity {
        Identity {
            incarnation: self.incarnation,
            root: lineage.newest,
            roots: self.roots.into_owned(),
            sign_key: self.sign_key,
            tls_keys: self.tls_keys.into_owned(),
            name: self.name.into_owned(),
        }
    }
}

/// The roots that a node has stood on, each signed by the one before. What it keeps was verified under one of them.
pub(crate) struct Lineage {
    newest: TrustRoot,
    /// The newest first.
    earlier: Vec<TrustRoot>,
}

impl Lineage {
    fn of(identity: &SavedIdentity<'_>) -> Result<Self, RestoreError> {
        let (first, later) = identity.roots.split_first().ok_or(RestoreError::Cut)?;
        let mut lineage = Self { newest: TrustRoot::pin(&first.0)?, earlier: Vec::new() };
        for root in later {
            let newest = lineage.newest.advance(&root.0)?;
            lineage.earlier.insert(0, std::mem::replace(&mut lineage.newest, newest));
        }
        Ok(lineage)
    }

    /// The oldest first, byte for byte.
    pub(crate) fn envelopes(&self) -> impl Iterator<Item = Bytes> {
        let roots = self.earlier.iter().rev().chain(iter::once(&self.newest));
        roots.map(|root| Bytes(root.root().envelope().to_vec()))
    }

    /// The newest first.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &TrustRoot> {
        iter::once(&self.newest).chain(&self.earlier)
    }
}

/// A list as parts: full groups, and one that is not.
fn groups<T: Serialize>(mut items: impl Iterator<Item = T>) -> impl Iterator<Item = Vec<u8>> {
    let mut ended = false;
    iter::from_fn(move || {
        if ended {
            return None;
        }
        let group: Vec<T> = items.by_ref().take(limits::SNAPSHOT_PART_ITEMS).collect();
        ended = group.len() < limits::SNAPSHOT_PART_ITEMS;
        Some(canonical::encode(&group))
    })
}

/// Parts as they come.
struct Parts<I>(I);

impl<E: From<RestoreError>, I: Iterator<Item = Result<Vec<u8>, E>>> Parts<I> {
    fn one<T: Serialize + DeserializeOwned>(&mut self) -> Result<T, E> {
        let part = self.0.next().ok_or(RestoreError::Cut)??;
        Ok(canonical::decode(&part).map_err(RestoreError::from)?)
    }

    /// The items of a list, one after the other: there may be a million, which nobody wants in memory twice.
    fn items<T: Serialize + DeserializeOwned>(&mut self) -> impl Iterator<Item = Result<T, E>> {
        let mut ended = false;
        let groups = iter::from_fn(move || {
            if ended {
                return None;
            }
            let group: Result<Vec<T>, E> = self.one();
            ended = group.as_ref().map_or(true, |group| group.len() < limits::SNAPSHOT_PART_ITEMS);
            Some(group)
        });
        groups.flat_map(|group| {
            let (items, error) = group.map_or_else(|error| (Vec::new(), Some(error)), |items| (items, None));
            items.into_iter().map(Ok).chain(error.map(Err))
        })
    }

    fn values<T: Serialize + DeserializeOwned + Ord>(&mut self) -> Result<BTreeMap<Arc<T>, u32>, E> {
        self.items().map(|item| item.map(|(value, index)| (Arc::new(value), index))).collect()
    }

    fn leases(&mut self, count: usize) -> Result<LeaseTable, E> {
        let mut leases = Slab::with_capacity(count.min(limits::LEASES_FORESEEN));
        for lease in self.items() {
            leases.insert(lease?);
        }
        Ok(leases.into())
    }

    fn end(mut self) -> Result<(), E> {
        match self.0.next() {
            Some(part) => part.and(Err(RestoreError::Excess.into())),
            None => Ok(()),
        }
    }
}
