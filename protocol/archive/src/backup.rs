//! Takes a backup.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use leasehold_cli::Failure;
use leasehold_cli::files::{Access, Draft, Existing};
use leasehold_journal::JournalError;
use leasehold_journal::file::ReadOnly;
use leasehold_protocol::code::Code;

use crate::contents::{self, Contents, Entry};
use crate::{JOURNAL, State, limits};

/// Writes `state` to the new file `out`, for its owner alone: the journal as far as it is durable for certain, then the
/// files beside it. Without a lock, and also while a daemon writes.
pub fn back_up(state: &State<'_>, out: &Path) -> Result<Contents, Failure> {
    let mut draft = Draft::begin(out, Access::Owner, Existing::Refuse)?;
    let journal = ReadOnly::open(&state.journal()).map_err(|error| journal_failure(&error))?;
    let mut archive =
        Archive { tar: tar::Builder::new(BufWriter::new(draft.file())), out, files: Vec::new() };
    for part in journal.parts().map_err(|error| journal_failure(&error))? {
        let bytes = journal.read_part(&part).map_err(|error| journal_failure(&error))?;
        archive.add(&format!("{JOURNAL}/{}", part.name), &bytes)?;
    }
    // After the journal: keys are there before the first record that needs them.
    for path in state.files {
        if let Some(bytes) = read(&state.dir.join(path))? {
            archive.add(path, &bytes)?;
        }
    }
    let contents = archive.finish(state.kind, &journal)?;
    draft.finish(&[])?;
    Ok(contents)
}

struct Archive<'a, W: Write> {
    tar: tar::Builder<W>,
    out: &'a Path,
    files: Vec<Entry>,
}

impl<W: Write> Archive<'_, W> {
    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.append(path, bytes)?;
        self.files.push(Entry::of(path, bytes));
        Ok(())
    }

    fn finish(mut self, kind: &str, journal: &ReadOnly) -> Result<Contents, Failure> {
        let contents = Contents::new(kind, journal.tail(), std::mem::take(&mut self.files));
        let list = serde_json::to_vec_pretty(&contents).expect("a list of names and numbers is JSON");
        self.append(contents::NAME, &list)?;
        let out = self.out;
        let written = self.tar.into_inner().and_then(|mut writer| writer.flush());
        written.map_err(|error| Failure::cannot_write(out, &error))?;
        Ok(contents)
    }

    /// The same content gives the same bytes: no times, no owners.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        let appended = self.tar.append_data(&mut header, path, bytes);
        appended.map_err(|error| Failure::cannot_write(self.out, &error))
    }
}

/// A file of the state; none if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: io::Error| Failure::cannot_read(path, &error);
    let no_link = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let file = match OpenOptions::new().read(true).custom_flags(no_link).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limits::FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limits::FILE_BYTES {
        let detail = format!("{} has more than {} bytes", path.display(), limits::FILE_BYTES);
        return Err(Failure::new(
            Code::LimitExceeded,
            detail,
            "it is not a file of this program: move it away",
        ));
    }
    Ok(Some(bytes))
}

pub(crate) fn journal_failure(error: &JournalError) -> Failure {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    Failure::new(error.code(), format!("{error}{}", source.unwrap_or_default()), error.hint())
}
