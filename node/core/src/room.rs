//! How many seats of a pool this node may have in use, and which leases end first where more are.

use std::cmp::Reverse;

use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{SvcMs, UnixMs};

use crate::core::NodeCore;
use crate::lease::{Lease, Standing};
use crate::no_promise::NoPromise;
use crate::provision::{PoolEntry, PoolIndex, Provision, Row};

impl NodeCore {
    /// Slots of a row that the node may keep: the lowest ones, where the vendor wants some back.
    pub(crate) fn kept_slots(&self, provision: &Provision, row: &Row) -> SlotSet {
        let mut slots = self.slots_of(provision, row);
        let lowest = row.allocation.shrink_to.and_then(|keep| slots.take_lowest(keep));
        lowest.unwrap_or(slots)
    }

    /// Seats of a pool that the node may keep. Only asked of limited pools.
    pub(crate) fn kept_seats(&self, provision: &Provision, entry: &PoolEntry) -> u32 {
        let rows = entry.rows.iter().filter_map(|row| provision.rows.get(row));
        rows.fold(0, |sum, row| sum.saturating_add(self.kept_slots(provision, row).len()))
    }

    /// Whether so many more seats of a pool may be in use. Free slots alone do not say so: leases may have others than
    /// the rows have by now, and what the vendor wants back is not given to anybody.
    pub(crate) fn has_room(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
        more: u32,
    ) -> bool {
        if !self.rules.overdrawn_pools_wait || !self.is_tight(provision, index, entry) {
            return true;
        }
        let in_use = self.ledger.in_use(index, self.clock.svc());
        in_use.saturating_add(more) <= self.kept_seats(provision, entry)
    }

    /// Refuses to renew the newest leases as long as more seats are held than the node may keep, and those that ran out
    /// unless there is room.
    pub(crate) fn check_room(
        &self,
        provision: &Provision,
        entry: &PoolEntry,
        lease: &Lease,
    ) -> Result<(), NoPromise> {
        let none = Err(NoPromise::new(Code::Draining, UnixMs::MAX));
        if lease.has_run_out(self.clock.svc()) {
            let room = self.has_room(provision, lease.pool, entry, lease.count);
            return if room { Ok(()) } else { none };
        }
        match self.drained_from(provision, lease.pool, entry) {
            Some(from) if from <= lease.grant => none,
            _ => Ok(()),
        }
    }

    /// Leases of a pool that were granted from here on end with their promise, as it stands now.
    pub(crate) fn drained_from(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
    ) -> Option<Seq> {
        let from = self.ledger.pool(index)?.newest_from?;
        let held = self.ledger.held(index, self.clock.svc());
        (self.kept_seats(provision, entry) < held).then_some(from)
    }

    /// A bundle may leave fewer seats than are held: the newest leases are those beyond them.
    pub(crate) fn find_newest(&mut self) {
        let Some(provision) = &self.provision else { return };
        let svc = self.clock.svc();
        let pools = provision.pools.iter();
        let found: Vec<(PoolIndex, Option<Seq>)> =
            pools.map(|(&index, entry)| (index, self.newest_beyond(provision, index, entry, svc))).collect();
        for (index, newest) in found {
            self.ledger.set_newest(index, newest);
        }
    }

    fn newest_beyond(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
        svc: SvcMs,
    ) -> Option<Seq> {
        if entry.pool.seats == Seats::Unlimited {
            return None;
        }
        let kept = self.kept_seats(provision, entry);
        let mut beyond = self.ledger.held(index, svc).checked_sub(kept).filter(|&beyond| beyond > 0)?;
        let held = |lease: &&Lease| lease.standing() == Standing::Held && !lease.has_run_out(svc);
        let mut leases: Vec<(Seq, u32)> =
            self.ledger.of_pool(index).filter(held).map(|lease| (lease.grant, lease.count)).collect();
        leases.sort_unstable_by_key(|&(grant, _)| Reverse(grant));
        leases.into_iter().find_map(|(grant, count)| {
            beyond = beyond.saturating_sub(count);
            (beyond == 0).then_some(grant)
        })
    }

    /// Whether leases of a limited pool may hold seats that the node must not keep.
    fn is_tight(&self, provision: &Provision, index: PoolIndex, entry: &PoolEntry) -> bool {
        let mut rows = entry.rows.iter().filter_map(|row| provision.rows.get(row));
        entry.pool.seats != Seats::Unlimited
            && (rows.any(|row| row.allocation.shrink_to.is_some())
                || !self.ledger.are_all_under(index, &entry.rows))
    }
}
