//! What else could keep leases: other people's stores, as Debian packages them, durable and otherwise as they come.
//!
//! Each does for a checkout what a lease needs at the least: look whether the key was used, see that there is a seat, keep
//! who has it, until when and under which key; durable before the answer. None of them signs anything, keeps an audit
//! chain or proves anything to an application. They are driven by the same generator in their own protocols, so that no
//! layer of HTTP of ours is counted against them.

mod etcd;
mod postgres;
mod redis;
#[cfg(feature = "peers")]
pub(crate) mod sqlite;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::drive::{Generator, Load, Measured, Place, Talk};
use crate::process::Process;

/// Seats of a peer's pool.
const SEATS: u32 = 1000;
/// How long its leases live.
const TTL_S: u32 = 900;
/// How often one is asked whether it answers, and in what time altogether.
const ATTEMPTS: u32 = 300;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Which stores there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Postgres,
    Redis,
    Etcd,
    Sqlite,
}

impl Store {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Etcd => "etcd",
            Self::Sqlite => "SQLite",
        }
    }

    /// How it gets here if it is not.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Postgres => "apt-get install postgresql",
            Self::Redis => "apt-get install redis-server",
            Self::Etcd => "apt-get install etcd-server",
            Self::Sqlite => "build with --features peers, as `cargo xtask bench --peers` does",
        }
    }

    /// A fresh one with its data below `disk`; none if it is not installed.
    pub(crate) fn start(self, generator: &Generator, disk: &Path) -> Result<Option<Box<dyn Peer>>> {
        Ok(match self {
            Self::Postgres => boxed(postgres::Postgres::start(disk)?),
            Self::Redis => boxed(redis::Redis::start(generator, disk)?),
            Self::Etcd => boxed(etcd::Etcd::start(generator, disk)?),
            #[cfg(feature = "peers")]
            Self::Sqlite => boxed(Some(sqlite::Sqlite::start(disk)?)),
            #[cfg(not(feature = "peers"))]
            Self::Sqlite => None,
        })
    }
}

fn boxed(peer: Option<impl Peer + 'static>) -> Option<Box<dyn Peer>> {
    peer.map(|peer| Box::new(peer) as Box<dyn Peer>)
}

/// A store of leases that runs.
pub(crate) trait Peer {
    /// One round of users who take seats and give them back.
    fn round(&self, generator: &Generator, users: usize, load: Load) -> Result<Measured>;
}

/// Where the packages put a program, if it is installed.
fn installed(name: &str, also: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(also.iter().map(PathBuf::from));
    places.find_map(|place| Some(place.join(name)).filter(|program| program.is_file()))
}

/// Waits until a peer answers.
fn until_it_answers(mut ask: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 1..ATTEMPTS {
        if ask().is_ok() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    ask()
}

/// One round of such talks.
fn hold<T: Talk>(
    generator: &Generator,
    (place, process): (&Place, Process),
    talks: Vec<T>,
    load: Load,
) -> Result<Measured> {
    Ok(generator.run(place, talks, load, &[process])?.0)
}
