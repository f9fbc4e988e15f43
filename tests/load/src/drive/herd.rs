//! Crowds that no server can make wait for their turn: everybody comes at a time of their own, on a connection of their
//! own, asks once and leaves; or asks half of something and stays.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use leasehold_clock::Stopwatch;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::{Generator, Place, Wire, http};

/// Who comes, when, and what for.
pub(crate) struct Arrival {
    pub(crate) at: Duration,
    pub(crate) request: Vec<u8>,
}

/// What became of it.
pub(crate) struct Met {
    /// From the time to come to the last byte of the answer, the connection and its handshake included.
    pub(crate) after: Duration,
    /// The body of an answer with status 200, or what went wrong.
    pub(crate) answer: Result<Vec<u8>>,
}

impl Generator {
    /// Everybody's fate, in the order of the arrivals.
    pub(crate) fn herd(&self, place: &Place, arrivals: Vec<Arrival>) -> Result<Vec<Met>> {
        allow_connections(arrivals.len() as u64)?;
        self.runtime().block_on(async {
            let (clock, begin) = (Stopwatch::start(), tokio::time::Instant::now());
            let mut coming = JoinSet::new();
            for (number, Arrival { at, request }) in arrivals.into_iter().enumerate() {
                let place = place.clone();
                coming.spawn(async move {
                    tokio::time::sleep_until(begin + at).await;
                    let answer = ask(&place, &request).await;
                    (number, Met { after: clock.elapsed().saturating_sub(at), answer })
                });
            }
            let mut met = coming.join_all().await;
            met.sort_by_key(|(number, _)| *number);
            Ok(met.into_iter().map(|(_, met)| met).collect())
        })
    }

    /// So many connections on which this was said, and nothing more is.
    pub(crate) fn stall(&self, place: &Place, beginning: &[u8], count: usize) -> Result<Vec<Wire>> {
        allow_connections(count as u64)?;
        self.runtime().block_on(async {
            let mut stalled = Vec::with_capacity(count);
            for _ in 0..count {
                let mut wire = place.connect().await?;
                wire.write_all(beginning).await?;
                wire.flush().await?;
                stalled.push(wire);
            }
            Ok(stalled)
        })
    }
}

async fn ask(place: &Place, request: &[u8]) -> Result<Vec<u8>> {
    let mut wire = place.connect().await?;
    wire.write_all(request).await?;
    wire.flush().await?;
    let mut received = Vec::with_capacity(2048);
    loop {
        ensure!(wire.read_buf(&mut received).await? > 0, "the server closed the connection");
        if let Some(answer) = http::Answer::read(&received)? {
            return Ok(answer.ok()?.to_vec());
        }
    }
}

/// Files for as many connections as may be open at once.
fn allow_connections(count: u64) -> Result<()> {
    let wanted = count + 64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(hard >= wanted, "{wanted} open files are needed: raise `ulimit -Hn`");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).context("cannot raise the limit of open files")
}
