//! The table of leases with its indexes: who holds what, which slots are free, which keys were used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::SvcMs;
use serde::{Deserialize, Serialize};

use crate::ended::{Ended, EndedLeases};
use crate::input::Principal;
use crate::interner::Interner;
use crate::lease::{Lease, Standing};
use crate::lease_table::LeaseTable;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::EndCause;
use crate::room::Ending;
use crate::taken::Taken;
use crate::usage::{Count, Usage};

/// All leases of a node.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    leases: LeaseTable,
    principals: Interner<Principal>,
    pools: BTreeMap<PoolIndex, PoolLedger>,
    /// How many leases are under each row.
    under_row: BTreeMap<RowIndex, u32>,
    ended: EndedLeases,
    vacated: Vacated,
}

/// Slots that leases moved away from, by the end of the promises that name them, and by lease: until then they are
/// nobody else's.
pub(crate) type Vacated = BTreeMap<(SvcMs, Seq), (PoolIndex, SlotSet)>;

/// The numbers of one pool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PoolLedger {
    /// Low bits of the newest epoch.
    pub(crate) epoch_counter: u64,
    /// Slots of leases that have not ended.
    #[serde(skip)]
    pub(crate) taken: Taken,
    /// Seats of leases that have not ended.
    #[serde(skip)]
    pub(crate) seats: u32,
    /// Since the last request.
    pub(crate) peak_seats: u32,
    /// Since the last request.
    pub(crate) granted: u64,
    /// Since the last request.
    pub(crate) denied: u64,
    /// Which leases end first, where the bundle applied last left fewer seats than were held.
    pub(crate) ending: Option<Ending>,
    /// Its leases, in the order in which their seats may be given to somebody else.
    #[serde(skip)]
    by_reclaim: BTreeSet<(SvcMs, Seq)>,
    /// Those that are not renewed any more, each after the number of its holder.
    #[serde(skip)]
    pub(crate) leaving: BTreeSet<(u32, Seq)>,
}

impl PoolLedger {
    /// Since the last request.
    pub(crate) const fn count(&self) -> Count {
        Count { peak_seats: self.peak_seats, granted: self.granted, denied: self.denied }
    }

    /// Takes in its leases, all at once.
    fn fill(&mut self, leases: &[&Lease]) {
        self.taken = Taken::of(leases.iter().flat_map(|lease| lease.slots.ranges()).copied());
        self.seats = leases.iter().fold(0, |seats: u32, lease| seats.saturating_add(lease.count));
        self.by_reclaim = leases.iter().map(|lease| (lease.reclaim_at(), lease.grant)).collect();
        let leaving = leases.iter().filter(|lease| lease.standing() != Standing::Held);
        self.leaving = leaving.map(|lease| (lease.holder, lease.grant)).collect();
    }
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self {
            leases: LeaseTable::new(),
            principals: Interner::new(),
            pools: BTreeMap::new(),
            under_row: BTreeMap::new(),
            ended: EndedLeases::new(),
            vacated: Vacated::new(),
        }
    }

    /// The pools with what was counted of them, the leases, oldest first, and what is remembered of ended ones, in the
    /// order of their ends; all else follows from these.
    pub(crate) fn restored(
        mut pools: BTreeMap<PoolIndex, PoolLedger>,
        principals: (u32, BTreeMap<Arc<Principal>, u32>),
        ended: Vec<(Seq, Ended)>,
        leases: LeaseTable,
        vacated: Vacated,
    ) -> Self {
        let mut ledger = Self::new();
        let mut of_pools: BTreeMap<PoolIndex, Vec<&Lease>> = BTreeMap::new();
        for lease in leases.iter() {
            of_pools.entry(lease.pool).or_default().push(lease);
            ledger.enter_row(lease.row);
        }
        for (index, leases) in of_pools {
            pools.entry(index).or_default().fill(&leases);
        }
        for (grant, ended) in ended {
            ledger.ended.push(grant, ended);
        }
        let named = leases.iter().map(|lease| lease.principal);
        ledger.principals = Interner::restored(principals.0, principals.1, named);
        for (pool, slots) in vacated.values() {
            pools.entry(*pool).or_default().taken.insert_all(slots);
        }
        (ledger.pools, ledger.leases, ledger.vacated) = (pools, leases, vacated);
        ledger
    }

    /// The pools with what was counted of them.
    pub(crate) const fn pools(&self) -> &BTreeMap<PoolIndex, PoolLedger> {
        &self.pools
    }

    /// Who have leases.
    pub(crate) const fn principals(&self) -> &Interner<Principal> {
        &self.principals
    }

    /// Which slots leases moved away from.
    pub(crate) const fn vacated(&self) -> &Vacated {
        &self.vacated
    }

    /// Whether the promises of some of these are over.
    pub(crate) fn has_vacated(&self, svc: SvcMs) -> bool {
        self.vacated.first_key_value().is_some_and(|(&(until, _), _)| until <= svc)
    }

    /// Frees those whose promises are over.
    pub(crate) fn free_vacated(&mut self, svc: SvcMs) {
        while let Some(first) = self.vacated.first_entry().filter(|first| first.key().0 <= svc) {
            let (pool, slots) = first.remove();
            self.pool_mut(pool).taken.remove_all(&slots);
        }
    }

    /// What is remembered of ended leases.
    pub(crate) const fn ended(&self) -> &EndedLeases {
        &self.ended
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

    /// What was told to nobody is counted again.
    pub(crate) fn give_back_usage(&mut self, untold: Usage) {
        for (index, count) in untold {
            let pool = self.pool_mut(index);
            let Count { peak_seats, granted, denied } = pool.count().and(count);
            (pool.peak_seats, pool.granted, pool.denied) = (peak_seats, granted, denied);
        }
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter()
    }

    pub(crate) fn lease_count(&self) -> usize {
        self.leases.len()
    }

    pub(crate) fn get(&self, grant: Seq) -> Option<&Lease> {
        self.leases.get(grant)
    }

    pub(crate) fn by_key(&self, key: &[u8; 16]) -> Option<&Lease> {
        self.leases.by_key(key)
    }

    /// The lease of that id, whosever it is.
    pub(crate) fn by_id(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.by_id(id)
    }

    /// The lease of that id, if it is `principal`'s.
    pub(crate) fn held_by(&self, principal: Principal, id: LeaseId) -> Option<&Lease> {
        self.leases.by_id(id).filter(|lease| self.principals.get(lease.principal) == Some(&principal))
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
        leases.filter_map(|&(_, grant)| self.get(grant))
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

    /// Leases of a pool that are not renewed any more and are counted still.
    pub(crate) fn leaving(&self, pool: PoolIndex, svc: SvcMs) -> impl Iterator<Item = &Lease> {
        let leases = self.pool(pool).into_iter().flat_map(|pool| &pool.leaving);
        leases.filter_map(|&(_, grant)| self.get(grant)).filter(move |lease| !lease.has_run_out(svc))
    }

    /// Leases of a pool and holder that are not renewed any more.
    pub(crate) fn leaving_of(&self, pool: PoolIndex, holder: u32) -> impl Iterator<Item = &Lease> {
        let of_holder = (holder, Seq::NONE)..=(holder, Seq(u64::MAX));
        let leases = self.pool(pool).into_iter().flat_map(move |pool| pool.leaving.range(of_holder.clone()));
        leases.filter_map(|&(_, grant)| self.get(grant))
    }

    /// How many of a pool's seats are counted and may be renewed.
    pub(crate) fn held(&self, pool: PoolIndex, svc: SvcMs) -> u32 {
        let counted = self.in_use(pool, svc);
        self.leaving(pool, svc).fold(counted, |seats, lease| seats.saturating_sub(lease.count))
    }

    /// Which leases of a pool end first.
    pub(crate) fn set_ending(&mut self, pool: PoolIndex, ending: Option<Ending>) {
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.ending = ending;
        }
    }

    /// The same without leases that are in doubt.
    pub(crate) fn sure_use(&self, pool: PoolIndex, svc: SvcMs, doubts: impl Fn(&Lease) -> bool) -> u32 {
        let doubtful = self.of_pool(pool).filter(|lease| !lease.has_run_out(svc) && doubts(lease));
        doubtful.fold(self.in_use(pool, svc), |seats, lease| seats.saturating_sub(lease.count))
    }

    /// Whether any lease is under the row.
    pub(crate) fn uses_row(&self, row: RowIndex) -> bool {
        self.under_row.contains_key(&row)
    }

    /// Whether these are the only rows that leases of a pool are under.
    pub(crate) fn are_all_under(&self, pool: PoolIndex, rows: &[RowIndex]) -> bool {
        let under = rows.iter().filter_map(|row| self.under_row.get(row)).copied();
        let under = under.fold(0_u32, u32::saturating_add) as usize;
        self.pool(pool).is_none_or(|pool| pool.by_reclaim.len() <= under)
    }

    /// Takes a lease in; its principal is interned here.
    pub(crate) fn insert(&mut self, principal: Principal, mut lease: Lease) {
        lease.principal = self.intern(principal);
        let (row, count) = (lease.row, lease.count);
        let pool = self.pools.entry(lease.pool).or_default();
        pool.taken.insert_all(&lease.slots);
        pool.by_reclaim.insert((lease.reclaim_at(), lease.grant));
        pool.seats = pool.seats.saturating_add(count);
        pool.peak_seats = pool.peak_seats.max(pool.seats);
        pool.granted = pool.granted.saturating_add(1);
        self.leases.insert(lease);
        self.enter_row(row);
    }

    /// Slots that a lease moved away from are another one's: they are free when that is over.
    pub(crate) fn claim_vacated(&mut self, pool: PoolIndex, slots: &SlotSet) {
        self.vacated.retain(|_, (of, vacated)| {
            if *of == pool {
                vacated.remove_all(slots);
            }
            !vacated.is_empty()
        });
    }

    /// Gives a lease other seats. Those that it leaves are named by its promise up to now.
    pub(crate) fn shift(&mut self, grant: Seq, row: RowIndex, slots: &SlotSet) {
        let Some(lease) = self.leases.get_mut(grant) else { return };
        let (index, until, old_row) = (lease.pool, lease.reclaim_at(), lease.row);
        let left = std::mem::replace(&mut lease.slots, slots.clone()).without(slots);
        lease.row = row;
        self.pool_mut(index).taken.insert_all(slots);
        let (_, vacated) = self.vacated.entry((until, grant)).or_insert((index, SlotSet::EMPTY));
        vacated.insert_all(&left);
        self.enter_row(row);
        self.leave_row(old_row);
    }

    /// Changes a lease's promise, row or standing, keeping the indexes true.
    pub(crate) fn update(&mut self, grant: Seq, change: impl FnOnce(&mut Lease)) {
        let Some(lease) = self.leases.get_mut(grant) else { return };
        let (index, row, reclaim_at) = (lease.pool, lease.row, lease.reclaim_at());
        change(lease);
        let (new_row, new_reclaim_at) = (lease.row, lease.reclaim_at());
        let leaving = (lease.standing() != Standing::Held).then_some((lease.holder, grant));
        let pool = self.pool_mut(index);
        pool.leaving.extend(leaving);
        pool.by_reclaim.remove(&(reclaim_at, grant));
        pool.by_reclaim.insert((new_reclaim_at, grant));
        self.enter_row(new_row);
        self.leave_row(row);
    }

    /// Ends a lease and remembers that.
    pub(crate) fn end(&mut self, grant: Seq, cause: EndCause) -> Option<Lease> {
        let (lease, principal) = self.remove(grant)?;
        if let Some(principal) = principal {
            let Lease { id, key, params_hash, .. } = lease;
            self.ended.push(grant, Ended { lease: id, key, principal, params_hash, cause });
        }
        Some(lease)
    }

    /// Takes a lease out, and says whose it was.
    pub(crate) fn remove(&mut self, grant: Seq) -> Option<(Lease, Option<Principal>)> {
        let lease = self.leases.remove(grant)?;
        let pool = self.pool_mut(lease.pool);
        pool.taken.remove_all(&lease.slots);
        pool.seats = pool.seats.saturating_sub(lease.count);
        pool.by_reclaim.remove(&(lease.reclaim_at(), grant));
        pool.leaving.remove(&(lease.holder, grant));
        self.leave_row(lease.row);
        let principal = self.principals.get(lease.principal).copied();
        self.principals.release(lease.principal);
        Some((lease, principal))
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
}
