//! Segment files: their names, and the walk over the frames of one.

use std::fmt;

use leasehold_protocol::seq::Seq;

use crate::chain::Tail;
use crate::frame::{BadFrame, CheckedFrame, MAGIC};

/// The name of a segment: `<first seq>.seg`, 20 digits so that names sort; `<first seq>_<part>.seg` where the segment
/// before holds only frames without records and so begins with the same seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    pub(super) first_seq: Seq,
    part: u32,
}

impl SegmentName {
    /// The first segment of every journal.
    pub(super) const FIRST: Self = Self { first_seq: Seq::FIRST, part: 0 };

    /// The name of the segment after this one, if it begins with `first_seq`.
    pub(super) const fn followed_by(self, first_seq: Seq) -> Self {
        let part = if first_seq.0 == self.first_seq.0 { self.part + 1 } else { 0 };
        Self { first_seq, part }
    }

    /// Reads a file name; `None` if it is not exactly that of a segment.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".seg")?;
        let (first_seq, part) = stem.split_once('_').unwrap_or((stem, "0"));
        let parsed = Self { first_seq: Seq(first_seq.parse().ok()?), part: part.parse().ok()? };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{:020}.seg", self.first_seq.0),
            part => write!(f, "{:020}_{part}.seg", self.first_seq.0),
        }
    }
}

/// Walks over the frames of one segment, each of which must continue the one before.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    offset: usize,
    tail: Tail,
}

/// What the walk finds at its place.
pub(super) enum Step<'a> {
    /// A frame that continues the tail; the walk is behind it now.
    Frame(CheckedFrame<'a>),
    /// Only zeros from here on: the segment ends.
    End,
    /// A good frame that does not belong here.
    Stray,
    /// Bytes that are no frame.
    Broken(BadFrame),
}

impl<'a> Walk<'a> {
    /// Begins at `offset` of a segment, where the journal has the end `tail`.
    pub(super) const fn new(bytes: &'a [u8], offset: usize, tail: Tail) -> Self {
        Self { bytes, offset, tail }
    }

    /// The end of the journal where the walk is.
    pub(super) const fn tail(&self) -> Tail {
        self.tail
    }

    /// Where in the segment the walk is.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// Steps over the next frame.
    pub(super) fn step(&mut self) -> Step<'a> {
        let rest = &self.bytes[self.offset..];
        match CheckedFrame::read(rest) {
            Ok(frame) if frame.continues() == self.tail => {
                self.offset += frame.bytes().len();
                self.tail = frame.tail();
                Step::Frame(frame)
            }
            Ok(_) => Step::Stray,
            Err(_) if is_zero(rest) => Step::End,
            Err(reason) => Step::Broken(reason),
        }
    }
}

/// Whether every byte is zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    // Compared in blocks: most of a segment is looked at here.
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|block| *block == ZEROS[..block.len()])
}

/// Whether a good frame begins anywhere in `bytes`.
pub(super) fn holds_frame(bytes: &[u8]) -> bool {
    let candidates = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    candidates.map(|(at, _)| &bytes[at..]).any(|bytes| CheckedFrame::read(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::SegmentName;
    use leasehold_protocol::seq::Seq;

    #[test]
    fn names_sort_as_segments_follow() {
        let first = SegmentName::FIRST;
        let same = first.followed_by(Seq(1));
        let later = same.followed_by(Seq(500));
        let names = [first, same, later, later.followed_by(Seq(500)), later.followed_by(Seq(u64::MAX))];
        assert!(names.is_sorted());
        let texts = names.map(|name| name.to_string());
        assert!(texts.is_sorted());
        assert_eq!(
            texts[..3],
            ["00000000000000000001.seg", "00000000000000000001_1.seg", "00000000000000000500.seg"]
        );
        for (name, text) in names.iter().zip(&texts) {
            assert_eq!(SegmentName::parse(text), Some(*name));
        }
    }

    #[test]
    fn other_files_are_no_segments() {
        for name in [
            "MARK",
            "1.seg",
            "00000000000000000001.seg.gz",
            "00000000000000000001_0.seg",
            "+0000000000000000001.seg",
        ] {
            assert_eq!(SegmentName::parse(name), None, "{name}");
        }
    }
}
