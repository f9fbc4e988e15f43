//! The table of leases with its indexes: who holds what, which slots are free, which keys were used.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::SvcMs;

use crate::input::Principal;
use crate::interner::Interner;
use crate::lease::Lease;
use crate::lease_table::{Handle, LeaseTable};
use crate::limits;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::EndCause;
use crate::taken::Taken;
use crate::usage::{Count, Usage};

/// What is remembered of an ended lease.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) lease: LeaseId,
    pub(crate) key: [u8; 16],
    pub(crate) principal: Principal,
    pub(crate) params_hash: [u8; 8],
    pub(crate) cause: EndCause,
}

/// All leases of a node.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    leases: LeaseTable,
    principals: Interner<Principal>,
    pools: BTreeMap<PoolIndex, PoolLedger>,
    /// How many leases are under each row.
    under_row: BTreeMap<RowIndex, u32>,
    ended: VecDeque<Seq>,
    ended_by_grant: BTreeMap<Seq, Ended>,
    ended_by_id: BTreeMap<LeaseId, Seq>,
    ended_by_key: BTreeMap<[u8; 16], Seq>,
}

/// The numbers of one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolLedger {
    /// Low bits of the newest epoch.
    pub(crate) epoch_counter: u64,
    /// Slots of leases that have not ended.
    pub(crate) taken: Taken,
    /// Seats of leases that have not ended.
    pub(crate) seats: u32,
    /// Since the last request.
    pub(crate) peak_seats: u32,
    /// Since the last request.
    pub(crate) granted: u64,
    /// Since the last request.
    pub(crate) denied: u64,
    /// Its leases, in the order in which their seats may be given to somebody else.
    by_reclaim: BTreeSet<(SvcMs, Handle)>,
}

impl PoolLedger {
    /// Since the last request.
    pub(crate) const fn count(&self) -> Count {
        Count { peak_seats: self.peak_seats, granted: self.granted, denied: self.denied }
    }
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self {
            leases: LeaseTable::new(),
            principals: Interner::new(),
            pools: BTreeMap::new(),
            under_row: BTreeMap::new(),
            ended: VecDeque::new(),
            ended_by_grant: BTreeMap::new(),
            ended_by_id: BTreeMap::new(),
            ended_by_key: BTreeMap::new(),
        }
    }

    /// What was counted since this was asked last.
    pub(crate) fn take_usage(&mut self) -> Usage {
        let counts = self.pools.iter_mut().map(|(&index, pool)| {
            let count = pool.count();
            (pool.peak_seats, pool.granted, pool.denied) = (pool.seats, 0, 0);
            (index, count)
        });
        counts.collect()
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter()
    }

    pub(crate) fn get(&self, grant: Seq) -> Option<&Lease> {
        self.leases.get(self.leases.find(grant)?)
    }

    pub(crate) fn by_key(&self, key: &[u8; 16]) -> Option<&Lease> {
        self.leases.by_key(key)
    }

    /// The lease of that id, if it is `principal`'s.
    pub(crate) fn held_by(&self, principal: Principal, id: LeaseId) -> Option<&Lease> {
        self.leases.by_id(id).filter(|lease| self.principals.get(lease.principal) == Some(&principal))
    }

    pub(crate) fn ended_by_id(&self, id: LeaseId) -> Option<&Ended> {
        self.ended_by_id.get(&id).and_then(|grant| self.ended_by_grant.get(grant))
    }

    pub(crate) fn ended_by_key(&self, key: &[u8; 16]) -> Option<&Ended> {
        self.ended_by_key.get(key).and_then(|grant| self.ended_by_grant.get(grant))
    }

    pub(crate) fn pool(&self, index: PoolIndex) -> Option<&PoolLedger> {
        self.pools.get(&index)
    }

    pub(crate) fn pool_mut(&mut self, index: PoolIndex) -> &mut PoolLedger {
        self.pools.entry(index).or_default()
    }

    /// Leases of a pool, in the order in which their seats may be given to somebody else.
    pub(crate) fn of_pool(&self, pool: PoolIndex) -> impl Iterator<Item = &Lease> {
        let leases = self.pool(pool).into_iter().flat_map(|pool| &pool.by_reclaim);
        leases.filter_map(|&(_, handle)| self.leases.get(handle))
    }

    /// The end of the last promise of a pool.
    pub(crate) fn last_deadline(&self, pool: PoolIndex) -> Option<SvcMs> {
        self.of_pool(pool).map(Lease::deadline).max()
    }

    /// Leases of a pool whose seats may be given to somebody else, the earliest first. Touches no other lease.
    pub(crate) fn run_out(&self, pool: PoolIndex, svc: SvcMs) -> impl Iterator<Item = &Lease> {
        self.of_pool(pool).take_while(move |lease| lease.has_run_out(svc))
    }

    /// How many of a pool's seats are counted: those of leases that have not run out.
    pub(crate) fn in_use(&self, pool: PoolIndex, svc: SvcMs) -> u32 {
        let all = self.pool(pool).map_or(0, |pool| pool.seats);
        self.run_out(pool, svc).fold(all, |seats, lease| seats.saturating_sub(lease.count))
    }

    /// Whether any lease is under the row.
    pub(crate) fn uses_row(&self, row: RowIndex) -> bool {
        self.under_row.contains_key(&row)
    }

    /// Takes a lease in; its principal is interned here.
    pub(crate) fn insert(&mut self, principal: Principal, mut lease: Lease) {
        lease.principal = self.intern(principal);
        let (index, row, reclaim_at, count) = (lease.pool, lease.row, lease.reclaim_at(), lease.count);
        self.pool_mut(index).taken.insert_all(&lease.slots);
        let handle = self.leases.insert(lease);
        let pool = self.pool_mut(index);
        pool.seats = pool.seats.saturating_add(count);
        pool.peak_seats = pool.peak_seats.max(pool.seats);
        pool.granted = pool.granted.saturating_add(1);
        pool.by_reclaim.insert((reclaim_at, handle));
        self.enter_row(row);
    }

    /// Changes a lease's promise or row, keeping the indexes true.
    pub(crate) fn update(&mut self, grant: Seq, change: impl FnOnce(&mut Lease)) {
        let Some(handle) = self.leases.find(grant) else { return };
        let Some(lease) = self.leases.get_mut(handle) else { return };
        let (index, row, reclaim_at) = (lease.pool, lease.row, lease.reclaim_at());
        change(lease);
        let (new_row, new_reclaim_at) = (lease.row, lease.reclaim_at());
        let pool = self.pool_mut(index);
        pool.by_reclaim.remove(&(reclaim_at, handle));
        pool.by_reclaim.insert((new_reclaim_at, handle));
        self.enter_row(new_row);
        self.leave_row(row);
    }

    pub(crate) fn end(&mut self, grant: Seq, cause: EndCause) -> Option<Lease> {
        let (handle, lease) = self.leases.remove(grant)?;
        let pool = self.pool_mut(lease.pool);
        pool.taken.remove_all(&lease.slots);
        pool.seats = pool.seats.saturating_sub(lease.count);
        pool.by_reclaim.remove(&(lease.reclaim_at(), handle));
        self.leave_row(lease.row);
        self.remember(&lease, cause);
        self.principals.release(lease.principal);
        Some(lease)
    }

    fn intern(&mut self, principal: Principal) -> u32 {
        let index = self.principals.find(&principal).unwrap_or_else(|| {
            let index = self.principals.next();
            self.principals.insert(index, principal);
            index
        });
        self.principals.acquire(index);
        index
    }

    fn enter_row(&mut self, row: RowIndex) {
        let leases = self.under_row.entry(row).or_default();
        *leases = leases.saturating_add(1);
    }

    fn leave_row(&mut self, row: RowIndex) {
        let Some(leases) = self.under_row.get_mut(&row) else { return };
        *leases = leases.saturating_sub(1);
        if *leases == 0 {
            self.under_row.remove(&row);
        }
    }

    fn remember(&mut self, lease: &Lease, cause: EndCause) {
        let Some(&principal) = self.principals.get(lease.principal) else { return };
        let &Lease { grant, id, key, params_hash, .. } = lease;
        let ended = Ended { lease: id, key, principal, params_hash, cause };
        self.ended.push_back(grant);
        self.ended_by_id.insert(id, grant);
        self.ended_by_key.insert(key, grant);
        self.ended_by_grant.insert(grant, ended);
        if self.ended.len() > limits::ENDED_LEASES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest =
            self.ended.pop_front().and_then(|grant| self.ended_by_grant.remove(&grant).map(|e| (grant, e)));
        let Some((grant, ended)) = oldest else { return };
        self.ended_by_id.remove(&ended.lease);
        // The key may name a younger lease by now: it was free to be used again once its lease was forgotten.
        if self.ended_by_key.get(&ended.key) == Some(&grant) {
            self.ended_by_key.remove(&ended.key);
        }
    }
}
