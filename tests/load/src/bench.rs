//! One run: what it is made with, and under which conditions.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::cli::Scale;
use crate::drive::Generator;
use crate::limit::hello::Hello;
use crate::scenario::LazyCrowd;
use crate::setup::{Dir, Medium, Vendor};

/// What all scenarios use.
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) generator: Generator,
    pub(crate) vendor: Vendor,
    pub(crate) hello: Hello,
    pub(crate) crowd: LazyCrowd,
    dir: Dir,
}

impl Bench {
    /// Everything on the disk that `disk` is on.
    pub(crate) fn new(scale: Scale, disk: &Path) -> Result<Self> {
        let dir = Dir::new(Medium::Disk, disk)?;
        let hello = Hello::start(dir.path())?;
        let (generator, vendor) = (Generator::new()?, Vendor::new(disk)?);
        Ok(Self { scale, generator, vendor, hello, crowd: LazyCrowd::default(), dir })
    }

    /// The measured disk.
    pub(crate) fn disk(&self) -> &Path {
        self.dir.path().parent().unwrap_or_else(|| self.dir.path())
    }

    /// A file on the measured disk.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The machine, as it was when the run began.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conditions {
    pub(crate) at: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) dir: PathBuf,
    /// Of the last minute; more than a little, and nothing that follows is to be quoted.
    pub(crate) load_average: f64,
    pub(crate) scale: Scale,
}

impl Conditions {
    /// More of it disturbs what is measured.
    const QUIET: f64 = 0.5;

    pub(crate) fn now(scale: Scale, dir: &Path) -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split_whitespace().next().and_then(|first| first.parse().ok());
        Ok(Self {
            at: leasehold_clock::wall()?.to_string(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            dir: dir.to_owned(),
            load_average: load.unwrap_or(f64::NAN),
            scale,
        })
    }

    #[cfg(test)]
    pub(crate) fn example() -> Self {
        let seconds = std::time::Duration::from_secs(1);
        let scale = Scale { rounds: 5, seconds, live: 1000 };
        Self {
            at: String::new(),
            cores: 2,
            kernel: String::new(),
            dir: PathBuf::new(),
            load_average: 0.0,
            scale,
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, cores, kernel, dir, load_average, scale } = self;
        let (rounds, seconds) = (scale.rounds, scale.seconds.as_secs_f64());
        write!(
            f,
            "{at}, {cores} cores for servers and client, Linux {kernel}, data in {}, {rounds} rounds of {seconds} s, \
             load average {load_average}",
            dir.display()
        )?;
        if *load_average > Self::QUIET {
            write!(f, ": the machine is busy with other things, do not quote these figures")?;
        }
        Ok(())
    }
}
