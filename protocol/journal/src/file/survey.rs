//! The walk over a whole journal: what is there, and whether it is what an honest crash leaves.

use leasehold_protocol::seq::Seq;

use super::directory::{Access, Directory, DirectoryFile as _};
use super::mark::Demand;
use super::segment::{SegmentName, Step, Walk, holds_frame};
use super::stored::Stored;
use super::torn::torn_bytes;
use crate::chain::{Genesis, Tail};
use crate::error::JournalError;
use crate::frame::{BadFrame, CheckedFrame};

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Up to the MARK: what is durable for certain, also while another process appends.
    Durable,
    /// All there is; only while nobody writes.
    Everything,
}

/// What an interrupted write left behind the last good frame. Nobody was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The record it would have begun with.
    pub seq: Seq,
    /// The segment file it is in.
    pub segment: String,
    /// Where it begins in the file.
    pub offset: usize,
    /// How many bytes it has.
    pub bytes: usize,
}

/// What the walk found.
pub(super) struct Survey<D> {
    pub(super) stored: Stored<D>,
    pub(super) demand: Demand,
    /// Where the caller begins, as long as the walk was not there.
    start: Option<Tail>,
    pub(super) frames: u64,
    /// Good frames above the MARK; all of them are in the last segment, because the MARK is synced before each one.
    pub(super) unmarked_frames: u64,
    /// Where in the last segment they begin.
    pub(super) unmarked_from: usize,
    pub(super) torn: Option<Torn>,
}

impl<D: Directory> Survey<D> {
    /// Walks over the journal in `directory`, which must satisfy `demand`. With a `start` the segments before it are not
    /// looked at: it stands for them.
    pub(super) fn make(
        directory: D,
        genesis: &Genesis,
        demand: Demand,
        extent: Extent,
        start: Option<Tail>,
    ) -> Result<Self, JournalError> {
        let names = segment_names(&directory)?;
        let mut survey = Self::new(directory, genesis.tail(), demand, start);
        survey.walk(&names, genesis, extent)?;
        match (survey.demand.unmet(), survey.start) {
            _ if names.is_empty() => Err(survey.damaged("there is no segment")),
            (Some(unmet), _) => Err(survey.damaged(unmet.to_string())),
            (None, Some(start)) => Err(JournalError::NotThrough(start.next_seq.previous())),
            (None, None) => Ok(survey),
        }
    }

    /// Walks over the part of the journal that is whole, whatever is behind it.
    pub(super) fn of_whole_part(
        directory: D,
        genesis: &Genesis,
        start: Option<Tail>,
    ) -> Result<Self, JournalError> {
        let names = segment_names(&directory)?;
        let mut survey = Self::new(directory, genesis.tail(), Demand::NONE, start);
        match survey.walk(&names, genesis, Extent::Everything) {
            Ok(()) | Err(JournalError::Damaged { .. }) => {}
            Err(other) => return Err(other),
        }
        match survey.start {
            // No other place to begin at would lead further.
            Some(start) if segment_before(&names, start) == 0 && survey.frames == 0 => Ok(survey),
            Some(start) => Err(JournalError::NotThrough(start.next_seq.previous())),
            None => Ok(survey),
        }
    }

    const fn new(directory: D, genesis_tail: Tail, demand: Demand, start: Option<Tail>) -> Self {
        let stored = Stored::new(directory, genesis_tail);
        Self { stored, demand, start, frames: 0, unmarked_frames: 0, unmarked_from: 0, torn: None }
    }

    fn walk(&mut self, names: &[SegmentName], genesis: &Genesis, extent: Extent) -> Result<(), JournalError> {
        let first = self.start.map_or(0, |start| segment_before(names, start));
        if first > 0 {
            self.skip_to(&names[..=first], genesis)?;
        }
        self.pass(self.stored.tail());
        for (at, &name) in names.iter().enumerate().skip(first) {
            if at > first && self.is_far_enough(extent) {
                break;
            }
            let position = if at + 1 == names.len() { Position::Last } else { Position::Inner };
            self.walk_segment(name, position, genesis, extent)?;
        }
        Ok(())
    }

    /// Begins at the last of these segments, which goes on from what its first frame says.
    fn skip_to(&mut self, names: &[SegmentName], genesis: &Genesis) -> Result<(), JournalError> {
        let (&name, earlier) = names.split_last().expect("there is a segment to begin at");
        let bytes = self.load(name, genesis)?;
        let continues = CheckedFrame::read(&bytes).map(|frame| frame.continues());
        let Some(tail) = continues.ok().filter(|tail| tail.next_seq == name.first_seq) else {
            return Err(JournalError::damaged(
                name.first_seq,
                format!("segment {name} does not begin with its frame"),
            ));
        };
        self.stored.skip_to(earlier, tail);
        self.demand.skip_to(tail);
        Ok(())
    }

    fn walk_segment(
        &mut self,
        name: SegmentName,
        position: Position,
        genesis: &Genesis,
        extent: Extent,
    ) -> Result<(), JournalError> {
        let tail = self.stored.tail();
        let expected = self.stored.last_segment().map(|last| last.followed_by(tail.next_seq));
        let expected = expected.unwrap_or(SegmentName::FIRST);
        if name != expected {
            return Err(self.damaged(format!("segment {expected} is missing")));
        }
        let bytes = self.load(name, genesis)?;
        self.stored.begin_segment(name);
        self.unmarked_from = 0;
        let mut walk = Walk::new(&bytes, 0, tail);
        while !self.is_far_enough(extent) {
            match walk.step() {
                Step::Frame(frame) => self.pass_frame(frame.bytes().len(), &walk),
                Step::End => break,
                Step::Stray => return Err(self.damaged("a frame is there that does not continue the chain")),
                Step::Broken(reason) => return self.judge(&bytes, name, position, reason),
            }
        }
        Ok(())
    }

    fn pass_frame(&mut self, bytes: usize, walk: &Walk<'_>) {
        let unmarked = self.demand.is_met();
        self.stored.add_frame(bytes, walk.tail());
        self.pass(walk.tail());
        self.frames += 1;
        if unmarked {
            self.unmarked_frames += 1;
        } else {
            self.unmarked_from = walk.offset();
        }
    }

    /// The bytes at the end of the walk are no frame: torn, or damage?
    fn judge(
        &mut self,
        segment: &[u8],
        name: SegmentName,
        position: Position,
        reason: BadFrame,
    ) -> Result<(), JournalError> {
        let offset = self.stored.end();
        let rest = &segment[offset..];
        if !self.demand.is_met() || position == Position::Inner || holds_frame(rest) {
            return Err(self.damaged(reason.to_string()));
        }
        let Some(bytes) = torn_bytes(rest, offset) else {
            return Err(self.damaged(format!("{reason}, and no part of it is lacking")));
        };
        self.torn = Some(Torn { seq: self.stored.tail().next_seq, segment: name.to_string(), offset, bytes });
        Ok(())
    }

    fn pass(&mut self, tail: Tail) {
        self.demand.pass(tail);
        self.start = self.start.filter(|start| *start != tail);
    }

    fn load(&self, name: SegmentName, genesis: &Genesis) -> Result<Vec<u8>, JournalError> {
        let name = name.to_string();
        let file = self.stored.directory().open(&name, Access::Read).map_err(JournalError::read(&name))?;
        let len = file.bytes().map_err(JournalError::read(&name))?;
        if len != u64::from(genesis.segment_bytes()) {
            return Err(
                self.damaged(format!("segment {name} has {len} bytes, not {}", genesis.segment_bytes()))
            );
        }
        let mut bytes = vec![0; genesis.segment_bytes() as usize];
        file.read_at(&mut bytes, 0).map_err(JournalError::read(&name))?;
        Ok(bytes)
    }

    fn is_far_enough(&self, extent: Extent) -> bool {
        extent == Extent::Durable && self.demand.is_met() && self.start.is_none()
    }

    fn damaged(&self, detail: impl Into<String>) -> JournalError {
        JournalError::damaged(self.stored.tail().next_seq, detail)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Another segment follows; it was begun only when everything in this one was durable.
    Inner,
    Last,
}

/// The last segment that begins before `start`: the walk comes to that place from there.
fn segment_before(names: &[SegmentName], start: Tail) -> usize {
    names.partition_point(|name| name.first_seq < start.next_seq).saturating_sub(1)
}

/// The segments that are there, in their order.
pub(super) fn segment_names<D: Directory>(directory: &D) -> Result<Vec<SegmentName>, JournalError> {
    let names = directory.names().map_err(JournalError::read("the directory"))?;
    let mut segments: Vec<_> = names.iter().filter_map(|name| SegmentName::parse(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}
