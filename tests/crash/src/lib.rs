//! Disks that fail: what tests of the journal, and of what is built on it, share.
//!
//! A [`Disk`] in memory stands in the place of the one seam between journal and system, and forgets, reorders, tears and
//! refuses; a [`Chance`] is the seed that says where. There are no processes here: those die in `tests/e2e/crash`.

mod chance;
mod disk;

pub use self::chance::Chance;
pub use self::disk::{Disk, DiskFile, DiskLock, Op};
