//! The table of leases with its indexes: who holds what, which slots are free, which keys were used.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{SvcMs, UnixMs};

use crate::effect::TicketPlace;
use crate::input::Principal;
use crate::limits;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::{EndCause, LeaseGranted};
use crate::usage::{Count, Usage};
use crate::taken::Taken;

/// A lease that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) granted: LeaseGranted,
    /// Seq of its grant: its journal-local name.
    pub(crate) grant: Seq,
    /// Seq of its grant or last renewal.
    pub(crate) renewal: Seq,
    /// The row it is under now.
    pub(crate) row: RowIndex,
    /// Life from its grant or last renewal.
    pub(crate) ttl_ms: i64,
    /// When that was.
    pub(crate) since: SvcMs,
    /// End of the promise.
    pub(crate) deadline: SvcMs,
    /// From when on the seat may be given to somebody else: the latest deadline + G of all its promises.
    pub(crate) reclaim_at: SvcMs,
    /// Bounds of true time when that was.
    pub(crate) issued: (UnixMs, UnixMs),
    /// As in the ticket.
    pub(crate) flags: u16,
    /// Where its newest ticket is signed.
    pub(crate) place: TicketPlace,
    /// Wall clock of its grant, for people.
    pub(crate) acquired_at: UnixMs,
}

/// Server grace G: a tenth of the life, at least five seconds.
pub(crate) fn grace_ms(ttl_ms: i64) -> i64 {
    (ttl_ms / 10).max(limits::GRACE_MIN_MS)
}

impl Lease {
    /// Whether the seat may be given to somebody else: svc ≥ deadline + G.
    pub(crate) fn has_run_out(&self, svc: SvcMs, grace: bool) -> bool {
        let from = if grace { self.reclaim_at } else { self.deadline };
        from <= svc
    }
}

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
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    leases: BTreeMap<Seq, Lease>,
    by_id: BTreeMap<LeaseId, Seq>,
    by_key: BTreeMap<[u8; 16], Seq>,
    pools: BTreeMap<PoolIndex, PoolLedger>,
    /// Leases of each pool, the oldest deadline first.
    by_deadline: BTreeMap<PoolIndex, BTreeSet<(SvcMs, Seq)>>,
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
            leases: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_key: BTreeMap::new(),
            pools: BTreeMap::new(),
            by_deadline: BTreeMap::new(),
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
        self.leases.values()
    }

    pub(crate) fn by_id(&self, id: LeaseId) -> Option<&Lease> {
        self.by_id.get(&id).and_then(|grant| self.leases.get(grant))
    }

    pub(crate) fn by_key(&self, key: &[u8; 16]) -> Option<&Lease> {
        self.by_key.get(key).and_then(|grant| self.leases.get(grant))
    }

    pub(crate) fn get(&self, grant: Seq) -> Option<&Lease> {
        self.leases.get(&grant)
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

    /// Leases of a pool, the oldest deadline first.
    pub(crate) fn of_pool(&self, pool: PoolIndex) -> impl Iterator<Item = &Lease> {
        self.by_deadline.get(&pool).into_iter().flatten().filter_map(|(_, grant)| self.leases.get(grant))
    }

    /// The end of the last promise of a pool.
    pub(crate) fn last_deadline(&self, pool: PoolIndex) -> Option<SvcMs> {
        self.by_deadline.get(&pool)?.last().map(|&(deadline, _)| deadline)
    }

    /// Leases of a pool whose seats may be given to somebody else, the oldest deadline first. Touches no other lease
    /// than those past their deadline.
    pub(crate) fn run_out(&self, pool: PoolIndex, svc: SvcMs, grace: bool) -> impl Iterator<Item = &Lease> {
        let past = self.of_pool(pool).take_while(move |lease| lease.deadline <= svc);
        past.filter(move |lease| lease.has_run_out(svc, grace))
    }

    /// How many of a pool's seats are counted: those of leases that have not run out.
    pub(crate) fn in_use(&self, pool: PoolIndex, svc: SvcMs, grace: bool) -> u32 {
        let all = self.pool(pool).map_or(0, |pool| pool.seats);
        self.run_out(pool, svc, grace).fold(all, |seats, lease| seats.saturating_sub(lease.granted.count))
    }

    /// Whether any lease is under the row.
    pub(crate) fn uses_row(&self, row: RowIndex) -> bool {
        self.under_row.contains_key(&row)
    }

    pub(crate) fn insert(&mut self, lease: Lease) {
        let grant = lease.grant;
        let pool = self.pool_mut(lease.granted.pool);
        pool.taken.insert_all(&lease.granted.slots);
        pool.seats = pool.seats.saturating_add(lease.granted.count);
        pool.peak_seats = pool.peak_seats.max(pool.seats);
        pool.granted = pool.granted.saturating_add(1);
        self.by_id.insert(lease.granted.lease, grant);
        self.by_key.insert(lease.granted.key, grant);
        self.index(lease.granted.pool, lease.row, lease.deadline, grant);
        self.leases.insert(grant, lease);
    }

    /// Changes a lease's deadline or row, keeping the indexes true.
    pub(crate) fn update(&mut self, grant: Seq, change: impl FnOnce(&mut Lease)) {
        let Some(lease) = self.leases.get_mut(&grant) else { return };
        let (pool, row, deadline) = (lease.granted.pool, lease.row, lease.deadline);
        change(lease);
        let (new_row, new_deadline) = (lease.row, lease.deadline);
        self.unindex(pool, row, deadline, grant);
        self.index(pool, new_row, new_deadline, grant);
    }

    pub(crate) fn end(&mut self, grant: Seq, cause: EndCause) -> Option<Lease> {
        let lease = self.leases.remove(&grant)?;
        let granted = &lease.granted;
        self.by_id.remove(&granted.lease);
        self.by_key.remove(&granted.key);
        self.unindex(granted.pool, lease.row, lease.deadline, grant);
        let pool = self.pool_mut(granted.pool);
        pool.taken.remove_all(&granted.slots);
        pool.seats = pool.seats.saturating_sub(granted.count);
        self.remember(grant, &lease, cause);
        Some(lease)
    }

    fn index(&mut self, pool: PoolIndex, row: RowIndex, deadline: SvcMs, grant: Seq) {
        self.by_deadline.entry(pool).or_default().insert((deadline, grant));
        let leases = self.under_row.entry(row).or_default();
        *leases = leases.saturating_add(1);
    }

    fn unindex(&mut self, pool: PoolIndex, row: RowIndex, deadline: SvcMs, grant: Seq) {
        if let Some(leases) = self.by_deadline.get_mut(&pool) {
            leases.remove(&(deadline, grant));
        }
        if let Some(leases) = self.under_row.get_mut(&row) {
            *leases = leases.saturating_sub(1);
            if *leases == 0 {
                self.under_row.remove(&row);
            }
        }
    }

    fn remember(&mut self, grant: Seq, lease: &Lease, cause: EndCause) {
        let granted = &lease.granted;
        let (id, key) = (granted.lease, granted.key);
        let ended =
            Ended { lease: id, key, principal: granted.principal, params_hash: granted.params_hash, cause };
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
