//! A journal that is damaged, or behind its MARK, cut back to its last good frame: the program above goes on with that
//! as one that may have forgotten promises.
//!
//! ```text
//! CUT            "LHC1" | whether a generation is known u8, which u32 | crc32c u32; as long as records are being cut off
//! <name>.cut     what was cut off, whole, for people
//! ```
//!
//! `CUT` is there, durably, before anything changes, and keeps what the MARK says of generations. It goes when the
//! program has written down that records were lost; until then nothing takes the journal for whole, so a crash at any
//! step leads here again. What goes, goes newest first: what is left is always a beginning.

use std::io;
use std::path::Path;

use leasehold_protocol::seq::Seq;

use super::directory::{Access, Directory, DirectoryFile as _, OsDirectory};
use super::segment::{SegmentName, is_zero};
use super::survey::Survey;
use super::{mark, snapshot};
use crate::chain::Genesis;
use crate::error::JournalError;

const NAME: &str = "CUT";
const HEAD: &[u8; 4] = b"LHC1";
const BYTES: usize = 13;

/// What was cut off a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first record that is not there.
    pub seq: Seq,
    /// What was wrong.
    pub damage: String,
    /// The highest generation that the MARK named; none if it named none.
    pub generation: Option<u32>,
}

/// What the file keeps.
struct Kept {
    generation: Option<u32>,
}

/// Whether a journal is being cut.
pub(super) fn is_under_way<D: Directory>(directory: &D) -> Result<bool, JournalError> {
    let names = directory.names().map_err(JournalError::read("the directory"))?;
    Ok(names.iter().any(|name| name == NAME))
}

/// The highest generation that the MARK of the journal at `path` names, whatever is left of the journal beside; none if
/// nothing tells.
pub fn newest_generation(path: &Path) -> Option<u32> {
    let directory = OsDirectory::open(path).ok()?;
    read(&directory).ok()?.map_or_else(|| mark::generation(&directory), |kept| kept.generation)
}

/// Writes down that it begins, unless that was done before, and says which generation the MARK named then.
pub(super) fn begin<D: Directory>(directory: &D) -> Result<Option<u32>, JournalError> {
    if let Some(Kept { generation }) = read(directory)? {
        return Ok(generation);
    }
    let generation = mark::generation(directory);
    let write = || {
        let file = directory.create(NAME)?;
        file.write_at(&encode(generation), 0)?;
        file.sync()?;
        directory.sync()
    };
    write().map_err(JournalError::write(NAME))?;
    Ok(generation)
}

/// Takes away what is behind the end of what was surveyed, and keeps it beside.
pub(super) fn cut_off<D: Directory>(survey: &Survey<D>, genesis: &Genesis) -> Result<(), JournalError> {
    let directory = survey.stored.directory();
    let end = survey.stored.tail();
    let last = survey.stored.last_segment().expect("something is left");
    for found in snapshot::list_in(directory, genesis)? {
        if found.head.is_ok_and(|head| end.next_seq < head.tail.next_seq) {
            set_aside(directory, &found.name)?;
        }
    }
    for name in super::survey::segment_names(directory)?.into_iter().rev().take_while(|name| last < *name) {
        set_aside(directory, &name.to_string())?;
    }
    clear_rest(directory, last, survey.stored.end())
}

/// The program has written down that records were lost.
pub(super) fn end<D: Directory>(directory: &D) -> Result<(), JournalError> {
    let end = || {
        directory.remove(NAME)?;
        directory.sync()
    };
    end().map_err(JournalError::write(NAME))
}

fn set_aside<D: Directory>(directory: &D, name: &str) -> Result<(), JournalError> {
    let rename = || {
        directory.rename(name, &beside(name))?;
        directory.sync()
    };
    rename().map_err(JournalError::write(name))
}

/// Makes what is behind `end` in the last segment zeros, once the whole segment is kept beside.
fn clear_rest<D: Directory>(directory: &D, segment: SegmentName, end: usize) -> Result<(), JournalError> {
    let name = segment.to_string();
    let read = || {
        let file = directory.open(&name, Access::Read)?;
        let mut bytes = vec![0; usize::try_from(file.bytes()?).unwrap_or(usize::MAX)];
        file.read_at(&mut bytes, 0).map(|()| bytes)
    };
    let bytes = read().map_err(JournalError::read(&name))?;
    let rest = bytes.get(end..).unwrap_or_default();
    if is_zero(rest) {
        return Ok(());
    }
    let clear = || {
        let kept = directory.create(&beside(&name))?;
        kept.write_at(&bytes, 0)?;
        kept.sync()?;
        directory.sync()?;
        let file = directory.open(&name, Access::Write)?;
        file.write_at(&vec![0; rest.len()], end as u64)?;
        file.sync()
    };
    clear().map_err(JournalError::write(&name))
}

fn beside(name: &str) -> String {
    format!("{name}.cut")
}

fn encode(generation: Option<u32>) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(HEAD);
    bytes[4] = u8::from(generation.is_some());
    bytes[5..9].copy_from_slice(&generation.unwrap_or_default().to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..9]);
    bytes[9..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What it says; none if it is not there, or not whole, which it is before anything is changed.
fn read<D: Directory>(directory: &D) -> Result<Option<Kept>, JournalError> {
    let mut bytes = [0; BYTES];
    let read = directory.open(NAME, Access::Read).and_then(|file| file.read_at(&mut bytes, 0));
    match read {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            return Ok(None);
        }
        Err(error) => return Err(JournalError::read(NAME)(error)),
    }
    let generation = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
    let generation = (bytes[4] != 0).then_some(generation);
    Ok((bytes == encode(generation)).then_some(Kept { generation }))
}
