//! The frames that are there: the segments, a sparse index into them, and reading by seq.

use leasehold_protocol::seq::Seq;

use super::directory::{Access, Directory, DirectoryFile as _};
use super::segment::{SegmentName, Step, Walk};
use crate::chain::Tail;
use crate::error::JournalError;
use crate::frame::Frame;
use crate::limits::INDEX_STRIDE_BYTES;

/// The frames of a journal up to its tail.
pub(super) struct Stored<D> {
    directory: D,
    segments: Vec<SegmentName>,
    landmarks: Vec<Landmark>,
    tail: Tail,
    /// Where in the last segment the frames end.
    end: usize,
}

/// A place where a frame begins; the index has one for each segment with frames and each
/// [`INDEX_STRIDE_BYTES`].
#[derive(Clone, Copy, Debug)]
struct Landmark {
    before: Tail,
    segment: usize,
    offset: usize,
}

impl<D: Directory> Stored<D> {
    /// Nothing yet, in a journal that begins with `tail`.
    pub(super) const fn new(directory: D, tail: Tail) -> Self {
        Self { directory, segments: Vec::new(), landmarks: Vec::new(), tail, end: 0 }
    }

    pub(super) const fn directory(&self) -> &D {
        &self.directory
    }

    pub(super) const fn tail(&self) -> Tail {
        self.tail
    }

    /// Where in the last segment the frames end.
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// The segment the frames end in.
    pub(super) fn last_segment(&self) -> Option<SegmentName> {
        self.segments.last().copied()
    }

    /// The frames go on at the start of the segment `name`.
    pub(super) fn begin_segment(&mut self, name: SegmentName) {
        self.segments.push(name);
        self.end = 0;
    }

    /// The next `bytes` of the last segment are a frame, and the journal ends with `tail` now.
    pub(super) fn add_frame(&mut self, bytes: usize, tail: Tail) {
        let segment = self.segments.len() - 1;
        let indexed = self.landmarks.last().is_some_and(|landmark| {
            landmark.segment == segment && self.end - landmark.offset < INDEX_STRIDE_BYTES
        });
        if !indexed {
            self.landmarks.push(Landmark { before: self.tail, segment, offset: self.end });
        }
        self.end += bytes;
        self.tail = tail;
    }

    /// The frames from the one that holds record `from` on.
    pub(super) fn read(&self, from: Seq) -> Reading<'_, D> {
        // Frames without records have their seq in common with the frame behind them: begin before all of those.
        let behind = self.landmarks.partition_point(|landmark| landmark.before.next_seq < from);
        let next = self.landmarks.get(behind.saturating_sub(1)).copied();
        Reading { stored: self, from, next, loaded: Loaded::NOTHING }
    }

    /// The frame that holds record `seq`, if it is there.
    pub(super) fn read_frame(&self, seq: Seq) -> Result<Option<Frame>, JournalError> {
        if seq >= self.tail.next_seq {
            return Ok(None);
        }
        let behind = self.landmarks.partition_point(|landmark| landmark.before.next_seq <= seq);
        let Some(start) = behind.checked_sub(1).map(|at| self.landmarks[at]) else { return Ok(None) };
        let next = self.landmarks.get(behind).filter(|next| next.segment == start.segment);
        let end = next.map_or_else(|| self.end_of(start.segment), |next| Ok(next.offset))?;
        let bytes = self.load(start.segment, start.offset, end)?;
        let mut walk = Walk::new(&bytes, 0, start.before);
        loop {
            match walk.step() {
                Step::Frame(frame) if frame.tail().next_seq > seq => return Ok(Some(frame.to_frame())),
                Step::Frame(_) => {}
                Step::End | Step::Stray | Step::Broken(_) => return Err(changed(&walk)),
            }
        }
    }

    /// Where the frames of a segment end at the latest.
    fn end_of(&self, segment: usize) -> Result<usize, JournalError> {
        if segment + 1 == self.segments.len() {
            return Ok(self.end);
        }
        let name = self.segments[segment].to_string();
        let bytes = self.directory.open(&name, Access::Read).and_then(|file| file.bytes());
        Ok(usize::try_from(bytes.map_err(JournalError::read(&name))?).unwrap_or(usize::MAX))
    }

    fn load(&self, segment: usize, offset: usize, end: usize) -> Result<Vec<u8>, JournalError> {
        let name = self.segments[segment].to_string();
        let mut bytes = vec![0; end.saturating_sub(offset)];
        let file = self.directory.open(&name, Access::Read);
        file.and_then(|file| file.read_at(&mut bytes, offset as u64)).map_err(JournalError::read(&name))?;
        Ok(bytes)
    }
}

/// Frames were there before and are not now.
fn changed(walk: &Walk<'_>) -> JournalError {
    JournalError::damaged(walk.tail().next_seq, "the frame has changed since the journal was opened")
}

/// Reads frame after frame.
pub(super) struct Reading<'a, D> {
    stored: &'a Stored<D>,
    from: Seq,
    next: Option<Landmark>,
    loaded: Loaded,
}

/// A segment in memory, from `offset` on.
struct Loaded {
    segment: usize,
    offset: usize,
    bytes: Vec<u8>,
}

impl<D: Directory> Reading<'_, D> {
    fn advance(&mut self) -> Result<Option<Frame>, JournalError> {
        while let Some(at) = self.next.take().filter(|at| at.before != self.stored.tail) {
            let bytes = self.loaded.bytes_at(self.stored, at)?;
            let mut walk = Walk::new(bytes, 0, at.before);
            match walk.step() {
                Step::Frame(frame) => {
                    let offset = at.offset + walk.offset();
                    self.next = Some(Landmark { before: walk.tail(), offset, ..at });
                    if frame.first_seq() >= self.from || frame.tail().next_seq > self.from {
                        return Ok(Some(frame.to_frame()));
                    }
                }
                Step::End if at.segment + 1 < self.stored.segments.len() => {
                    self.next = Some(Landmark { segment: at.segment + 1, offset: 0, ..at });
                }
                Step::End | Step::Stray | Step::Broken(_) => return Err(changed(&walk)),
            }
        }
        Ok(None)
    }
}

impl Loaded {
    const NOTHING: Self = Self { segment: usize::MAX, offset: 0, bytes: Vec::new() };

    /// The bytes of the segment of `at`, from there on.
    fn bytes_at<D: Directory>(&mut self, stored: &Stored<D>, at: Landmark) -> Result<&[u8], JournalError> {
        if self.segment != at.segment {
            let bytes = stored.load(at.segment, at.offset, stored.end_of(at.segment)?)?;
            *self = Self { segment: at.segment, offset: at.offset, bytes };
        }
        Ok(&self.bytes[at.offset - self.offset..])
    }
}

impl<D: Directory> Iterator for Reading<'_, D> {
    type Item = Result<Frame, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
