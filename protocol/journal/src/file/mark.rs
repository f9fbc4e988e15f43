//! The file `MARK`: how far the journal was durable when last somebody was told so.
//!
//! Two slots at 0 and 4096, each `next_seq u64 | chain[32] | generation u32 | crc32c u32`, written in turn after every
//! commit and before its replies. A journal that does not lead through what its MARK says has lost acknowledged records.
//! The generation is the program's: a number that only rises, and that a journal which was set back cannot take back.

use std::{fmt, io};

use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{BootId, Stamp};

use super::directory::{Access, Directory, DirectoryFile};
use super::{cut, snapshot};
use crate::chain::{Chain, Genesis, Tail};
use crate::error::JournalError;
use crate::limits;

pub(super) const NAME: &str = "MARK";

const SLOT_BYTES: usize = 48;
const SLOTS_AT: [u64; 2] = [0, 4096];

/// Writes the MARK of a new journal, both slots, durably.
pub(super) fn create<D: Directory>(directory: &D, tail: Tail, generation: u32) -> Result<(), JournalError> {
    let write = || {
        let file = directory.create(NAME)?;
        SLOTS_AT.iter().try_for_each(|&at| file.write_at(&encode(tail, generation), at))?;
        file.sync()
    };
    write().map_err(JournalError::create(NAME))
}

/// The highest generation that a good slot names; none if there is no good slot.
pub(super) fn generation<D: Directory>(directory: &D) -> Option<u32> {
    read_slots(directory).ok()?.into_iter().flatten().map(|(_, generation)| generation).max()
}

/// What lies beside a journal and demands something of it: the good slots of its MARK, that it leads through each of
/// these ends; its snapshots, that it goes as far, since each was durable there when it was made.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    slots: [Slot; 2],
    generation: u32,
    /// The `next_seq` of the newest snapshot, as long as the walk has not come so far.
    snapshot: Option<Seq>,
}

/// What a journal should have led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    Mark(Tail),
    Snapshot(Seq),
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(tail) => {
                let durable = tail.next_seq.previous();
                write!(f, "it does not lead through its MARK, which vouches for record {durable}")
            }
            Self::Snapshot(next_seq) => {
                write!(f, "it ends before record {}, of which there is a snapshot", next_seq.previous())
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Not what was written: torn or never complete.
    Bad,
    /// The walk has not been there yet.
    Awaited(Tail),
    /// The walk was there, as the n-th demand that was met.
    Met(u8),
}

impl Demand {
    /// Nothing is demanded.
    pub(super) const NONE: Self = Self { slots: [Slot::Bad; 2], generation: 0, snapshot: None };

    /// Reads the MARK. Two bad slots, or none at all, are a MARK that no journal satisfies.
    pub(super) fn read<D: Directory>(directory: &D, genesis: &Genesis) -> Result<Self, JournalError> {
        if cut::is_under_way(directory)? {
            return Err(JournalError::damaged(
                Seq::FIRST,
                "records are being cut off it, and nobody has written that down yet",
            ));
        }
        // Before the MARK: beside a writer that one is further then.
        let snapshot = snapshot::newest(directory, genesis)?;
        let slots = read_slots(directory)?;
        let generation = slots.iter().flatten().map(|(_, generation)| *generation).max().unwrap_or_default();
        let slots = slots.map(|slot| slot.map_or(Slot::Bad, |(tail, _)| Slot::Awaited(tail)));
        Ok(Self { slots, generation, snapshot })
    }

    /// The walk begins at `tail`, the start of a segment. What the MARK says of earlier ends, also of earlier frames
    /// without records, the snapshot stands for that the walk begins before.
    pub(super) fn skip_to(&mut self, tail: Tail) {
        let mut earlier: Vec<Tail> = self.slots.iter().filter_map(|slot| slot.awaited()).collect();
        earlier.retain(|end| end.next_seq <= tail.next_seq && *end != tail);
        earlier.sort_by_key(|end| end.next_seq);
        for end in earlier {
            self.pass_slots(end);
        }
    }

    /// The walk over the journal has come to `tail`.
    pub(super) fn pass(&mut self, tail: Tail) {
        self.snapshot = self.snapshot.filter(|next_seq| tail.next_seq < *next_seq);
        self.pass_slots(tail);
    }

    fn pass_slots(&mut self, tail: Tail) {
        let order = u8::from(self.slots.iter().any(|slot| matches!(slot, Slot::Met(_))));
        for slot in &mut self.slots {
            if *slot == Slot::Awaited(tail) {
                *slot = Slot::Met(order);
            }
        }
    }

    /// Whether the walk was everywhere it has to be: what follows is above the MARK.
    pub(super) fn is_met(&self) -> bool {
        self.unmet().is_none()
    }

    /// What the walk has not come to.
    pub(super) fn unmet(&self) -> Option<Unmet> {
        let marked = self.slots.iter().find_map(|slot| slot.awaited());
        marked.map(Unmet::Mark).or(self.snapshot.map(Unmet::Snapshot))
    }

    /// The slot to be written next: a bad one, else the older one.
    fn next_slot(&self) -> usize {
        match self.slots {
            [Slot::Bad, _] => 0,
            [_, Slot::Bad] => 1,
            [Slot::Met(first), Slot::Met(second)] => usize::from(first > second),
            [Slot::Awaited(_), _] | [_, Slot::Awaited(_)] => {
                unreachable!("only a met demand is followed by writes")
            }
        }
    }
}

/// The newest good slot.
pub(super) fn newest<D: Directory>(directory: &D) -> Result<Tail, JournalError> {
    // Beside a writer both slots can be caught half written, though hardly twice.
    let slots = read_slots(directory).or_else(|_| read_slots(directory))?;
    let newest = slots.into_iter().flatten().map(|(tail, _)| tail).max_by_key(|tail| tail.next_seq);
    Ok(newest.expect("a MARK without a good slot is an error"))
}

/// The good slots, of which there is one at least.
fn read_slots<D: Directory>(directory: &D) -> Result<[Option<(Tail, u32)>; 2], JournalError> {
    let file = match directory.open(NAME, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(JournalError::damaged(Seq::FIRST, "MARK is missing"));
        }
        Err(error) => return Err(JournalError::read(NAME)(error)),
    };
    // A slot that cannot be read is no worse than one that was torn: the other one decides.
    let mut unreadable = None;
    let slots = SLOTS_AT.map(|at| {
        read_slot(&file, at).unwrap_or_else(|error| {
            unreadable = Some(error);
            None
        })
    });
    match (slots, unreadable) {
        // Nothing is known to be lost: the disk may say it another time.
        ([None, None], Some(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(JournalError::read(NAME)(error))
        }
        ([None, None], _) => Err(JournalError::damaged(Seq::FIRST, "both slots of MARK are bad")),
        (slots, _) => Ok(slots),
    }
}

impl Slot {
    const fn awaited(self) -> Option<Tail> {
        match self {
            Self::Awaited(tail) => Some(tail),
            Self::Bad | Self::Met(_) => None,
        }
    }
}

/// The MARK of an open journal.
pub(super) struct Mark<F> {
    file: F,
    next_slot: usize,
    generation: u32,
    synced_at: Option<(BootId, i64)>,
}

impl<F: DirectoryFile> Mark<F> {
    /// Opens the MARK whose demand `met` was.
    pub(super) fn open<D: Directory<File = F>>(directory: &D, met: &Demand) -> Result<Self, JournalError> {
        let file = directory.open(NAME, Access::Write).map_err(JournalError::write(NAME))?;
        Ok(Self { file, next_slot: met.next_slot(), generation: met.generation, synced_at: None })
    }

    /// Opens the MARK of a journal that does not satisfy it, or makes a new one that nothing satisfies. It is of no use
    /// before it has been set.
    pub(super) fn open_unmet<D: Directory<File = F>>(
        directory: &D,
        generation: u32,
    ) -> Result<Self, JournalError> {
        let open = || match directory.open(NAME, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = directory.create(NAME)?;
                SLOTS_AT.iter().try_for_each(|&at| file.write_at(&[0; SLOT_BYTES], at))?;
                directory.sync()?;
                Ok(file)
            }
            opened => opened,
        };
        let file = open().map_err(JournalError::write(NAME))?;
        Ok(Self { file, next_slot: 0, generation, synced_at: None })
    }

    /// The highest generation that was ever named.
    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Names a higher generation, durably and in both slots: one that goes bad takes nothing back.
    pub(super) fn raise_generation(&mut self, generation: u32, tail: Tail) -> Result<(), JournalError> {
        self.generation = self.generation.max(generation);
        self.set(tail)
    }

    /// Says in both slots that the journal is durable up to `tail`, durably.
    pub(super) fn set(&mut self, tail: Tail) -> Result<(), JournalError> {
        for _ in SLOTS_AT {
            self.write(tail)?;
            self.sync()?;
        }
        Ok(())
    }

    /// Says that the journal is durable up to `tail`.
    pub(super) fn write(&mut self, tail: Tail) -> Result<(), JournalError> {
        self.file
            .write_at(&encode(tail, self.generation), SLOTS_AT[self.next_slot])
            .map_err(JournalError::write(NAME))?;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }

    /// Makes the MARK itself durable.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        self.file.sync().map_err(JournalError::write(NAME))
    }

    /// Makes the MARK durable if that was not done for [`limits::MARK_SYNC_MS`] of the stamps' time.
    pub(super) fn sync_if_due(&mut self, stamp: &Stamp) -> Result<(), JournalError> {
        let now = (stamp.boot_id, stamp.boottime_ms);
        let (boot_id, since_ms) = *self.synced_at.get_or_insert(now);
        let recent = 0..limits::MARK_SYNC_MS;
        if boot_id != now.0 || !recent.contains(&now.1.saturating_sub(since_ms)) {
            self.sync()?;
            self.synced_at = Some(now);
        }
        Ok(())
    }
}

fn encode(tail: Tail, generation: u32) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&tail.next_seq.0.to_le_bytes());
    bytes[8..40].copy_from_slice(&tail.chain.0);
    bytes[40..44].copy_from_slice(&generation.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn read_slot<F: DirectoryFile>(file: &F, at: u64) -> io::Result<Option<(Tail, u32)>> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_at(&mut bytes, at)?;
    let (content, crc) = bytes.split_last_chunk::<4>().expect("a slot is longer than its checksum");
    let (next_seq, rest) = content.split_first_chunk().expect("a slot is longer than a number");
    let (chain, generation) = rest.split_last_chunk().expect("a slot is longer than two numbers");
    let good = crc32c::crc32c(content).to_le_bytes() == *crc;
    let chain = Chain(chain.try_into().expect("what is left of a slot is a chain"));
    let tail = Tail { next_seq: Seq(u64::from_le_bytes(*next_seq)), chain };
    Ok(good.then_some((tail, u32::from_le_bytes(*generation))))
}
