//! Where leases are, and how they are found: by the seq of their grant, by id, and by the key of their checkout.
//!
//! The indexes are the larger part of what a lease costs beside itself, so they hold 32 bits of id and key: enough to
//! find nearly always one, which is then compared in full.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use sha2::{Digest as _, Sha256};
use slab::Slab;

use crate::lease::Lease;

/// Where a lease is as long as it is there. Nothing that is decided depends on it: leases restored from a snapshot are
/// elsewhere.
type Handle = u32;

/// All leases that have not ended.
#[derive(Clone, Default)]
pub(crate) struct LeaseTable {
    leases: Slab<Lease>,
    by_grant: BTreeMap<Seq, Handle>,
    by_id: BTreeSet<(u32, Handle)>,
    by_key: BTreeSet<(u32, Handle)>,
}

impl LeaseTable {
    pub(crate) const fn new() -> Self {
        Self {
            leases: Slab::new(),
            by_grant: BTreeMap::new(),
            by_id: BTreeSet::new(),
            by_key: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.by_grant.values().filter_map(|&handle| self.at(handle))
    }

    pub(crate) fn get(&self, grant: Seq) -> Option<&Lease> {
        self.at(*self.by_grant.get(&grant)?)
    }

    pub(crate) fn get_mut(&mut self, grant: Seq) -> Option<&mut Lease> {
        self.leases.get_mut(*self.by_grant.get(&grant)? as usize)
    }

    pub(crate) fn by_id(&self, id: LeaseId) -> Option<&Lease> {
        self.among(&self.by_id, of_id(id)).find(|lease| lease.id == id)
    }

    pub(crate) fn by_key(&self, key: &[u8; 16]) -> Option<&Lease> {
        self.among(&self.by_key, of_key(key)).find(|lease| lease.key == *key)
    }

    pub(crate) fn insert(&mut self, lease: Lease) {
        let (grant, id, key) = (lease.grant, of_id(lease.id), of_key(&lease.key));
        let handle = handle(self.leases.insert(lease));
        self.by_grant.insert(grant, handle);
        self.by_id.insert((id, handle));
        self.by_key.insert((key, handle));
    }

    pub(crate) fn remove(&mut self, grant: Seq) -> Option<Lease> {
        let handle = self.by_grant.remove(&grant)?;
        let lease = self.leases.try_remove(handle as usize)?;
        self.by_id.remove(&(of_id(lease.id), handle));
        self.by_key.remove(&(of_key(&lease.key), handle));
        Some(lease)
    }

    fn at(&self, handle: Handle) -> Option<&Lease> {
        self.leases.get(handle as usize)
    }

    fn among(&self, index: &BTreeSet<(u32, Handle)>, bits: u32) -> impl Iterator<Item = &Lease> {
        let same = index.range((bits, Handle::MIN)..=(bits, Handle::MAX));
        same.filter_map(|&(_, handle)| self.at(handle))
    }
}

/// All leases at once, which is much faster than one after the other: each index is sorted, then built.
impl From<Slab<Lease>> for LeaseTable {
    fn from(leases: Slab<Lease>) -> Self {
        let handles = || leases.iter().map(|(at, lease)| (handle(at), lease));
        Self {
            by_grant: handles().map(|(handle, lease)| (lease.grant, handle)).collect(),
            by_id: handles().map(|(handle, lease)| (of_id(lease.id), handle)).collect(),
            by_key: handles().map(|(handle, lease)| (of_key(&lease.key), handle)).collect(),
            leases,
        }
    }
}

/// As a state: the leases alone, since the rest follows from them.
impl fmt::Debug for LeaseTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn handle(at: usize) -> Handle {
    Handle::try_from(at).expect("memory ends before 2³² leases")
}

/// The end of an id is random.
fn of_id(id: LeaseId) -> u32 {
    let [.., a, b, c, d] = id.0;
    u32::from_be_bytes([a, b, c, d])
}

/// Whoever chooses keys does not choose where they are found.
fn of_key(key: &[u8; 16]) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(key));
    u32::from_be_bytes([a, b, c, d])
}
