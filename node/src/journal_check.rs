//! `journal verify`: every frame, the whole chain, and that the records replay.

use leasehold_cli::Failure;
use leasehold_journal::JournalError;
use leasehold_journal::file::{Extent, ReadOnly, verify};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::store::{journal_failure, replay};

/// What was found to be in order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JournalVerified {
    /// Always true: damage is a problem, not an answer.
    pub(crate) verified: bool,
    /// Seq of the last record that was checked.
    pub(crate) seq: u64,
    /// Chain hash after it.
    pub(crate) head: Digest,
    /// Frames that were checked.
    pub(crate) frames: u64,
    /// Those of them that are complete but that nobody was answered for for certain.
    pub(crate) unmarked_frames: u64,
    /// Bytes of an interrupted write behind them; the next start cuts them off.
    pub(crate) torn_bytes: u64,
}

/// Checks what is durable for certain: beside a daemon that goes on writing.
pub(crate) fn durable_part(dir: &DataDir) -> Result<JournalVerified, Failure> {
    check(dir, Extent::Durable)
}

/// Checks everything there is, while nobody writes.
pub(crate) fn everything(dir: &DataDir) -> Result<JournalVerified, Failure> {
    check(dir, Extent::Everything)
}

fn check(dir: &DataDir, extent: Extent) -> Result<JournalVerified, Failure> {
    let path = dir.journal();
    let found = verify(&path, extent).map_err(|error| verdict(&error))?;
    let journal = ReadOnly::open(&path).map_err(|error| verdict(&error))?;
    replay(journal.read(Seq::FIRST)).map_err(as_verdict)?;
    Ok(JournalVerified {
        verified: true,
        seq: found.tail.next_seq.previous().0,
        head: Digest(found.tail.chain.0),
        frames: found.frames,
        unmarked_frames: found.unmarked_frames,
        torn_bytes: found.torn.map_or(0, |torn| torn.bytes as u64),
    })
}

fn verdict(error: &JournalError) -> Failure {
    as_verdict(journal_failure(error))
}

/// To a command that asked whether the journal is sound, damage is the answer.
fn as_verdict(failure: Failure) -> Failure {
    let problem = failure.problem();
    match failure.code() {
        Code::JournalDamaged => {
            Failure::new(Code::JournalUnverified, problem.detail.clone(), problem.hint.clone())
        }
        _ => failure,
    }
}
