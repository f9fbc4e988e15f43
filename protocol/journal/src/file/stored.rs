//! The frames that are there: the segments, a sparse index into them, and reading by seq.

use std::cell::OnceCell;

use leasehold_protocol::seq::Seq;

use super::directory::{Access, Directory, DirectoryFile as _};
use super::segment::{SegmentName, Step, Walk};
use crate::chain::Tail;
use crate::error::JournalError;
use crate::frame::{Frame, FrameHead};
use crate::limits::INDEX_STRIDE_BYTES;

/// The frames of a journal up to its tail.
pub(super) struct Stored<D> {
    directory: D,
    segments: Vec<Segment>,
    tail: Tail,
    /// Where in the last segment the frames end.
    end: usize,
}

struct Segment {
    name: SegmentName,
    /// Of a segment that was begun before the walk, made when it is first asked for.
    landmarks: OnceCell<Vec<Landmark>>,
}

/// A place in a segment where a frame begins; the index has one for its first frame and each [`INDEX_STRIDE_BYTES`].
#[derive(Clone, Copy, Debug)]
struct Landmark {
    before: Tail,
    offset: usize,
}

impl<D: Directory> Stored<D> {
    /// Nothing yet, in a journal that begins with `tail`.
    pub(super) const fn new(directory: D, tail: Tail) -> Self {
        Self { directory, segments: Vec::new(), tail, end: 0 }
    }

    /// Nothing yet but these segments, which are not looked at; the frames go on with `tail`.
    pub(super) fn skip_to(&mut self, earlier: &[SegmentName], tail: Tail) {
        self.segments = earlier.iter().map(|&name| Segment { name, landmarks: OnceCell::new() }).collect();
        self.tail = tail;
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
        self.segments.last().map(|segment| segment.name)
    }

    /// Every segment, and where its frames end at the latest.
    pub(super) fn segment_ends(&self) -> Result<Vec<(SegmentName, usize)>, JournalError> {
        let numbers = 0..self.segments.len();
        numbers.map(|number| Ok((self.segments[number].name, self.end_of(number)?))).collect()
    }

    /// The frames go on at the start of the segment `name`.
    pub(super) fn begin_segment(&mut self, name: SegmentName) {
        self.segments.push(Segment { name, landmarks: OnceCell::from(Vec::new()) });
        self.end = 0;
    }

    /// The next `bytes` of the last segment are a frame, and the journal ends with `tail` now.
    pub(super) fn add_frame(&mut self, bytes: usize, tail: Tail) {
        let segment = self.segments.last_mut().expect("a frame is in a segment that was begun");
        let landmarks = segment.landmarks.get_mut().expect("a segment that was begun has an index");
        note(landmarks, Landmark { before: self.tail, offset: self.end });
        self.end += bytes;
        self.tail = tail;
    }

    /// The frames from the one that holds record `from` on.
    pub(super) fn read(&self, from: Seq) -> Reading<'_, D> {
        // Frames without records have their seq in common with the frame behind them: begin before all of those.
        let behind = self.segments.partition_point(|segment| segment.name.first_seq < from);
        let next = Next::Find { segment: behind.saturating_sub(1), from };
        Reading { stored: self, from, next, loaded: Loaded::NOTHING }
    }

    /// The frame that holds record `seq`, if it is there.
    pub(super) fn read_frame(&self, seq: Seq) -> Result<Option<Frame>, JournalError> {
        if seq >= self.tail.next_seq {
            return Ok(None);
        }
        let behind = self.segments.partition_point(|segment| segment.name.first_seq <= seq);
        let Some(segment) = behind.checked_sub(1) else { return Ok(None) };
        let landmarks = self.landmarks(segment)?;
        let behind = landmarks.partition_point(|landmark| landmark.before.next_seq <= seq);
        let Some(start) = behind.checked_sub(1).map(|at| landmarks[at]) else { return Ok(None) };
        let end = landmarks.get(behind).map_or_else(|| self.end_of(segment), |next| Ok(next.offset))?;
        let bytes = self.load(segment, start.offset, end)?;
        let mut walk = Walk::new(&bytes, 0, start.before);
        loop {
            match walk.step() {
                Step::Frame(frame) if frame.tail().next_seq > seq => return Ok(Some(frame.to_frame())),
                Step::Frame(_) => {}
                Step::End | Step::Stray | Step::Broken(_) => return Err(changed(&walk)),
            }
        }
    }

    fn landmarks(&self, segment: usize) -> Result<&[Landmark], JournalError> {
        let landmarks = &self.segments[segment].landmarks;
        if landmarks.get().is_none() {
            let bytes = self.load(segment, 0, self.end_of(segment)?)?;
            // Nobody else makes it meanwhile: this is not shared between threads.
            let _ = landmarks.set(index(&bytes));
        }
        Ok(landmarks.get().expect("it was just made"))
    }

    /// Where the frames of a segment end at the latest.
    fn end_of(&self, segment: usize) -> Result<usize, JournalError> {
        if segment + 1 == self.segments.len() {
            return Ok(self.end);
        }
        let name = self.segments[segment].name.to_string();
        let bytes = self.directory.open(&name, Access::Read).and_then(|file| file.bytes());
        Ok(usize::try_from(bytes.map_err(JournalError::read(&name))?).unwrap_or(usize::MAX))
    }

    fn load(&self, segment: usize, offset: usize, end: usize) -> Result<Vec<u8>, JournalError> {
        let name = self.segments[segment].name.to_string();
        let mut bytes = vec![0; end.saturating_sub(offset)];
        let file = self.directory.open(&name, Access::Read);
        file.and_then(|file| file.read_at(&mut bytes, offset as u64)).map_err(JournalError::read(&name))?;
        Ok(bytes)
    }
}

/// Where frames begin by what they say themselves; each is checked when it is read.
fn index(segment: &[u8]) -> Vec<Landmark> {
    let (mut landmarks, mut offset) = (Vec::new(), 0);
    while let Some(head) = segment.get(offset..).and_then(FrameHead::read) {
        note(&mut landmarks, Landmark { before: head.continues, offset });
        offset += head.frame_bytes;
    }
    landmarks
}

fn note(landmarks: &mut Vec<Landmark>, frame: Landmark) {
    if landmarks.last().is_none_or(|last| frame.offset - last.offset >= INDEX_STRIDE_BYTES) {
        landmarks.push(frame);
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
    next: Next,
    loaded: Loaded,
}

/// Where reading goes on.
#[derive(Clone, Copy)]
enum Next {
    /// In a segment, at the last place of its index before `from`.
    Find {
        segment: usize,
        from: Seq,
    },
    At {
        segment: usize,
        landmark: Landmark,
    },
    Nowhere,
}

/// A segment in memory, from `offset` on.
struct Loaded {
    segment: usize,
    offset: usize,
    bytes: Vec<u8>,
}

impl<D: Directory> Reading<'_, D> {
    fn advance(&mut self) -> Result<Option<Frame>, JournalError> {
        while let Some((segment, at)) = self.place()? {
            let bytes = self.loaded.bytes_at(self.stored, segment, at.offset)?;
            let mut walk = Walk::new(bytes, 0, at.before);
            match walk.step() {
                Step::Frame(frame) => {
                    let landmark = Landmark { before: walk.tail(), offset: at.offset + walk.offset() };
                    self.next = Next::At { segment, landmark };
                    if frame.first_seq() >= self.from || frame.tail().next_seq > self.from {
                        return Ok(Some(frame.to_frame()));
                    }
                }
                Step::End if segment + 1 < self.stored.segments.len() => {
                    self.next = Next::At { segment: segment + 1, landmark: Landmark { offset: 0, ..at } };
                }
                Step::End | Step::Stray | Step::Broken(_) => return Err(changed(&walk)),
            }
        }
        Ok(None)
    }

    /// Takes the place where it goes on; an error is the end.
    fn place(&mut self) -> Result<Option<(usize, Landmark)>, JournalError> {
        let (segment, landmark) = match std::mem::replace(&mut self.next, Next::Nowhere) {
            Next::Nowhere => return Ok(None),
            Next::At { segment, landmark } => (segment, landmark),
            Next::Find { segment, .. } if segment == self.stored.segments.len() => return Ok(None),
            Next::Find { segment, from } => {
                let landmarks = self.stored.landmarks(segment)?;
                let behind = landmarks.partition_point(|landmark| landmark.before.next_seq < from);
                match landmarks.get(behind.saturating_sub(1)) {
                    Some(&landmark) => (segment, landmark),
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((segment, landmark)).filter(|_| landmark.before != self.stored.tail))
    }
}

impl Loaded {
    const NOTHING: Self = Self { segment: usize::MAX, offset: 0, bytes: Vec::new() };

    /// The bytes of a segment from `offset` on.
    fn bytes_at<D: Directory>(
        &mut self,
        stored: &Stored<D>,
        segment: usize,
        offset: usize,
    ) -> Result<&[u8], JournalError> {
        if self.segment != segment {
            let bytes = stored.load(segment, offset, stored.end_of(segment)?)?;
            *self = Self { segment, offset, bytes };
        }
        Ok(&self.bytes[offset - self.offset..])
    }
}

impl<D: Directory> Iterator for Reading<'_, D> {
    type Item = Result<Frame, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
