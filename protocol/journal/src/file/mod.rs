//! The home in a directory of segment files.
//!
//! ```text
//! GENESIS              what makes this journal different from all others; written once
//! LOCK                 locked while the journal is open for writing
//! MARK                 how far the journal was durable when last somebody was told so
//! CUT                  while records that are damaged are cut off
//! NEXT                 the next segment while it is prepared
//! <first seq>.seg      frames, then zeros
//! <next seq>.snap      what the records before that one come to, as the program above wrote it down
//! SNAPSHOT             the next of these while it is written; whoever opens the journal to write takes it away
//! ```
//!
//! Segments are written with zeros and synced before use and never used twice, so a commit changes no metadata and
//! whatever is not zero is a frame, part of one, or damage. Directories are for their owner alone (0700, files 0600)
//! and no symbolic link is followed.

mod carried;
mod cut;
mod genesis;
mod mark;
mod next_segment;
mod read_only;
mod segment;
pub mod snapshot;
mod stored;
mod survey;
mod torn;

#[doc(hidden)]
pub mod directory;

use std::io;
use std::path::Path;

use leasehold_protocol::seq::Seq;

use self::directory::{Access, Directory, DirectoryFile as _, OsDirectory};
use self::mark::{Demand, Mark};
use self::next_segment::Preparer;
use self::segment::SegmentName;
use self::stored::Stored;
use self::survey::Survey;
use crate::chain::{Genesis, Tail};
use crate::error::JournalError;
use crate::frame::{Encoded, Frame, FrameRefused};
use crate::home::{Frames, Home};

pub use self::carried::{Carried, Held, Part};
pub use self::cut::{Cut, newest_generation};
pub use self::next_segment::NextSegment;
#[doc(hidden)]
pub use self::read_only::verify_in;
pub use self::read_only::{ReadOnly, Verified, durable_tail, verify};
pub use self::survey::{Extent, Torn};

const LOCK: &str = "LOCK";

/// A journal in a directory, open for writing and locked against all others.
pub struct FileHome<D: Directory = OsDirectory> {
    genesis: Genesis,
    stored: Stored<D>,
    current: D::File,
    mark: Mark<D::File>,
    health: Health,
    // Dropped in this order: the background work ends before the lock is given up.
    next_segment: Preparer<D>,
    _lock: D::Lock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// A write failed: what is durable is unknown.
    Poisoned,
}

/// What opening a journal found and did, to be logged and audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Frames that were walked over: all, or those from the segment on that holds the start.
    pub frames: u64,
    /// Those of them that the MARK did not vouch for: written, perhaps never answered. They are durable now.
    pub unmarked_frames: u64,
    /// What an interrupted write left; it has been overwritten with zeros.
    pub torn: Option<Torn>,
}

impl FileHome {
    /// Makes a new journal at `path`, whose parent must exist, and opens it.
    ///
    /// It is prepared beside its place and moved there complete, so a crash leaves either no journal or an empty one.
    pub fn create(path: &Path, genesis: &Genesis) -> Result<Self, JournalError> {
        let exists = path.symlink_metadata().is_ok();
        if exists {
            return Err(JournalError::AlreadyExists(path.to_owned()));
        }
        let staged = OsDirectory::stage(path).map_err(JournalError::create("the directory"))?;
        Self::create_in(staged, genesis)
    }

    /// Opens the journal at `path`, which nobody else may have open, and makes it fit for writing.
    pub fn open(path: &Path) -> Result<(Self, Opened), JournalError> {
        Self::open_from(path, None)
    }

    /// The same from the place of a snapshot on, if there is one: segments before it are not looked at. If the journal does not lead
    /// through that place, it is [`JournalError::NotThrough`], and nothing was changed.
    pub fn open_from(path: &Path, start: Option<Tail>) -> Result<(Self, Opened), JournalError> {
        Self::open_in(open_directory(path)?, start)
    }

    /// The same of a journal that may be damaged or behind its MARK: it is cut back to its last good frame, and what is cut
    /// off is kept beside. The caller writes down that records were lost, and says so with [`Self::end_cut`]; until then
    /// nothing else opens the journal. Where nothing is left, it is [`JournalError::Damaged`], and nothing was changed.
    pub fn open_or_cut(
        path: &Path,
        start: Option<Tail>,
    ) -> Result<(Self, Opened, Option<Cut>), JournalError> {
        Self::open_or_cut_in(open_directory(path)?, start)
    }
}

fn open_directory(path: &Path) -> Result<OsDirectory, JournalError> {
    OsDirectory::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JournalError::NotFound(path.to_owned()),
        _ => JournalError::read("the directory")(error),
    })
}

impl<D: Directory> FileHome<D> {
    #[doc(hidden)]
    pub fn create_in(staged: D, genesis: &Genesis) -> Result<Self, JournalError> {
        let lock = lock(&staged)?;
        // Whoever held the lock before may have published what is staged here: it is the journal now.
        if staged.is_published().map_err(JournalError::create("the directory"))? {
            return Err(JournalError::AlreadyExists(staged.path().to_owned()));
        }
        genesis::write(&staged, genesis)?;
        mark::create(&staged, genesis.tail(), 0)?;
        let publish = || {
            next_segment::prepare(&staged, genesis.segment_bytes())?;
            staged.rename(next_segment::NAME, &SegmentName::FIRST.to_string())?;
            staged.sync()?;
            staged.publish()
        };
        publish().map_err(JournalError::create("the directory"))?;
        Self::open_locked(staged, lock, None).map(|(home, _)| home)
    }

    #[doc(hidden)]
    pub fn open_in(directory: D, start: Option<Tail>) -> Result<(Self, Opened), JournalError> {
        let lock = lock(&directory)?;
        Self::open_locked(directory, lock, start)
    }

    #[doc(hidden)]
    pub fn open_or_cut_in(
        directory: D,
        start: Option<Tail>,
    ) -> Result<(Self, Opened, Option<Cut>), JournalError> {
        let lock = lock(&directory)?;
        let genesis = genesis::read(&directory)?;
        match survey_whole(&directory, &genesis, start) {
            Ok(survey) => Self::open_surveyed(directory, lock, genesis, survey)
                .map(|(home, opened)| (home, opened, None)),
            Err(damage @ JournalError::Damaged { .. }) => Self::cut(directory, lock, genesis, start, damage)
                .map(|(home, opened, cut)| (home, opened, Some(cut))),
            Err(other) => Err(other),
        }
    }

    fn cut(
        directory: D,
        lock: D::Lock,
        genesis: Genesis,
        start: Option<Tail>,
        damage: JournalError,
    ) -> Result<(Self, Opened, Cut), JournalError> {
        let mut survey = Survey::of_whole_part(directory.clone(), &genesis, start)?;
        if survey.stored.last_segment().is_none() || survey.stored.tail() == genesis.tail() {
            return Err(damage);
        }
        let generation = cut::begin(&directory)?;
        cut::cut_off(&survey, &genesis)?;
        // Nothing vouches for what was written last: it is written again.
        (survey.unmarked_from, survey.torn) = (0, None);
        let current = make_durable(&survey)?;
        let mark = Mark::open_unmet(&directory, generation.unwrap_or_default())?;
        snapshot::remove_unfinished(&directory)?;
        let (seq, damage) = (survey.stored.tail().next_seq, damage.to_string());
        let opened = Opened { frames: survey.frames, unmarked_frames: 0, torn: None };
        let home = Self::assemble(directory, lock, genesis, survey.stored, current, mark);
        Ok((home, opened, Cut { seq, damage, generation }))
    }

    fn open_locked(directory: D, lock: D::Lock, start: Option<Tail>) -> Result<(Self, Opened), JournalError> {
        let genesis = genesis::read(&directory)?;
        let survey = survey_whole(&directory, &genesis, start)?;
        Self::open_surveyed(directory, lock, genesis, survey)
    }

    fn open_surveyed(
        directory: D,
        lock: D::Lock,
        genesis: Genesis,
        survey: Survey<D>,
    ) -> Result<(Self, Opened), JournalError> {
        // A crash may have come between the renaming of a segment and the sync of its name.
        directory.sync().map_err(JournalError::write("the directory"))?;
        let current = make_durable(&survey)?;
        let mut mark = Mark::open(&directory, &survey.demand)?;
        if survey.unmarked_frames > 0 {
            mark.write(survey.stored.tail())?;
        }
        // The process before may have ended long after it did this last.
        mark.sync()?;
        // Before the next segment wants its room.
        snapshot::remove_unfinished(&directory)?;
        let Survey { stored, frames, unmarked_frames, torn, .. } = survey;
        let home = Self::assemble(directory, lock, genesis, stored, current, mark);
        Ok((home, Opened { frames, unmarked_frames, torn }))
    }

    fn assemble(
        directory: D,
        lock: D::Lock,
        genesis: Genesis,
        stored: Stored<D>,
        current: D::File,
        mark: Mark<D::File>,
    ) -> Self {
        let next_segment = Preparer::new(directory, genesis.segment_bytes());
        let mut home =
            Self { genesis, stored, current, mark, health: Health::Sound, next_segment, _lock: lock };
        home.prepare_if_half_used();
        home
    }

    /// The highest generation that the MARK names.
    pub const fn generation(&self) -> u32 {
        self.mark.generation()
    }

    /// Names a higher generation in the MARK, durably: before anything leaves that was said in it.
    pub fn raise_generation(&mut self, generation: u32) -> Result<(), JournalError> {
        self.check_sound()?;
        let outcome = self.mark.raise_generation(generation, self.stored.tail());
        self.poison_if_failed(outcome)
    }

    /// The caller has written down that records were lost: from here on the journal is whole.
    pub fn end_cut(&mut self) -> Result<(), JournalError> {
        self.check_sound()?;
        let tail = self.stored.tail();
        let outcome = self.mark.set(tail).and_then(|()| cut::end(self.stored.directory()));
        self.poison_if_failed(outcome)
    }

    /// What makes this journal different from all others.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// How the next segment comes along. [`NextSegment::Failed`] is to be alarmed on, long before commits fail.
    pub fn next_segment(&mut self) -> NextSegment {
        self.next_segment.state()
    }

    /// Tries again to prepare the next segment, if that failed.
    pub fn retry_next_segment(&mut self) {
        self.next_segment.retry();
    }

    /// Makes the MARK durable: before anything leaves that others hold against this journal later.
    pub fn sync_mark(&mut self) -> Result<(), JournalError> {
        self.check_sound()?;
        let outcome = self.mark.sync();
        self.poison_if_failed(outcome)
    }

    /// Where snapshots are written beside this journal.
    pub const fn directory(&self) -> &D {
        self.stored.directory()
    }

    /// Ends the use of the journal in good order.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.sync_mark()
    }

    fn commit_encoded(&mut self, frame: &Frame, encoded: &Encoded) -> Result<(), JournalError> {
        if encoded.bytes.len() > self.segment_bytes() - self.stored.end() {
            self.begin_segment(frame.first_seq)?;
        }
        let write = || {
            self.current.write_at(&encoded.bytes, self.stored.end() as u64)?;
            self.current.sync()
        };
        write().map_err(|source| JournalError::Write { file: self.current_name(), source })?;
        self.stored.add_frame(encoded.bytes.len(), encoded.tail);
        self.mark.write(encoded.tail)?;
        self.mark.sync_if_due(&frame.stamp)?;
        self.prepare_if_half_used();
        Ok(())
    }

    fn begin_segment(&mut self, first_seq: Seq) -> Result<(), JournalError> {
        // If the new segment were lost as a whole, the MARK still vouches for all before it.
        self.mark.sync()?;
        let last = self.stored.last_segment().expect("an open journal has a segment");
        let name = last.followed_by(first_seq);
        self.current = self.next_segment.take(&name.to_string())?;
        self.stored.begin_segment(name);
        Ok(())
    }

    fn prepare_if_half_used(&mut self) {
        if self.stored.end() >= self.segment_bytes() / 2 {
            self.next_segment.begin();
        }
    }

    const fn segment_bytes(&self) -> usize {
        self.genesis.segment_bytes() as usize
    }

    fn current_name(&self) -> String {
        self.stored.last_segment().expect("an open journal has a segment").to_string()
    }

    fn check_sound(&self) -> Result<(), JournalError> {
        match self.health {
            Health::Sound => Ok(()),
            Health::Poisoned => Err(JournalError::Poisoned),
        }
    }

    fn poison_if_failed<T>(&mut self, outcome: Result<T, JournalError>) -> Result<T, JournalError> {
        if outcome.is_err() {
            self.health = Health::Poisoned;
        }
        outcome
    }
}

impl<D: Directory> Home for FileHome<D> {
    fn tail(&self) -> Tail {
        self.stored.tail()
    }

    fn append(&mut self, frame: &Frame) -> Result<(), JournalError> {
        self.check_sound()?;
        let tail = self.tail();
        if (frame.first_seq, frame.prev) != (tail.next_seq, tail.chain) {
            return Err(JournalError::NotNext { expected: tail.next_seq, got: frame.first_seq });
        }
        let encoded = frame.encode()?;
        let (bytes, max) = (encoded.bytes.len(), self.segment_bytes());
        if bytes > max {
            return Err(FrameRefused::TooLarge { bytes, max }.into());
        }
        let outcome = self.commit_encoded(frame, &encoded);
        self.poison_if_failed(outcome)
    }

    fn read(&self, from: Seq) -> Result<Frames<'_>, JournalError> {
        self.check_sound()?;
        Ok(Box::new(self.stored.read(from)))
    }

    fn read_frame(&self, seq: Seq) -> Result<Option<Frame>, JournalError> {
        self.check_sound()?;
        self.stored.read_frame(seq)
    }
}

fn survey_whole<D: Directory>(
    directory: &D,
    genesis: &Genesis,
    start: Option<Tail>,
) -> Result<Survey<D>, JournalError> {
    let demand = Demand::read(directory, genesis)?;
    Survey::make(directory.clone(), genesis, demand, Extent::Everything, start)
}

fn lock<D: Directory>(directory: &D) -> Result<D::Lock, JournalError> {
    let lock = directory.lock(LOCK).map_err(JournalError::write(LOCK))?;
    lock.ok_or_else(|| JournalError::Busy(directory.path().to_owned()))
}

/// Makes the last segment be on the device as it was surveyed, and opens it.
///
/// Frames above the MARK are written again: the sync after them may never have come, or have failed, and then pages
/// count as clean that were not stored. What is torn becomes zeros, before anything new is written.
fn make_durable<D: Directory>(survey: &Survey<D>) -> Result<D::File, JournalError> {
    let name = survey.stored.last_segment().expect("a survey without segments fails").to_string();
    let make = || {
        let file = survey.stored.directory().open(&name, Access::Write)?;
        let (from, end) = (survey.unmarked_from, survey.stored.end());
        if from < end {
            let mut unmarked = vec![0; end - from];
            file.read_at(&mut unmarked, from as u64)?;
            file.write_at(&unmarked, from as u64)?;
        }
        if let Some(torn) = &survey.torn {
            file.write_at(&vec![0; torn.bytes], torn.offset as u64)?;
        }
        if from < end || survey.torn.is_some() {
            file.sync()?;
        }
        Ok(file)
    };
    make().map_err(JournalError::write(&name))
}
