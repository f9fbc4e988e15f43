//! The raw disk: write into a file that was written before, and sync the data. No commit can be faster.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::drive::Latency;

/// As large as a segment of the journal.
const FILE_BYTES: usize = 16 * 1024 * 1024;

/// A file that is as it was written, with no metadata left to change.
pub(crate) struct WrittenAhead {
    file: File,
    offset: u64,
}

impl WrittenAhead {
    /// Makes it at `path`, which must not exist.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path)?;
        file.write_all_at(&vec![0; FILE_BYTES], 0)?;
        file.sync_all()?;
        Ok(Self { file, offset: 0 })
    }

    /// Writes and syncs frames of so many bytes, one after the other, for so long.
    pub(crate) fn commit(&mut self, bytes: usize, lasting: Duration) -> Result<Latency> {
        let frame = vec![0x5a; bytes];
        Latency::of_repeating(lasting, || {
            if self.offset + bytes as u64 > FILE_BYTES as u64 {
                self.offset = 0;
            }
            self.file.write_all_at(&frame, self.offset)?;
            self.file.sync_data()?;
            self.offset += bytes as u64;
            Ok(())
        })
    }
}
