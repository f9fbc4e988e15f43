//! Seats that go back to the vendor: taken out of every row by a record, before anybody is told.

use leasehold_protocol::artefact::Released;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::AllocationId;
use leasehold_protocol::limits::{ALLOCATION_SLOT_RANGES, REPORTED_ROWS};
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use serde::{Deserialize, Serialize};

use crate::core::NodeCore;
use crate::effect::Effects;
use crate::provision::{PoolIndex, Provision, Row, RowIndex};
use crate::record::{EndCause, Record, ReleaseCause};

/// Slots that this node gave back, and that no row has acknowledged yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Releases(Vec<Release>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Release {
    allocation: AllocationId,
    pool: PoolIndex,
    /// The version of the row they were given back of.
    row: Digest,
    slots: SlotSet,
    report_seq: u64,
}

/// Slots of a row that can be given back, and the run-out leases that must end for it.
struct Returnable {
    slots: SlotSet,
    ended: Vec<Seq>,
}

impl Releases {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, row: &Row, slots: &SlotSet, report_seq: u64) {
        self.0.push(Release {
            allocation: row.allocation.issue.id,
            pool: row.pool_index,
            row: row.allocation.digest(),
            slots: slots.clone(),
            report_seq,
        });
    }

    /// What a row may serve: a slot that went back stays out of every row that does not acknowledge its release,
    /// however new its bundle is. The vendor may have given it to somebody else.
    pub(crate) fn left_of(&self, row: &Row) -> SlotSet {
        let mut slots = row.allocation.slots.clone();
        let acknowledged = row.allocation.acked_report_seq;
        for release in self.0.iter().filter(|r| r.pool == row.pool_index && acknowledged < r.report_seq) {
            slots.remove_all(&release.slots);
        }
        slots
    }

    /// Forgets what the present version of its own row acknowledges; or any row, if its own is no more.
    pub(crate) fn forget_acknowledged(&mut self, current: &[&Row]) {
        self.0.retain(|release| {
            let own = current.iter().find(|row| row.allocation.issue.id == release.allocation);
            let reached = |row: &Row| release.report_seq <= row.allocation.acked_report_seq;
            match own {
                Some(row) => !reached(row),
                None => !current.iter().any(|row| reached(row)),
            }
        });
    }

    /// All of them as the issuer is told: one entry for each version of a row.
    pub(crate) fn told(&self) -> Vec<Released> {
        let mut told: Vec<Released> = Vec::new();
        for Release { row, slots, report_seq, .. } in &self.0 {
            if let Some(same) = told.iter_mut().find(|told| told.allocation == *row) {
                same.slots.insert_all(slots);
                same.report_seq = same.report_seq.max(*report_seq);
            } else {
                told.push(Released { allocation: *row, slots: slots.clone(), report_seq: *report_seq });
            }
        }
        told.sort_by_key(|told| told.allocation);
        told
    }

    /// The newest report that tells something for the first time.
    pub(crate) fn newest_report(&self) -> Option<u64> {
        self.0.iter().map(|release| release.report_seq).max()
    }

    /// Which of `free`, the highest first and at most `count`, still fit into one report.
    fn highest_told(&self, row: &Row, free: &SlotSet, count: u32) -> SlotSet {
        let told = self.told();
        let digest = row.allocation.digest();
        let before = told.iter().find(|told| told.allocation == digest);
        if before.is_none() && told.len() >= REPORTED_ROWS {
            return SlotSet::EMPTY;
        }
        let before = before.map(|told| told.slots.clone()).unwrap_or_default();
        let mut chosen = SlotSet::EMPTY;
        for range in free.ranges().iter().rev() {
            let taken = range.count.min(count.saturating_sub(chosen.len()));
            let mut more = chosen.clone();
            more.insert_all(&SlotSet::range(range.end().saturating_sub(taken), taken));
            let mut all = before.clone();
            all.insert_all(&more);
            if !all.is_well_formed(ALLOCATION_SLOT_RANGES) {
                break;
            }
            chosen = more;
        }
        chosen
    }
}

impl NodeCore {
    /// What a row may serve now. Everything that gives, renews or counts seats asks here.
    pub(crate) fn slots_of(&self, provision: &Provision, row: &Row) -> SlotSet {
        if self.rules.released_slots_stay_out {
            provision.releases.left_of(row)
        } else {
            row.allocation.slots.clone()
        }
    }

    /// What the issuer is told to have back. In RECOVER that is nothing: what went back by a ledger that may have
    /// regressed may be in use again.
    pub(crate) fn told_releases(&self) -> Vec<Released> {
        let provision = self.provision.as_ref().filter(|_| self.may_release());
        provision.map(|provision| provision.releases.told()).unwrap_or_default()
    }

    /// Gives back what the vendor wants of rows, as far as it is free.
    pub(crate) fn shrink_rows(&mut self, out: &mut Effects) {
        if !self.may_release() {
            return;
        }
        if self.ledger.has_vacated(self.clock.svc()) {
            self.emit(Record::SlotsVacated, out);
        }
        for (row, excess) in self.rows_to_shrink() {
            self.give_back(row, excess, &ReleaseCause::Shrink, out);
        }
    }

    /// Seats of a row, the highest first, that nobody counts on.
    pub(crate) fn returnable_seats(&self, row: RowIndex) -> u32 {
        self.returnable(row, u32::MAX).map_or(0, |returnable| returnable.slots.len())
    }

    /// Takes up to `count` free slots out of a row, for good.
    pub(crate) fn give_back(
        &mut self,
        row: RowIndex,
        count: u32,
        cause: &ReleaseCause,
        out: &mut Effects,
    ) -> SlotSet {
        let Some(Returnable { slots, ended }) = self.returnable(row, count) else { return SlotSet::EMPTY };
        for grant in ended {
            self.end_run_out(grant, EndCause::Withdrawn, out);
        }
        let report_seq = self.reports.saturating_add(1);
        let cause = cause.clone();
        self.emit(Record::SlotsReleased { cause, allocation: row, slots: slots.clone(), report_seq }, out);
        slots
    }

    /// Current rows that hold more than the vendor wants, and by how much.
    fn rows_to_shrink(&self) -> Vec<(RowIndex, u32)> {
        let Some(provision) = &self.provision else { return Vec::new() };
        let asked = provision.rows.iter().filter(|(_, row)| row.current);
        let excess = |(&index, row): (&RowIndex, &Row)| {
            let keep = row.allocation.shrink_to?;
            let excess = self.slots_of(provision, row).len().saturating_sub(keep);
            (excess > 0).then_some((index, excess))
        };
        asked.filter_map(excess).collect()
    }

    fn returnable(&self, index: RowIndex, count: u32) -> Option<Returnable> {
        let provision = self.provision.as_ref()?;
        let row = provision.rows.get(&index)?;
        let pool = self.ledger.pool(row.pool_index);
        let held = pool.map(|pool| pool.taken.clone()).filter(|_| self.rules.only_free_seats_go_back);
        let mut held = held.unwrap_or_default();
        for lease in self.run_out(row.pool_index) {
            held.remove_all(&lease.slots);
        }
        let counted = self.quarantine.of(row.pool_index, self.clock.svc());
        let free: SlotSet = held.gaps(&self.slots_of(provision, row).without(&counted)).collect();
        let slots = provision.releases.highest_told(row, &free, count);
        let ended = self.run_out(row.pool_index).filter(|lease| lease.slots.intersects(&slots));
        let ended = ended.map(|lease| lease.grant).collect();
        (!slots.is_empty()).then_some(Returnable { slots, ended })
    }
}
