//! What a journal says about leases, read by the checker with eyes of its own.

use std::collections::BTreeMap;

use leasehold_node_core::{EndCause, Record};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{BootId, SvcMs};

use crate::disk::Frame;
use crate::host_clock::PS_PER_MS;

/// One lease of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) epoch: u64,
    pub(crate) slots: SlotSet,
    pub(crate) ended: bool,
    since: Since,
}

/// Service time of a grant or last renewal.
#[derive(Clone, Copy, Debug)]
struct Since {
    boot_id: BootId,
    exact_ps: i128,
    journaled: SvcMs,
}

impl Entry {
    /// Exact age at a moment of service time. Over a reboot it is counted from what the journal says.
    pub(crate) fn age_ps(&self, boot_id: BootId, svc_ps: i128) -> i128 {
        let since = self.since;
        let same_boot = since.boot_id == boot_id;
        svc_ps - if same_boot { since.exact_ps } else { i128::from(since.journaled.0) * PS_PER_MS }
    }
}

impl Since {
    const fn of(frame: &Frame) -> Self {
        Self { boot_id: frame.stamp.boot_id, exact_ps: frame.svc_ps, journaled: frame.stamp.svc }
    }
}

/// All leases of a journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    ids: BTreeMap<Seq, LeaseId>,
    leases: BTreeMap<LeaseId, Entry>,
}

impl History {
    pub(crate) fn of(frames: &[Frame]) -> Self {
        let mut history = Self::default();
        for frame in frames {
            history.take(frame);
        }
        history
    }

    /// Reads one more frame. Says how many leases it evicts.
    pub(crate) fn take(&mut self, frame: &Frame) -> usize {
        let mut evicted = 0;
        for (seq, bytes) in (frame.first_seq.0..).zip(&frame.records) {
            match Record::from_bytes(bytes).expect("a core writes what it can read") {
                Record::LeaseGranted(granted) => {
                    let (epoch, slots) = (granted.epoch, granted.slots);
                    self.ids.insert(Seq(seq), granted.lease);
                    let entry = Entry { epoch, slots, ended: false, since: Since::of(frame) };
                    self.leases.insert(granted.lease, entry);
                }
                Record::Renewed(renewals) => {
                    for (grant, _) in renewals {
                        self.entry(grant).since = Since::of(frame);
                    }
                }
                Record::LeaseEnded { grant, cause } => {
                    self.entry(grant).ended = true;
                    evicted += usize::from(cause == EndCause::Evicted);
                }
                Record::LeaseMoved { grant, slots, .. } => self.entry(grant).slots = slots,
                _ => {}
            }
        }
        evicted
    }

    pub(crate) fn get(&self, lease: LeaseId) -> Option<&Entry> {
        self.leases.get(&lease)
    }

    fn entry(&mut self, grant: Seq) -> &mut Entry {
        let lease = self.ids.get(&grant).and_then(|id| self.leases.get_mut(id));
        lease.expect("records name leases that were granted before")
    }
}
