//! Processes: what they use, and servers that are started, watched and ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};

/// Time that a process kept cores busy, its ended threads included.
pub(crate) type CpuTime = Duration;

/// A process as the kernel accounts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    /// Whether the time of its living children is its own, too.
    family: bool,
}

impl Process {
    pub(crate) fn own() -> Self {
        Self { id: std::process::id(), family: false }
    }

    /// User and system time, to the kernel's tick of usually 10 ms.
    pub(crate) fn cpu_time(self) -> Result<CpuTime> {
        let own = Stat::read(self.id)?;
        let children = if self.family { children(self.id)? } else { Vec::new() };
        let ticks = children.iter().chain([&own]).map(|stat| stat.ticks).sum();
        from_ticks(ticks).context("the kernel does not tell its tick")
    }

    /// Memory that is resident now, in bytes.
    pub(crate) fn resident(self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id);
        let status = fs::read_to_string(&path).with_context(|| path.clone())?;
        resident(&status).with_context(|| format!("{path} is not understood"))
    }
}

/// What is read of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Of user and system time.
    ticks: u64,
}

impl Stat {
    fn read(id: u32) -> Result<Self> {
        let path = format!("/proc/{id}/stat");
        let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
        Self::parse(&stat).with_context(|| format!("{path} is not understood"))
    }

    /// Fields 4, 14 and 15, counted behind the name, which may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, after) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let (user, system): (u64, u64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks: user + system })
    }
}

/// The children of a process that live.
fn children(parent: u32) -> Result<Vec<Stat>> {
    let ids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // One that ended meanwhile cannot be read.
    Ok(ids.filter_map(|id| Stat::read(id).ok()).filter(|stat| stat.parent == parent).collect())
}

fn from_ticks(ticks: u64) -> Option<Duration> {
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    Some(Duration::from_nanos(ticks * 1_000_000_000 / per_second))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A server that was started here; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// The first line that it printed.
    ready: String,
}

impl Server {
    /// Starts it and waits for its first line, `ready …`. Its complaints go to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let complaints = fs::File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        let child =
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let mut server = Self { child, log: log.to_owned(), ready: String::new() };
        let stdout = server.child.stdout.take().context("its standard output is a pipe")?;
        BufReader::new(stdout).read_line(&mut server.ready)?;
        ensure!(server.ready.starts_with("ready "), "a server did not start: {}", server.complaints());
        Ok(server)
    }

    /// Starts one that says nothing when it is ready: the caller finds out.
    pub(crate) fn start_silent(command: &mut Command, log: &Path) -> Result<Self> {
        let complaints = fs::File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(complaints.try_clone()?).stderr(complaints);
        let child =
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Self { child, log: log.to_owned(), ready: String::new() })
    }

    /// A word of the ready line that begins so.
    pub(crate) fn word(&self, beginning: &str) -> Result<&str> {
        let word = self.ready.split_whitespace().find_map(|word| word.strip_prefix(beginning));
        word.with_context(|| format!("no {beginning}… in {:?}", self.ready))
    }

    pub(crate) fn process(&self) -> Process {
        Process { id: self.child.id(), family: false }
    }

    /// With its children, for a server that works in several processes.
    pub(crate) fn family(&self) -> Process {
        Process { id: self.child.id(), family: true }
    }

    /// The end of its log.
    pub(crate) fn complaints(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(10).collect();
        format!("{}:\n{}", self.log.display(), lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_accounts_are_read_whatever_the_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 9 9 20 0 5 0 100 1000 200";
        assert_eq!(Stat::parse(stat), Some(Stat { parent: 1, ticks: 200 }));
        assert_eq!(Stat::parse("nonsense"), None);
        let status = "Name:\tx\nVmHWM:\t  9999 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(resident(status), Some(2 << 20));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let own = Process::own();
        assert!(own.resident().unwrap() > 100_000);
        assert!(own.cpu_time().unwrap() < Duration::from_hours(1));
    }
}
