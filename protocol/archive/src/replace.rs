//! Puts an unpacked backup in the place of the state, one rename at a time, so that a crash at any of them is finished
//! by whoever comes next.
//!
//! ```text
//! restore.unpacked/{new,old}     being read and verified; worth nothing
//! restore.ready/new/…            decided: what is in here goes into the data directory
//! restore.ready/old/…            what was there in its place
//! replaced-N/…                   the same, when all is done
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_protocol::code::Code;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::{JOURNAL, State};

const READY: &str = "restore.ready";
pub(crate) const NEW: &str = "new";
pub(crate) const OLD: &str = "old";

/// The lock of a data directory, against two restores at a time.
pub(crate) type Lock = Flock<File>;

/// Finishes a restore that was interrupted when it had been decided. Programs do this before they open their state; it
/// is nothing where no restore was interrupted.
pub fn finish(state: &State<'_>) -> Result<Option<PathBuf>, Failure> {
    if !exists(&state.dir.join(READY)) {
        return Ok(None);
    }
    let _lock = lock(state.dir)?;
    finish_locked(state)
}

pub(crate) fn lock(dir: &Path) -> Result<Lock, Failure> {
    let file = File::open(dir).map_err(|error| Failure::cannot_read(dir, &error))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => {
            let detail = format!("another process restores {}", dir.display());
            Failure::new(Code::Busy, detail, "wait for its end, then try again")
        }
        errno => Failure::cannot_write(dir, &errno.into()),
    })
}

/// From here on the backup replaces the state, whatever happens.
pub(crate) fn decide(state: &State<'_>, stage: &Path) -> Result<(), Failure> {
    let decide = || {
        sync(&stage.join(NEW))?;
        sync(stage)?;
        fs::rename(stage, state.dir.join(READY))?;
        sync(state.dir)
    };
    decide().map_err(|error| Failure::cannot_write(state.dir, &error))
}

/// Does what is left to be done, under the lock.
pub(crate) fn finish_locked(state: &State<'_>) -> Result<Option<PathBuf>, Failure> {
    let ready = state.dir.join(READY);
    if !exists(&ready) {
        return Ok(None);
    }
    let exchange = Exchange { dir: state.dir, ready: &ready, rename: &mut |from, to| fs::rename(from, to) };
    exchange.finish().map_err(|error| Failure::cannot_write(state.dir, &error))
}

struct Exchange<'a> {
    dir: &'a Path,
    ready: &'a Path,
    /// The seam where tests crash.
    rename: &'a mut dyn FnMut(&Path, &Path) -> io::Result<()>,
}

impl Exchange<'_> {
    fn finish(mut self) -> io::Result<Option<PathBuf>> {
        for name in names(&self.ready.join(NEW))? {
            self.exchange(&name)?;
        }
        let replaced = self.set_aside()?;
        fs::remove_dir_all(self.ready)?;
        sync(self.dir)?;
        Ok(replaced)
    }

    /// One file or directory of the state.
    fn exchange(&mut self, name: &str) -> io::Result<()> {
        let (new, old) = (self.ready.join(NEW), self.ready.join(OLD));
        let place = self.dir.join(name);
        if exists(&place) {
            if exists(&old.join(name)) {
                // Somebody made it after the crash: nothing is overwritten.
                return Err(io::Error::other(format!("{name} is there again: move it away")));
            }
            (self.rename)(&place, &old.join(name))?;
            sync(&old)?;
            sync(self.dir)?;
        }
        (self.rename)(&new.join(name), &place)?;
        sync(&new)?;
        sync(self.dir)
    }

    /// Gives what was replaced a name that stays.
    fn set_aside(&mut self) -> io::Result<Option<PathBuf>> {
        let old = self.ready.join(OLD);
        if names(&old)?.is_empty() {
            return Ok(None);
        }
        let numbered = (1_u32..).map(|number| self.dir.join(format!("replaced-{number}")));
        let free = numbered.into_iter().find(|path| !exists(path)).ok_or(io::ErrorKind::AlreadyExists)?;
        (self.rename)(&old, &free)?;
        sync(self.dir)?;
        Ok(Some(free))
    }
}

/// What a directory holds, the journal last: it is not opened before everything beside it is there. A crash may have
/// come when the directory was gone already.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_key(|name| (name == JOURNAL, name.clone()));
    Ok(names)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn lay(dir: &Path, files: &[(&str, &str)]) {
        for (path, content) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    fn all(dir: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                found.extend(
                    all(&entry.path()).into_iter().map(|(path, content)| (format!("{name}/{path}"), content)),
                );
            } else {
                found.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
        found
    }

    /// A data directory for which a restore is decided.
    fn decided(dir: &Path) {
        let old =
            [("journal/1.seg", "old"), ("journal/2.seg", "old"), ("keys.age", "old"), ("ready.json", "old")];
        lay(dir, &old);
        lay(&dir.join(READY).join(NEW), &[("journal/1.seg", "new"), ("keys.age", "new"), ("root.lh", "new")]);
        fs::create_dir(dir.join(READY).join(OLD)).unwrap();
    }

    fn run(
        dir: &Path,
        rename: &mut dyn FnMut(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<Option<PathBuf>> {
        Exchange { dir, ready: &dir.join(READY), rename }.finish()
    }

    #[test]
    fn a_crash_at_any_step_is_finished_and_loses_nothing() {
        for crash in 0..=6 {
            let dir = tempfile::tempdir().unwrap();
            decided(dir.path());
            let mut left = crash;
            let crashed = run(dir.path(), &mut |from, to| {
                if left == 0 {
                    return Err(io::Error::other("crash"));
                }
                left -= 1;
                fs::rename(from, to)
            });
            assert_eq!(crashed.is_err(), crash < 6, "{crash}");
            let journal = fs::read_to_string(dir.path().join("journal/1.seg"));
            // The journal is exchanged last, when all beside it is new.
            let is_old = journal.is_ok_and(|content| content == "old");
            assert_eq!(is_old, crash < 4, "{crash}");
            let state = State { kind: "issuer", dir: dir.path(), files: &[] };
            finish(&state).unwrap();
            let expected: BTreeMap<String, String> = [
                ("journal/1.seg", "new"),
                ("keys.age", "new"),
                ("ready.json", "old"),
                ("replaced-1/journal/1.seg", "old"),
                ("replaced-1/journal/2.seg", "old"),
                ("replaced-1/keys.age", "old"),
                ("root.lh", "new"),
            ]
            .map(|(path, content)| (path.to_owned(), content.to_owned()))
            .into();
            assert_eq!(all(dir.path()), expected, "{crash}");
            assert_eq!(finish(&state).unwrap(), None);
        }
    }

    #[test]
    fn what_somebody_made_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        decided(dir.path());
        let mut renamed = false;
        let crashed = run(dir.path(), &mut |from, to| {
            if std::mem::replace(&mut renamed, true) {
                Err(io::Error::other("crash"))
            } else {
                fs::rename(from, to)
            }
        });
        assert!(crashed.is_err());
        lay(dir.path(), &[("keys.age", "theirs")]);
        let state = State { kind: "issuer", dir: dir.path(), files: &[] };
        assert_eq!(finish(&state).unwrap_err().code(), Code::CannotCreate);
        assert_eq!(fs::read_to_string(dir.path().join("keys.age")).unwrap(), "theirs");
    }

    #[test]
    fn two_restores_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        decided(dir.path());
        let state = State { kind: "issuer", dir: dir.path(), files: &[] };
        assert_eq!(finish(&state).unwrap_err().code(), Code::Busy);
        drop(held);
        assert!(finish(&state).unwrap().is_some());
    }
}
