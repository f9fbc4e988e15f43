//! Files that commands read and write: whole, bounded, atomic, durable.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use leasehold_failpoint::step;
use leasehold_protocol::code::Code;

use crate::Failure;

/// An argument `FILE|-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOrStdin {
    /// The file at this path.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the umask of the caller lets (at most 0644): signed artefacts hold no secret.
    Everyone,
    /// Its owner alone, 0600: secrets and what stands beside them.
    Owner,
}

/// What to do where a file is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail with `ALREADY_EXISTS`.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// Reads all of a file or of standard input; more than `max_bytes` is `MALFORMED`.
pub fn read(source: &FileOrStdin, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let opened: io::Result<Box<dyn Read>> = match source {
        FileOrStdin::File(path) => File::open(path).map(|file| Box::new(file) as _),
        FileOrStdin::Stdin => Ok(Box::new(io::stdin().lock())),
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    opened
        .and_then(|reader| reader.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Failure::cannot_read(source.name(), &error))?;
    if bytes.len() > max_bytes {
        let detail = format!("{source} is larger than {max_bytes} bytes");
        return Err(Failure::new(Code::Malformed, detail, "check that it is the right file"));
    }
    Ok(bytes)
}

/// Writes all of a file or nothing: a new file beside it, synced, renamed over it, the directory synced. When this
/// returns, the file survives a power cut. Symbolic links and whatever is no regular file are refused.
pub fn write(path: &Path, bytes: &[u8], access: Access, existing: Existing) -> Result<(), Failure> {
    Draft::begin(path, access, existing)?.finish(bytes)
}

/// A file in the making beside its place: whether it can be written is known before there is anything to write.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    existing: Existing,
    file: tempfile::NamedTempFile,
}

impl Draft {
    /// Begins. Refuses symbolic links, what is no regular file, and places that cannot be written to.
    pub fn begin(path: &Path, access: Access, existing: Existing) -> Result<Self, Failure> {
        refuse_odd_target(path, existing)?;
        let mode = match access {
            Access::Everyone => 0o644,
            Access::Owner => 0o600,
        };
        let file = tempfile::Builder::new()
            .prefix(".leasehold-")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory_of(path))
            .map_err(|error| Failure::cannot_write(path, &error))?;
        Ok(Self { path: path.to_owned(), existing, file })
    }

    /// Where what is too large to be held as a whole is written before [`Self::finish`].
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Writes the rest, syncs and puts the file in its place. A draft that is dropped leaves nothing behind.
    pub fn finish(self, bytes: &[u8]) -> Result<(), Failure> {
        let Self { path, existing, file } = self;
        write_and_rename(&path, bytes, existing, file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists_already(&path),
            _ => Failure::cannot_write(&path, &error),
        })
    }
}

/// Makes a directory that only its owner may enter (0700), with its parents, durably. One that exists is taken over if
/// it is empty, or closed to others already; whether it holds state is the caller's question. Anything else is
/// somebody's directory, and stays as it is.
pub fn make_private_dir(path: &Path) -> Result<(), Failure> {
    refuse_foreign_dir(path)?;
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .and_then(|()| sync_dir(path))
        .and_then(|()| sync_dir(directory_of(path)));
    made.map_err(|error| Failure::cannot_write(path, &error))
}

fn refuse_foreign_dir(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::cannot_write(path, &error);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let for_others = found.permissions().mode() % 0o100;
    let closed = for_others == 0;
    if !found.is_dir() || closed || fs::read_dir(path).map_err(failed)?.next().is_none() {
        return Ok(());
    }
    let detail = format!("{} holds other files and is open to others", path.display());
    Err(Failure::new(Code::CannotCreate, detail, "name a new or an empty directory"))
}

impl FileOrStdin {
    fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stdin => Path::new("standard input"),
        }
    }
}

/// `-` is standard input; a file of that name is `./-`.
impl From<&OsStr> for FileOrStdin {
    fn from(argument: &OsStr) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(argument.into()) }
    }
}

impl fmt::Display for FileOrStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().display().fmt(f)
    }
}

fn refuse_odd_target(path: &Path, existing: Existing) -> Result<(), Failure> {
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::cannot_write(path, &error)),
    };
    if !found.is_file() {
        let kind = if found.is_symlink() { "a symbolic link" } else { "not a regular file" };
        let detail = format!("{} is {kind}", path.display());
        return Err(Failure::new(Code::CannotCreate, detail, "name a new file"));
    }
    match existing {
        Existing::Refuse => Err(exists_already(path)),
        Existing::Replace => Ok(()),
    }
}

fn exists_already(path: &Path) -> Failure {
    Failure::new(
        Code::AlreadyExists,
        format!("{} exists already", path.display()),
        "name a new file or move it away",
    )
}

fn write_and_rename(
    path: &Path,
    bytes: &[u8],
    existing: Existing,
    mut file: tempfile::NamedTempFile,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    step("write", &name, || file.write_all(bytes))?;
    step("sync", &name, || file.as_file().sync_all())?;
    step("rename", &name, || match existing {
        Existing::Refuse => Ok(file.persist_noclobber(path)?),
        Existing::Replace => Ok(file.persist(path)?),
    })?;
    sync_dir(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    step("sync", "directory", || File::open(path)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for (size, allowed) in [(0, true), (9, true), (10, true), (11, false)] {
            let path = dir.path().join(size.to_string());
            fs::write(&path, vec![7; size]).unwrap();
            match read(&FileOrStdin::File(path), 10) {
                Ok(bytes) => assert!(allowed && bytes == vec![7; size], "{size}"),
                Err(failure) => assert!(!allowed && failure.code() == Code::Malformed, "{size}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("missing"), dir.path().to_owned()] {
            let failure = read(&FileOrStdin::File(path.clone()), 10).unwrap_err();
            assert_eq!(failure.code(), Code::NotFound);
            assert!(failure.problem().detail.contains(path.to_str().unwrap()), "{failure}");
        }
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(FileOrStdin::from(OsStr::new("-")), FileOrStdin::Stdin);
        assert_eq!(FileOrStdin::from(OsStr::new("./-")), FileOrStdin::File("./-".into()));
        assert_eq!(FileOrStdin::Stdin.to_string(), "standard input");
    }

    #[test]
    fn a_file_is_written_whole_with_its_mode_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.lh");
        for (access, content) in
            [(Access::Owner, "first"), (Access::Everyone, "second"), (Access::Owner, "third")]
        {
            write(&path, content.as_bytes(), access, Existing::Replace).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            match access {
                Access::Owner => assert_eq!(mode, 0o600),
                Access::Everyone => assert_eq!(mode & !0o644, 0),
            }
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_refused_when_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let racing = Draft::begin(&path, Access::Owner, Existing::Refuse).unwrap();
        write(&path, b"first", Access::Owner, Existing::Refuse).unwrap();
        let failure = write(&path, b"second", Access::Owner, Existing::Refuse).unwrap_err();
        assert_eq!(failure.code(), Code::AlreadyExists);
        // The check before may come too early for a racing writer; the rename itself must refuse as well.
        assert_eq!(racing.finish(b"second").unwrap_err().code(), Code::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_and_directories_are_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, b"kept").unwrap();
        symlink(&target, &link).unwrap();
        let dangling = dir.path().join("dangling");
        symlink(dir.path().join("nowhere"), &dangling).unwrap();
        for path in [&link, &dangling, &dir.path().to_owned(), &dir.path().join("missing/file")] {
            let failure = write(path, b"new", Access::Owner, Existing::Replace).unwrap_err();
            assert_eq!(failure.code(), Code::CannotCreate, "{}", path.display());
        }
        assert_eq!(fs::read(&target).unwrap(), b"kept");
    }

    #[test]
    fn a_private_directory_is_made_with_its_parents_and_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/leasehold/node");
        make_private_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        make_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        // Somebody's directory is not closed to others because of a slip of the pen.
        fs::write(path.join("theirs"), b"").unwrap();
        make_private_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(make_private_dir(&path).unwrap_err().code(), Code::CannotCreate);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(make_private_dir(&file).unwrap_err().code(), Code::CannotCreate);
    }
}
