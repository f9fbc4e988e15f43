//! Looks at a journal without lock and without writing, also while another process appends.

use std::path::Path;

use leasehold_protocol::seq::Seq;

use super::carried::Part;
use super::directory::{Access, Directory, DirectoryFile as _, OsDirectory};
use super::mark::{self, Demand};
use super::stored::Stored;
use super::survey::{Extent, Survey, Torn};
use super::{genesis, open_directory};
use crate::chain::{Genesis, Tail};
use crate::error::JournalError;
use crate::frame::Frame;
use crate::home::Frames;

/// A journal as far as its MARK vouched for it when this was opened, or all of one that nobody writes.
pub struct ReadOnly<D: Directory = OsDirectory> {
    genesis: Genesis,
    stored: Stored<D>,
}

impl ReadOnly {
    /// Opens the journal at `path` to read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_from(path, None)
    }

    /// The same from the place of a snapshot on, if there is one: segments before it are not looked at. If the journal does not lead
    /// through that place, it is [`JournalError::NotThrough`].
    pub fn open_from(path: &Path, start: Option<Tail>) -> Result<Self, JournalError> {
        Self::open_in(open_directory(path)?, start)
    }

    /// Opens the journal at `path` as far as `extent` goes, and says what was found, as [`verify`] does.
    pub fn open_verified(path: &Path, extent: Extent) -> Result<(Self, Verified), JournalError> {
        Self::open_verified_in(open_directory(path)?, extent)
    }
}

impl<D: Directory> ReadOnly<D> {
    #[doc(hidden)]
    pub fn open_in(directory: D, start: Option<Tail>) -> Result<Self, JournalError> {
        let (genesis, survey) = survey(directory, Extent::Durable, start)?;
        Ok(Self { genesis, stored: survey.stored })
    }

    fn open_verified_in(directory: D, extent: Extent) -> Result<(Self, Verified), JournalError> {
        let (genesis, Survey { stored, frames, unmarked_frames, torn, .. }) =
            survey(directory, extent, None)?;
        let tail = stored.tail();
        let verified = Verified { genesis: genesis.clone(), frames, tail, unmarked_frames, torn };
        Ok((Self { genesis, stored }, verified))
    }

    /// What makes this journal different from all others.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its end: that of what is durable for certain, unless it was opened further.
    pub const fn tail(&self) -> Tail {
        self.stored.tail()
    }

    /// The frames from the one that holds record `from` on, oldest first. Frames without records are among them.
    pub fn read(&self, from: Seq) -> Frames<'_> {
        Box::new(self.stored.read(from))
    }

    /// All that has to be carried elsewhere for [`super::Carried`] to make the same journal of it, in the order in
    /// which it is wanted there.
    pub fn parts(&self) -> Result<Vec<Part>, JournalError> {
        let genesis = Part { name: genesis::NAME.to_owned(), bytes: genesis::encode(&self.genesis).len() };
        let ends = self.stored.segment_ends()?;
        let segments = ends.into_iter().map(|(name, bytes)| Part { name: name.to_string(), bytes });
        Ok(std::iter::once(genesis).chain(segments).collect())
    }

    /// The bytes of a part: never more than those of a segment.
    pub fn read_part(&self, part: &Part) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; part.bytes];
        let file = self.stored.directory().open(&part.name, Access::Read);
        file.and_then(|file| file.read_at(&mut bytes, 0)).map_err(JournalError::read(&part.name))?;
        Ok(bytes)
    }

    /// The frame that holds record `seq`, if there is one.
    pub fn read_frame(&self, seq: Seq) -> Result<Option<Frame>, JournalError> {
        self.stored.read_frame(seq)
    }
}

/// What was found to be in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What makes this journal different from all others.
    pub genesis: Genesis,
    /// Frames that were checked.
    pub frames: u64,
    /// The end of what was checked.
    pub tail: Tail,
    /// Frames above the MARK: complete, but perhaps not durable.
    pub unmarked_frames: u64,
    /// What an interrupted write left. The next one who opens the journal to write cuts it.
    pub torn: Option<Torn>,
}

/// Checks every frame and the whole chain; damage is [`JournalError::Damaged`] and names the first bad record.
pub fn verify(path: &Path, extent: Extent) -> Result<Verified, JournalError> {
    verify_in(open_directory(path)?, extent)
}

#[doc(hidden)]
pub fn verify_in<D: Directory>(directory: D, extent: Extent) -> Result<Verified, JournalError> {
    ReadOnly::open_verified_in(directory, extent).map(|(_, verified)| verified)
}

/// How far the MARK of the journal at `path` vouches for it now, by its newest good slot.
pub fn durable_tail(path: &Path) -> Result<Tail, JournalError> {
    mark::newest(&open_directory(path)?)
}

fn survey<D: Directory>(
    directory: D,
    extent: Extent,
    start: Option<Tail>,
) -> Result<(Genesis, Survey<D>), JournalError> {
    let genesis = genesis::read(&directory)?;
    // Beside a writer both slots can be caught half written, though hardly twice.
    let demand = Demand::read(&directory, &genesis).or_else(|_| Demand::read(&directory, &genesis))?;
    let survey = Survey::make(directory, &genesis, demand, extent, start)?;
    Ok((genesis, survey))
}
