//! Snapshots: what the records up to a place of the journal come to, as bytes that mean nothing here.
//!
//! A snapshot saves replay and is never the truth: one that is not as it was written, or not of this journal, is of no
//! use, and the journal says the same. It is written under another name and gets its own when it is durable.
//!
//! ```text
//! magic "LHS1" | version u16 = 1 | state version u16 | begin[32] | next_seq u64 | chain[32] | made_at_ms i64 | crc32c u32
//! parts:         length u32 > 0, bytes, crc32c u32
//! end:           0 u32 | SHA-256 of the bytes of all parts
//! ```
//!
//! All integers are little-endian. `begin` is the chain that the journal begins with: it tells journals apart.

use std::io;
use std::path::Path;

use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use sha2::{Digest as _, Sha256};

use super::directory::{Access, Directory, DirectoryFile, OsDirectory};
use super::{genesis, open_directory};
use crate::chain::{Chain, Genesis, Tail};
use crate::error::JournalError;
use crate::limits;

/// The name of a snapshot that is written. One that a crash left is taken away.
const UNFINISHED: &str = "SNAPSHOT";
const HEAD: &[u8] = b"LHS1\x01\0";
const HEAD_BYTES: usize = HEAD.len() + 2 + 32 + 8 + 32 + 8 + CRC_BYTES;
const CRC_BYTES: usize = 4;
const LENGTH_BYTES: usize = 4;
const HASH_BYTES: usize = 32;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The layout of its parts, which the program above knows.
    pub state_version: u16,
    /// The end of the journal when it was made.
    pub tail: Tail,
    /// When that was, by the wall clock; for people.
    pub made_at: UnixMs,
}

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// It is not as it was written.
    #[error("its {0} is not as it was written")]
    Damaged(&'static str),
    /// It was made of another journal.
    #[error("it is one of another journal")]
    Foreign,
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

/// A snapshot that lies in a journal's directory.
#[derive(Debug)]
pub struct Found {
    /// The name of its file.
    pub name: String,
    /// What it is of, unless it is of no use.
    pub head: Result<SnapshotHead, BadSnapshot>,
}

/// The snapshots beside the journal at `path`, the newest first.
pub fn list(path: &Path) -> Result<Vec<Found>, JournalError> {
    let directory = open_directory(path)?;
    let genesis = genesis::read(&directory)?;
    list_in(&directory, &genesis)
}

#[doc(hidden)]
pub fn list_in<D: Directory>(directory: &D, genesis: &Genesis) -> Result<Vec<Found>, JournalError> {
    let mut names = directory.names().map_err(JournalError::read("the directory"))?;
    names.retain(|name| parse(name).is_some());
    names.sort_unstable_by(|a, b| b.cmp(a));
    let found = names.into_iter().filter_map(|name| {
        let head = match SnapshotReader::open_in(directory, &name, genesis) {
            // Beside a writer the oldest ones go.
            Err(BadSnapshot::Read(error)) if error.kind() == io::ErrorKind::NotFound => return None,
            opened => opened.map(|reader| reader.head),
        };
        Some(Found { name, head })
    });
    Ok(found.collect())
}

/// The `next_seq` of the newest snapshot of this journal: so far it has been durable.
pub(super) fn newest<D: Directory>(directory: &D, genesis: &Genesis) -> Result<Option<Seq>, JournalError> {
    let found = list_in(directory, genesis)?;
    Ok(found.into_iter().find_map(|found| Some(found.head.ok()?.tail.next_seq)))
}

/// Reads the parts of one snapshot, and checks each.
pub struct SnapshotReader<F = std::fs::File> {
    file: F,
    head: SnapshotHead,
    offset: u64,
    bytes: u64,
    hash: Sha256,
    /// Of all parts, as the end says.
    state_hash: Option<[u8; HASH_BYTES]>,
}

impl SnapshotReader {
    /// Opens the snapshot `name` beside the journal at `path`.
    pub fn open(path: &Path, name: &str) -> Result<Self, BadSnapshot> {
        let read = |error: JournalError| BadSnapshot::Read(io::Error::other(error));
        let directory = open_directory(path).map_err(read)?;
        let genesis = genesis::read(&directory).map_err(read)?;
        Self::open_in(&directory, name, &genesis)
    }
}

impl<F: DirectoryFile> SnapshotReader<F> {
    #[doc(hidden)]
    pub fn open_in<D: Directory<File = F>>(
        directory: &D,
        name: &str,
        genesis: &Genesis,
    ) -> Result<Self, BadSnapshot> {
        let file = directory.open(name, Access::Read)?;
        let bytes = file.bytes()?;
        let mut head = [0; HEAD_BYTES];
        if bytes < HEAD_BYTES as u64 {
            return Err(BadSnapshot::Damaged("beginning"));
        }
        file.read_at(&mut head, 0)?;
        let (begin, head) = decode_head(&head).ok_or(BadSnapshot::Damaged("beginning"))?;
        if begin != genesis.tail().chain {
            return Err(BadSnapshot::Foreign);
        }
        if parse(name) != Some(head.tail.next_seq) {
            return Err(BadSnapshot::Damaged("name"));
        }
        Ok(Self { file, head, offset: HEAD_BYTES as u64, bytes, hash: Sha256::new(), state_hash: None })
    }

    /// What it is of.
    pub const fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The hash of its parts, one after the other; none before the last of them was read.
    pub const fn state_hash(&self) -> Option<[u8; 32]> {
        self.state_hash
    }

    fn advance(&mut self) -> Result<Option<Vec<u8>>, BadSnapshot> {
        if self.state_hash.is_some() {
            return Ok(None);
        }
        let length = self.take(LENGTH_BYTES)?;
        let length = u32::from_le_bytes(length.try_into().expect("as many were taken"));
        if length == 0 {
            return self.end().map(|()| None);
        }
        let mut part = self.take(length as usize + CRC_BYTES)?;
        let crc = part.split_off(length as usize);
        if crc32c::crc32c(&part).to_le_bytes()[..] != crc {
            return Err(BadSnapshot::Damaged("part"));
        }
        self.hash.update(&part);
        Ok(Some(part))
    }

    fn end(&mut self) -> Result<(), BadSnapshot> {
        let claimed = self.take(HASH_BYTES)?;
        let hash: [u8; HASH_BYTES] = self.hash.clone().finalize().into();
        if claimed != hash || self.offset != self.bytes {
            return Err(BadSnapshot::Damaged("end"));
        }
        self.state_hash = Some(hash);
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, BadSnapshot> {
        if self.bytes - self.offset < bytes as u64 {
            return Err(BadSnapshot::Damaged("length"));
        }
        let mut taken = vec![0; bytes];
        self.file.read_at(&mut taken, self.offset)?;
        self.offset += bytes as u64;
        Ok(taken)
    }
}

/// The parts in order. After an error there is nothing more to be had.
impl<F: DirectoryFile> Iterator for SnapshotReader<F> {
    type Item = Result<Vec<u8>, BadSnapshot>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.advance();
        if part.is_err() {
            self.offset = self.bytes;
        }
        part.transpose()
    }
}

/// Writes one snapshot, a little at a time.
pub struct SnapshotWriter<D: Directory = OsDirectory> {
    directory: D,
    genesis: Genesis,
    head: SnapshotHead,
    file: D::File,
    /// Bytes that are written.
    written: u64,
    buffer: Vec<u8>,
    hash: Sha256,
    /// It has its own name.
    is_published: bool,
}

impl SnapshotWriter {
    /// Begins a snapshot beside the journal at `path`. There may be one such writer at a time, and no lock sees to that.
    pub fn create(path: &Path, head: SnapshotHead) -> Result<Self, JournalError> {
        let directory = open_directory(path)?;
        let genesis = genesis::read(&directory)?;
        Self::create_in(directory, genesis, head)
    }
}

impl<D: Directory> SnapshotWriter<D> {
    #[doc(hidden)]
    pub fn create_in(directory: D, genesis: Genesis, head: SnapshotHead) -> Result<Self, JournalError> {
        let file = directory.create(UNFINISHED).map_err(JournalError::write(UNFINISHED))?;
        let buffer = encode_head(&genesis, &head).to_vec();
        let (written, hash, is_published) = (0, Sha256::new(), false);
        Ok(Self { directory, genesis, head, file, written, buffer, hash, is_published })
    }

    /// Adds a part, which is not empty.
    pub fn add(&mut self, part: &[u8]) -> Result<(), JournalError> {
        let length = u32::try_from(part.len()).ok().filter(|&length| length > 0);
        let length = length.ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from);
        self.buffer.extend(length.map_err(JournalError::write(UNFINISHED))?.to_le_bytes());
        self.buffer.extend(part);
        self.buffer.extend(crc32c::crc32c(part).to_le_bytes());
        self.hash.update(part);
        if self.buffer.len() < limits::SNAPSHOT_WRITE_BYTES {
            return Ok(());
        }
        self.flush().map_err(JournalError::write(UNFINISHED))
    }

    /// Makes it durable, gives it its name, and takes away what is no longer to be kept: all but the newest
    /// [`limits::SNAPSHOTS_KEPT`] that are of this journal and layout.
    pub fn finish(mut self) -> Result<(), JournalError> {
        self.buffer.extend(0_u32.to_le_bytes());
        self.buffer.extend(self.hash.clone().finalize());
        self.publish().map_err(JournalError::write(UNFINISHED))?;
        self.remove_old()
    }

    fn publish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.directory.rename(UNFINISHED, &name(self.head.tail.next_seq))?;
        self.is_published = true;
        self.directory.sync()
    }

    fn flush(&mut self) -> io::Result<()> {
        let spared = limits::SNAPSHOT_SPARED_SEGMENTS * u64::from(self.genesis.segment_bytes());
        if self.directory.room()? < spared + self.buffer.len() as u64 {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the room that is left is for the journal",
            ));
        }
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.file.sync()
    }

    fn remove_old(&self) -> Result<(), JournalError> {
        let ours = |head: &SnapshotHead| head.state_version == self.head.state_version;
        let mut kept = 0;
        for Found { name, head } in list_in(&self.directory, &self.genesis)? {
            match &head {
                Ok(head) if kept < limits::SNAPSHOTS_KEPT && ours(head) => kept += 1,
                // It may be a good one, where no more files can be opened now.
                Err(BadSnapshot::Read(_)) => {}
                Ok(_) | Err(BadSnapshot::Damaged(_) | BadSnapshot::Foreign) => {
                    self.directory.remove(&name).map_err(JournalError::write(&name))?;
                }
            }
        }
        Ok(())
    }
}

impl<D: Directory> Drop for SnapshotWriter<D> {
    /// What was not finished takes no room.
    fn drop(&mut self) {
        if !self.is_published {
            // If that fails, whoever opens the journal next does it.
            let _ = remove_unfinished(&self.directory);
        }
    }
}

/// Takes away what somebody left who wrote a snapshot and ended. Nobody may be writing one.
pub(super) fn remove_unfinished<D: Directory>(directory: &D) -> Result<(), JournalError> {
    directory.remove(UNFINISHED).map_err(JournalError::write(UNFINISHED))
}

fn name(next_seq: Seq) -> String {
    format!("{:020}.snap", next_seq.0)
}

/// Reads a file name; `None` if it is not exactly that of a snapshot.
fn parse(file: &str) -> Option<Seq> {
    let next_seq = Seq(file.strip_suffix(".snap")?.parse().ok()?);
    (name(next_seq) == file).then_some(next_seq)
}

fn encode_head(genesis: &Genesis, head: &SnapshotHead) -> [u8; HEAD_BYTES] {
    let mut bytes = HEAD.to_vec();
    bytes.extend(head.state_version.to_le_bytes());
    bytes.extend(genesis.tail().chain.0);
    bytes.extend(head.tail.next_seq.0.to_le_bytes());
    bytes.extend(head.tail.chain.0);
    bytes.extend(head.made_at.0.to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.try_into().expect("the parts have as many bytes as the whole")
}

/// The chain of its journal's beginning, and what it is of.
fn decode_head(bytes: &[u8; HEAD_BYTES]) -> Option<(Chain, SnapshotHead)> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    if crc32c::crc32c(content).to_le_bytes() != *crc {
        return None;
    }
    let (state_version, rest) = content.strip_prefix(HEAD)?.split_first_chunk()?;
    let (begin, rest) = rest.split_first_chunk()?;
    let (next_seq, rest) = rest.split_first_chunk()?;
    let (chain, made_at) = rest.split_first_chunk()?;
    let head = SnapshotHead {
        state_version: u16::from_le_bytes(*state_version),
        tail: Tail { next_seq: Seq(u64::from_le_bytes(*next_seq)), chain: Chain(*chain) },
        made_at: UnixMs(i64::from_le_bytes(made_at.try_into().ok()?)),
    };
    Some((Chain(*begin), head))
}
