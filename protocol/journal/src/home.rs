//! Where frames are kept, and how the next one is made.

use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::Stamp;

use crate::chain::Tail;
use crate::error::JournalError;
use crate::frame::Frame;

/// One place that keeps one journal. Frames and chain are made above it.
pub trait Home {
    /// The end of the journal: every frame before it is durable.
    fn tail(&self) -> Tail;

    /// Adds one frame that continues the tail; durable on return.
    ///
    /// A frame that does not fit ([`JournalError::Frame`], [`JournalError::NotNext`]) changes nothing. Any other error
    /// leaves it unknown whether the frame will be there after a restart: from then on every call answers
    /// [`JournalError::Poisoned`], and the program must end.
    fn append(&mut self, frame: &Frame) -> Result<(), JournalError>;

    /// The frames from the one that holds record `from` on, oldest first. Frames without records are among them.
    fn read(&self, from: Seq) -> Result<Frames<'_>, JournalError>;

    /// The frame that holds record `seq`, if there is one.
    fn read_frame(&self, seq: Seq) -> Result<Option<Frame>, JournalError>;

    /// The last durable record; [`Seq::NONE`] if there is none yet.
    fn durable_seq(&self) -> Seq {
        self.tail().next_seq.previous()
    }

    /// Makes the next frame of `draft` and appends it. Its records are durable and numbered from the old tail's
    /// `next_seq` on; the new tail is returned.
    fn commit(&mut self, draft: Draft) -> Result<Tail, JournalError> {
        self.append(&draft.after(self.tail()))?;
        Ok(self.tail())
    }
}

/// Frames as they are read.
pub type Frames<'a> = Box<dyn Iterator<Item = Result<Frame, JournalError>> + 'a>;

/// What a shell puts into one frame: the clock, the records of every command that waited, and the leaf hashes and
/// batch signatures of the tickets among them. No records at all is the tick of an idle minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The clock fields.
    pub stamp: Stamp,
    /// The records, each as its core encodes it.
    pub records: Vec<Vec<u8>>,
    /// One per ticket, in record order.
    pub leaf_hashes: Vec<[u8; 32]>,
    /// One per [`crate::limits::LEAVES_PER_SIGNATURE`] leaf hashes or part of them.
    pub signatures: Vec<[u8; 64]>,
}

impl Draft {
    /// A frame of records only.
    pub const fn of_records(stamp: Stamp, records: Vec<Vec<u8>>) -> Self {
        Self { stamp, records, leaf_hashes: Vec::new(), signatures: Vec::new() }
    }

    /// The frame that continues `tail`.
    pub fn after(self, tail: Tail) -> Frame {
        Frame {
            first_seq: tail.next_seq,
            stamp: self.stamp,
            prev: tail.chain,
            records: self.records,
            leaf_hashes: self.leaf_hashes,
            signatures: self.signatures,
        }
    }
}
