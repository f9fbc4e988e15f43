//! What a node has written.

use std::path::PathBuf;

use anyhow::Result;
use leasehold_journal::file::ReadOnly;
use leasehold_protocol::seq::Seq;

use crate::amount::amount;

/// Counts from where the journal ended when it was made.
#[derive(Debug)]
pub(crate) struct JournalMeter {
    dir: PathBuf,
    from: Seq,
}

/// Frames of a stretch of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) frames: u64,
    pub(crate) records: u64,
    /// Of whole frames: headers, chain and signatures included.
    pub(crate) bytes: u64,
}

impl JournalMeter {
    pub(super) fn start(dir: PathBuf) -> Result<Self> {
        let from = ReadOnly::open(&dir)?.tail().next_seq;
        Ok(Self { dir, from })
    }

    /// Counts from the first record on.
    pub(super) const fn from_the_start(dir: PathBuf) -> Self {
        Self { dir, from: Seq::FIRST }
    }

    /// The longest of its records.
    pub(crate) fn longest_record(&self) -> Result<Option<Vec<u8>>> {
        let mut longest: Option<Vec<u8>> = None;
        for frame in ReadOnly::open(&self.dir)?.read(self.from) {
            let records = frame?.records.into_iter();
            longest = longest.into_iter().chain(records).max_by_key(Vec::len);
        }
        Ok(longest)
    }

    /// What came since, and is durable.
    pub(crate) fn written(&self) -> Result<Written> {
        let mut written = Written::default();
        let journal = ReadOnly::open(&self.dir)?;
        if journal.tail().next_seq == self.from {
            return Ok(written);
        }
        for frame in journal.read(self.from) {
            let frame = frame?;
            written.frames += 1;
            written.records += frame.records.len() as u64;
            written.bytes += frame.encode()?.bytes.len() as u64;
        }
        Ok(written)
    }
}

impl Written {
    /// Bytes for each of so many operations.
    pub(crate) fn bytes_per(self, operations: usize) -> f64 {
        amount(self.bytes) / amount(operations as u64)
    }

    /// Records of a frame, on average.
    pub(crate) fn records_per_frame(self) -> f64 {
        amount(self.records) / amount(self.frames)
    }

    /// Bytes of a frame, on average.
    pub(crate) fn bytes_per_frame(self) -> usize {
        usize::try_from(self.bytes.checked_div(self.frames).unwrap_or(0)).unwrap_or(usize::MAX)
    }
}
