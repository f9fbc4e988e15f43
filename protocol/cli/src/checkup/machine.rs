//! What any daemon needs of its machine. It is only looked at: nothing is locked, written or asked.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{fs, process};

use leasehold_protocol::code::Code;
use leasehold_protocol::time::ClockReading;
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::{Failure, limits};

/// Whether the configuration file, the one that was named or the one at `default`, can be used.
pub fn configuration(named: Option<&Path>, default: &Path, failure: Option<&Failure>) -> Finding {
    let path = named.unwrap_or(default);
    match failure {
        Some(failure) => Finding::failure("configuration", failure),
        None if path.exists() => Finding::ok("configuration", format!("{} is valid", path.display())),
        None => Finding::ok("configuration", format!("there is no {}: all defaults", path.display())),
    }
}

/// Whether directories that must be there are their owner's alone; the first is named where all is well.
pub fn private_directories(paths: &[PathBuf]) -> Finding {
    let check = "directories";
    for path in paths {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) => return Finding::failure(check, &Failure::cannot_read(path, &error)),
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let detail = format!("{} has mode {mode:04o}: others may enter", path.display());
            return Finding::warning(check, detail, format!("chmod 700 {}", path.display()));
        }
    }
    let first = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    Finding::ok(check, format!("{first} is for its owner alone"))
}

/// Whether the journal of the state in `dir` has room to grow.
pub fn disk(dir: &Path) -> Finding {
    let free = match statvfs(dir) {
        Ok(disk) => disk.blocks_available().saturating_mul(disk.fragment_size()),
        Err(error) => return Finding::failure("disk", &Failure::cannot_read(dir, &error.into())),
    };
    let mib = free / (1024 * 1024);
    let detail = format!("{mib} MiB are free for {}", dir.display());
    if free >= limits::FREE_BYTES_NOTICE {
        return Finding::ok("disk", detail);
    }
    Finding::warning("disk", detail, "make room before the journal cannot grow: then nothing new is promised")
}

/// Whether the kernel knows the time.
pub fn time_service(reading: &io::Result<ClockReading>) -> Finding {
    match reading {
        Ok(ClockReading { kernel_synced: true, .. }) => {
            Finding::ok("time service", "the clock is synchronised")
        }
        Ok(_) => Finding::warning(
            "time service",
            "the kernel's clock is not synchronised: time is taken to be uncertain",
            "start a time service, such as systemd-timesyncd or chrony",
        ),
        Err(error) => Finding::failure(
            "time service",
            &Failure::new(Code::Internal, format!("cannot read the clock: {error}"), "check /proc"),
        ),
    }
}

/// The process that has a journal's lock, as the kernel lists it: trying the lock could disturb a start.
pub fn locked_by(journal: &Path) -> Option<u32> {
    let lock = fs::metadata(journal.join("LOCK")).ok()?;
    let (major, minor) = (nix::sys::stat::major(lock.dev()), nix::sys::stat::minor(lock.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", lock.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let holder = locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.contains(&"FLOCK") && fields.contains(&file.as_str());
        fields.get(4).filter(|_| ours)?.parse().ok()
    });
    holder.filter(|&holder| holder != process::id())
}
