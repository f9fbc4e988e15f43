//! How many seats of a pool this node may have in use, and which leases end first where more are.

use std::cmp::Reverse;

use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::core::NodeCore;
use crate::lease::{Lease, Standing};
use crate::no_promise::NoPromise;
use crate::provision::{PoolEntry, PoolIndex, Provision, Row};

/// Leases of a pool that are renewed no more while more seats are held than the node may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// Those granted from here on.
    From(Seq),
    /// Those granted from here on whose slots no row has: the others keep theirs, which is no help to these.
    OustedFrom(Seq),
}

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
        match self.ending(provision, lease.pool, entry) {
            Some(ending) if self.is_among(ending, lease) => none,
            _ => Ok(()),
        }
    }

    /// Which leases of a pool end with their promise, as it stands now.
    pub(crate) fn ending(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
    ) -> Option<Ending> {
        let ending = self.ledger.pool(index)?.ending?;
        let held = self.ledger.held(index, self.clock.svc());
        (self.kept_seats(provision, entry) < held).then_some(ending)
    }

    pub(crate) fn is_among(&self, ending: Ending, lease: &Lease) -> bool {
        match ending {
            Ending::From(first) => first <= lease.grant,
            Ending::OustedFrom(first) => first <= lease.grant && self.row_for_renewal(lease).is_none(),
        }
    }

    /// A bundle may leave fewer seats than are held: the newest leases are those beyond them.
    pub(crate) fn find_ending(&mut self) {
        let Some(provision) = &self.provision else { return };
        let pools = provision.pools.iter();
        let found: Vec<(PoolIndex, Option<Ending>)> =
            pools.map(|(&index, entry)| (index, self.newest_beyond(provision, index, entry))).collect();
        for (index, ending) in found {
            self.ledger.set_ending(index, ending);
        }
    }

    fn newest_beyond(&self, provision: &Provision, index: PoolIndex, entry: &PoolEntry) -> Option<Ending> {
        let svc = self.clock.svc();
        let kept = self.kept_seats(provision, entry);
        let held = self.ledger.held(index, svc);
        if entry.pool.seats == Seats::Unlimited || held <= kept {
            return None;
        }
        let renewed = |lease: &&Lease| lease.standing() == Standing::Held && !lease.has_run_out(svc);
        let (stay, ousted): (Vec<&Lease>, Vec<&Lease>) = self
            .ledger
            .of_pool(index)
            .filter(renewed)
            .partition(|lease| self.row_for_renewal(lease).is_some());
        let staying = stay.iter().fold(0_u32, |seats, lease| seats.saturating_add(lease.count));
        if kept < staying {
            newest(stay, staying.saturating_sub(kept)).map(Ending::From)
        } else {
            newest(ousted, held.saturating_sub(kept)).map(Ending::OustedFrom)
        }
    }

    /// Whether leases of a limited pool may hold seats that the node must not keep.
    fn is_tight(&self, provision: &Provision, index: PoolIndex, entry: &PoolEntry) -> bool {
        let mut rows = entry.rows.iter().filter_map(|row| provision.rows.get(row));
        entry.pool.seats != Seats::Unlimited
            && (rows.any(|row| row.allocation.shrink_to.is_some())
                || !self.ledger.are_all_under(index, &entry.rows))
    }
}

/// The oldest of the newest leases that have so many seats together.
fn newest(mut leases: Vec<&Lease>, mut seats: u32) -> Option<Seq> {
    leases.sort_unstable_by_key(|lease| Reverse(lease.grant));
    leases.into_iter().find_map(|lease| {
        seats = seats.saturating_sub(lease.count);
        (seats == 0).then_some(lease.grant)
    })
}
