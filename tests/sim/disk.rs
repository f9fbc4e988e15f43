//! A disk: what was written is safe when its sync has returned, and only then.

use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::Stamp;

use crate::rng::Rng;

/// One group commit as it lies in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) stamp: Stamp,
    pub(crate) first_seq: Seq,
    pub(crate) records: Vec<Vec<u8>>,
    /// Service time without being cut, for the checker only.
    pub(crate) svc_ps: i128,
    /// BOOTTIME without being cut, likewise.
    pub(crate) boottime_ps: i128,
}

/// The journal's file.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    frames: Vec<Frame>,
    durable: usize,
}

impl Disk {
    pub(crate) fn append(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(crate) fn sync(&mut self) {
        self.durable = self.frames.len();
    }

    /// Whether a crash now could lose anything.
    pub(crate) fn has_unsynced(&self) -> bool {
        self.durable < self.frames.len()
    }

    /// Of what was not synced any beginning may have reached the disk; the rest is lost. Says whether some is.
    pub(crate) fn crash(&mut self, rng: &mut Rng) -> bool {
        let written = self.frames.len();
        let kept = rng.between(as_i64(self.durable), as_i64(written));
        self.frames.truncate(usize::try_from(kept).unwrap_or(0));
        self.durable = self.frames.len();
        self.frames.len() < written
    }

    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
