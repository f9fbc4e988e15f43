//! `journal verify`: every frame, the whole chain, that the records replay, and that they come to what snapshots say.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use leasehold_cli::Failure;
use leasehold_journal::file::snapshot::{self, BadSnapshot, Found, SnapshotHead, SnapshotReader};
use leasehold_journal::file::{Extent, ReadOnly};
use leasehold_journal::{JournalError, Tail};
use leasehold_node_core::NodeCore;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::causes::with_causes;
use crate::data_dir::DataDir;
use crate::replay::{Unusable, apply, usable};
use crate::store::journal_failure;

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
    /// Snapshots whose state the records before them come to.
    pub(crate) snapshots: u64,
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
    // Before the journal is opened: beside a daemon it goes as far as these then.
    let snapshots = snapshot::list(&path).map_err(|error| verdict(&error))?;
    let (journal, found) = ReadOnly::open_verified(&path, extent).map_err(|error| verdict(&error))?;
    let kept = kept(snapshots)?;
    replay_through(&path, &journal, &kept)?;
    Ok(JournalVerified {
        verified: true,
        seq: found.tail.next_seq.previous().0,
        head: Digest(found.tail.chain.0),
        frames: found.frames,
        unmarked_frames: found.unmarked_frames,
        torn_bytes: found.torn.map_or(0, |torn| torn.bytes as u64),
        snapshots: kept.len() as u64,
    })
}

/// The snapshots that can be compared: not those of another version of this program.
fn kept(found: Vec<Found>) -> Result<Vec<(String, SnapshotHead)>, Failure> {
    let mut kept = Vec::new();
    for Found { name, head } in found {
        match usable(head) {
            Ok(head) => kept.push((name, head)),
            Err(Unusable::OtherLayout(_)) => {}
            Err(unusable) => return Err(bad_snapshot(&name, &unusable)),
        }
    }
    Ok(kept)
}

/// Replays all records, and compares the state at each snapshot's place with that snapshot.
fn replay_through(path: &Path, journal: &ReadOnly, kept: &[(String, SnapshotHead)]) -> Result<(), Failure> {
    let mut core = NodeCore::new();
    let mut passed = BTreeSet::new();
    let mut pass = |tail: Tail, core: &NodeCore| {
        for (name, _) in kept.iter().filter(|(_, head)| head.tail == tail) {
            compare(path, name, core)?;
            passed.insert(name);
        }
        Ok::<_, Failure>(())
    };
    for frame in journal.read(Seq::FIRST) {
        let frame = frame.map_err(|error| verdict(&error))?;
        pass(Tail { next_seq: frame.first_seq, chain: frame.prev }, &core)?;
        apply(&mut core, &frame).map_err(as_verdict)?;
    }
    pass(journal.tail(), &core)?;
    match kept.iter().find(|(name, _)| !passed.contains(name)) {
        Some((name, _)) => Err(bad_snapshot(name, &Unusable::NotThrough)),
        None => Ok(()),
    }
}

fn compare(path: &Path, name: &str, core: &NodeCore) -> Result<(), Failure> {
    let hash = match state_hash(path, name) {
        Ok(hash) => hash,
        // A running daemon keeps the newest ones only.
        Err(BadSnapshot::Read(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(bad) => return Err(bad_snapshot(name, &bad.into())),
    };
    if hash == core.state_hash() {
        return Ok(());
    }
    Err(bad_snapshot(name, &Unusable::OtherState))
}

fn state_hash(path: &Path, name: &str) -> Result<[u8; 32], BadSnapshot> {
    let mut parts = SnapshotReader::open(path, name)?;
    parts.by_ref().try_for_each(|part| part.map(drop))?;
    Ok(parts.state_hash().expect("all parts were read"))
}

fn bad_snapshot(name: &str, unusable: &Unusable) -> Failure {
    Failure::new(
        Code::JournalUnverified,
        format!("the snapshot {name}: {}", with_causes(unusable)),
        "the frames themselves verify: keep a copy and see the disk, then remove the snapshot; a start replays more",
    )
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
