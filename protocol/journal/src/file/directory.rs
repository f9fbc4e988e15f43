//! What the file home asks of the system: one directory of files. The seam where tests lose, tear and refuse writes.
//!
//! Everything is opened relative to the directory's own descriptor and never through a symbolic link.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leasehold_failpoint::{step, step_in};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A directory that keeps a journal, or will.
pub trait Directory: Clone + Send + 'static {
    /// An open file in it.
    type File: DirectoryFile;
    /// Holds a lock until it is dropped.
    type Lock: Send;

    /// Where it is, for messages.
    fn path(&self) -> &Path;
    /// Takes the lock of the file `name`, which is made if need be; `None` if somebody has it.
    fn lock(&self, name: &str) -> io::Result<Option<Self::Lock>>;
    /// The names of all files in it.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file; one that has the name is unlinked before.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file to read and, if asked, to overwrite it.
    fn open(&self, name: &str, access: Access) -> io::Result<Self::File>;
    /// Takes a file away; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
    /// How many bytes the files in it may still grow by, as far as the system says.
    fn room(&self) -> io::Result<u64>;
    /// Whether the journal is in its place; a staged directory is not before [`Self::publish`].
    fn is_published(&self) -> io::Result<bool>;
    /// Moves a staged directory to its place, in one step and durably.
    fn publish(&self) -> io::Result<()>;
    /// Does `job` beside the caller.
    fn in_background(&self, job: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// An open file.
pub trait DirectoryFile: Send {
    /// Its length in bytes.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` on.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read.
    Read,
    /// To be read and overwritten.
    Write,
}

/// A directory of the operating system.
#[derive(Clone, Debug)]
pub struct OsDirectory {
    path: PathBuf,
    descriptor: Arc<File>,
}

const DIRECTORY_MODE: Mode = Mode::S_IRWXU;
const FILE_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

impl OsDirectory {
    /// Opens the directory of a journal.
    pub fn open(path: &Path) -> io::Result<Self> {
        let descriptor = open_directory(path)?;
        Ok(Self { path: path.to_owned(), descriptor: Arc::new(descriptor) })
    }

    /// Makes, or finds as a crash left it, the directory where a journal for `path` is prepared: `path` + `.new`.
    pub fn stage(path: &Path) -> io::Result<Self> {
        let staged = staged(path)?;
        match mkdirat(nix::fcntl::AT_FDCWD, &staged, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self { path: path.to_owned(), descriptor: Arc::new(open_directory(&staged)?) })
    }

    /// Only ever a regular file: what stands in the place of one is refused, and not waited for as for the other end of
    /// a pipe.
    fn open_at(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file: File = openat(self.descriptor.as_fd(), name, flags, FILE_MODE)?.into();
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

impl Directory for OsDirectory {
    type File = File;
    type Lock = Flock<File>;

    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, name: &str) -> io::Result<Option<Flock<File>>> {
        let file = self.open_at(name, OFlag::O_RDWR | OFlag::O_CREAT)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut names = Vec::new();
        for entry in Dir::openat(self.descriptor.as_fd(), ".", flags, Mode::empty())?.iter() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        self.remove(name)?;
        step("create", name, || self.open_at(name, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<File> {
        let flags = match access {
            Access::Read => OFlag::O_RDONLY,
            Access::Write => OFlag::O_RDWR,
        };
        step("open", name, || self.open_at(name, flags))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        step("remove", name, || match unlinkat(self.descriptor.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let renamed = || renameat(self.descriptor.as_fd(), from, self.descriptor.as_fd(), to);
        step("rename", to, || Ok(renamed()?))
    }

    fn sync(&self) -> io::Result<()> {
        step("sync", "directory", || self.descriptor.sync_all())
    }

    fn room(&self) -> io::Result<u64> {
        let system = fstatvfs(self.descriptor.as_fd())?;
        // A file system that has no blocks at all does not count them.
        let counted = system.blocks() > 0;
        Ok(if counted { system.blocks_available().saturating_mul(system.fragment_size()) } else { u64::MAX })
    }

    fn is_published(&self) -> io::Result<bool> {
        match self.path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn publish(&self) -> io::Result<()> {
        step("rename", "directory", || std::fs::rename(staged(&self.path)?, &self.path))?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        step("sync", "parent", || File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
    }

    fn in_background(&self, job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        std::thread::Builder::new().name("journal-segment".into()).spawn(job).map(drop)
    }
}

impl DirectoryFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        step_in("read", self, || self.read_exact_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        step_in("write", self, || self.write_all_at(bytes, offset))
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: also makes the length durable, and on a file written ahead costs no metadata commit.
        step_in("sync", self, || self.sync_data())
    }
}

fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path, flags, Mode::empty())?.into())
}

fn staged(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    Ok(path.with_file_name(name))
}
