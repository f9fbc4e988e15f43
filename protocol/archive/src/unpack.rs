//! Reads a backup: into a directory beside the state, where all of it is verified before anything is replaced.

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::files::{self, Access, Existing, make_private_dir};
use leasehold_journal::file::{Carried, Held, ReadOnly, Verified};
use leasehold_journal::{Genesis, JournalError};
use leasehold_protocol::code::Code;

use crate::backup::journal_failure;
use crate::contents::{self, Contents, Entry, unusable};
use crate::replace::{self, Lock, NEW, OLD};
use crate::{JOURNAL, State, limits};

/// Where a backup is unpacked. What a crash left of an earlier one is removed by the next.
const STAGE: &str = "restore.unpacked";

/// A backup that was read and is whole, in a directory inside the state that it is to replace. Nothing of that state
/// has changed yet, and nothing is left behind if this is dropped.
#[derive(Debug)]
pub struct Unpacked<'a> {
    state: State<'a>,
    stage: PathBuf,
    contents: Contents,
    /// From the first byte on until everything is in place, nobody else may write.
    _locks: (Lock, Option<Held>),
}

/// Reads a backup and verifies all of it; nothing is kept.
pub fn check(archive: &Path, state: &State<'_>) -> Result<Contents, Failure> {
    let stage = tempfile::tempdir().map_err(|error| Failure::cannot_write(&std::env::temp_dir(), &error))?;
    let (contents, verified) = unpack(archive, state, &stage.path().join(NEW))?;
    refuse_other(state, &verified.genesis)?;
    Ok(contents)
}

impl<'a> Unpacked<'a> {
    /// Reads the backup of a `state` whose data directory may be missing, empty, or in use until now. Another state
    /// than that of the same journal is refused.
    pub fn read(archive: &Path, state: State<'a>) -> Result<Self, Failure> {
        make_private_dir(state.dir)?;
        let lock = replace::lock(state.dir)?;
        replace::finish_locked(&state)?;
        let held = match Held::take(&state.journal()) {
            Ok(held) => Some(held),
            Err(JournalError::NotFound(_)) => None,
            Err(error) => return Err(journal_failure(&error)),
        };
        let stage = state.dir.join(STAGE);
        remove(&stage)?;
        make_private_dir(&stage.join(OLD))?;
        let (contents, verified) = unpack(archive, &state, &stage.join(NEW)).inspect_err(|_| {
            let _ = remove(&stage);
        })?;
        let unpacked = Self { state, stage, contents, _locks: (lock, held) };
        refuse_other(&unpacked.state, &verified.genesis)?;
        Ok(unpacked)
    }

    /// The data directory as the backup has it: the program opens the journal in it once and records that it was
    /// restored.
    pub fn dir(&self) -> PathBuf {
        self.stage.join(NEW)
    }

    /// What it holds.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Puts it in the place of the state. What was there is moved aside, to the directory that is returned; none if
    /// there was nothing. A crash leaves either the old state or what [`finish`](crate::finish) finishes.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, Failure> {
        replace::decide(&self.state, &self.stage)?;
        replace::finish_locked(&self.state)
    }
}

impl Drop for Unpacked<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next restore.
        let _ = remove(&self.stage);
    }
}

fn unpack(archive: &Path, state: &State<'_>, into: &Path) -> Result<(Contents, Verified), Failure> {
    make_private_dir(into)?;
    let file = File::open(archive).map_err(|error| Failure::cannot_read(archive, &error))?;
    let mut tar = tar::Archive::new(BufReader::new(file));
    let mut journal = Carried::begin(&into.join(JOURNAL)).map_err(|error| journal_failure(&error))?;
    let (mut found, mut contents) = (Vec::new(), None);
    for entry in tar.entries().map_err(|_| not_an_archive())? {
        let mut entry = entry.map_err(|_| not_an_archive())?;
        if contents.is_some() || !entry.header().entry_type().is_file() {
            return Err(unusable("there is more in it than its list of contents says"));
        }
        let path = entry.path().map_err(|_| not_an_archive())?.to_string_lossy().into_owned();
        let most = most_bytes(&path, state)?;
        if entry.size() > most as u64 {
            return Err(unusable(format!("{path} has {} bytes", entry.size())));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|_| unusable("it was cut short"))?;
        if path == contents::NAME {
            contents = Some(Contents::read(&bytes, state.kind)?);
            continue;
        }
        found.push(Entry::of(&path, &bytes));
        put(&mut journal, into, &path, &bytes)?;
    }
    let contents = contents.ok_or_else(|| unusable("it was cut short"))?;
    compare(&contents, &found)?;
    let verified = journal.finish(contents.tail()).map_err(|error| unverified(&error))?;
    if verified.genesis.kind() != state.kind {
        return Err(unusable(format!("its journal is of the kind {}", verified.genesis.kind())));
    }
    Ok((contents, verified))
}

/// What the reader says of it would repeat bytes of a file that may hold anything.
fn not_an_archive() -> Failure {
    unusable("it is no tar file, or is damaged")
}

/// The bound of a file; a name that no file of the state has is refused.
fn most_bytes(path: &str, state: &State<'_>) -> Result<usize, Failure> {
    match path {
        contents::NAME => Ok(limits::CONTENTS_BYTES),
        path if state.files.contains(&path) => Ok(limits::FILE_BYTES),
        path if path.starts_with("journal/") => Ok(limits::SEGMENT_BYTES),
        _ => Err(unusable(format!("{path:?} belongs to no state of the kind {}", state.kind))),
    }
}

fn put(journal: &mut Carried, into: &Path, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(name) = path.strip_prefix("journal/") {
        return journal.add(name, bytes).map_err(|error| match error {
            JournalError::Create { .. } => journal_failure(&error),
            other => unverified(&other),
        });
    }
    let path = into.join(path);
    if let Some(parent) = path.parent() {
        make_private_dir(parent)?;
    }
    files::write(&path, bytes, Access::Owner, Existing::Refuse)
}

fn compare(contents: &Contents, found: &[Entry]) -> Result<(), Failure> {
    if contents.files == found {
        return Ok(());
    }
    let changed = contents.files.iter().find(|listed| !found.contains(listed));
    let detail = match changed {
        Some(entry) => format!("{} is not in the backup as it was when that was made", entry.path),
        None => "the backup holds more than its list of contents says".to_owned(),
    };
    Err(Failure::new(Code::JournalUnverified, detail, "restore another backup"))
}

fn unverified(error: &JournalError) -> Failure {
    let detail = format!("the journal in the backup does not verify: {error}");
    Failure::new(Code::JournalUnverified, detail, "restore another backup")
}

/// A slip of the pen is not to put one state in the place of another.
fn refuse_other(state: &State<'_>, genesis: &Genesis) -> Result<(), Failure> {
    let there = match ReadOnly::open(&state.journal()) {
        Ok(journal) => journal.genesis().clone(),
        // What does not open is what a restore is for.
        Err(_) => return Ok(()),
    };
    if there == *genesis {
        return Ok(());
    }
    let detail = format!("{} holds another {} than the backup", state.dir.display(), state.kind);
    Err(Failure::new(Code::AlreadyExists, detail, "name another backup, or restore into an empty directory"))
}

fn remove(stage: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(stage) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::cannot_write(stage, &error))
        }
        _ => Ok(()),
    }
}
