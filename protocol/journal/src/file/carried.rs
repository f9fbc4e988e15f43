//! Journals that come from elsewhere: put together of the parts that [`super::ReadOnly::parts`] names, and the lock of
//! the one that they take the place of.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::directory::{Directory as _, DirectoryFile as _, OsDirectory};
use super::read_only::{Verified, verify_in};
use super::segment::SegmentName;
use super::survey::Extent;
use super::{genesis, lock, mark, open_directory};
use crate::chain::Tail;
use crate::error::JournalError;

/// One file of a journal, as far as it has to be carried: the zeros at the end of the last segment are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name of the file.
    pub name: String,
    /// How many bytes of it.
    pub bytes: usize,
}

/// A journal in the making, in a directory of its own that nobody uses yet.
#[derive(Debug)]
pub struct Carried {
    directory: OsDirectory,
}

impl Carried {
    /// Begins at `path`, where nothing may be.
    pub fn begin(path: &Path) -> Result<Self, JournalError> {
        let made = DirBuilder::new().mode(0o700).create(path);
        made.map_err(JournalError::create("the directory"))?;
        Ok(Self { directory: open_directory(path)? })
    }

    /// Adds a part, durably. A name that no part has is refused.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        if name != genesis::NAME && SegmentName::parse(name).is_none() {
            let refused = std::io::Error::other("no part of a journal is called so");
            return Err(JournalError::create(name)(refused));
        }
        // A segment that is longer than the journal's own are is refused by the walk over all of them.
        let zeros = match SegmentName::parse(name) {
            Some(_) => (genesis::read(&self.directory)?.segment_bytes() as usize).saturating_sub(bytes.len()),
            None => 0,
        };
        let write = || {
            let file = self.directory.create(name)?;
            file.write_at(bytes, 0)?;
            file.write_at(&vec![0; zeros], bytes.len() as u64)?;
            file.sync()
        };
        write().map_err(JournalError::create(name))
    }

    /// Checks every frame and the whole chain up to `tail`, for which the journal's MARK stands from here on. It
    /// names no generation: that is for whoever records what became of the journal.
    pub fn finish(self, tail: Tail) -> Result<Verified, JournalError> {
        mark::create(&self.directory, tail, 0)?;
        self.directory.sync().map_err(JournalError::create("the directory"))?;
        let verified = verify_in(self.directory, Extent::Everything)?;
        if verified.tail != tail || verified.torn.is_some() {
            let seq = verified.tail.next_seq;
            return Err(JournalError::damaged(
                seq,
                "the journal does not end where it did when it was carried off",
            ));
        }
        Ok(verified)
    }
}

/// Keeps every other process from opening a journal to write; whether it is sound is not looked at.
#[derive(Debug)]
pub struct Held {
    _lock: <OsDirectory as super::Directory>::Lock,
}

impl Held {
    /// Takes the lock of the journal at `path`; [`JournalError::Busy`] if another process has it.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        Ok(Self { _lock: lock(&open_directory(path)?)? })
    }
}
