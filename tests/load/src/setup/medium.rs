//! Where data lies: on a disk, or in memory where a sync costs nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tempfile::TempDir;

/// A file system in memory that every Linux has.
const MEMORY: &str = "/dev/shm";

/// What a directory is kept on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    /// The same program with the same system calls, but `fdatasync` returns at once.
    Memory,
}

/// A directory that goes when it is dropped. Its path is short enough for the sockets in it.
#[derive(Debug)]
pub(crate) struct Dir(TempDir);

impl Dir {
    /// A new one below `disk`, or in memory.
    pub(crate) fn new(medium: Medium, disk: &Path) -> Result<Self> {
        let above = match medium {
            Medium::Disk => disk,
            Medium::Memory => Path::new(MEMORY),
        };
        let kind = statfs(above).with_context(|| above.display().to_string())?.filesystem_type();
        match medium {
            Medium::Disk => ensure!(
                kind != TMPFS_MAGIC,
                "{} is in memory, where nothing is durable: name a directory on a disk with --dir",
                above.display()
            ),
            Medium::Memory => ensure!(kind == TMPFS_MAGIC, "{MEMORY} is not in memory"),
        }
        Ok(Self(tempfile::Builder::new().prefix("lh-").tempdir_in(above)?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
