//! From a journal to the core that it comes to: from the newest snapshot that is of use, and the frames after it.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread::{self, Scope};

use leasehold_cli::Failure;
use leasehold_journal::file::snapshot::{self, BadSnapshot, Found, SnapshotHead, SnapshotReader};
use leasehold_journal::home::Frames;
use leasehold_journal::{Frame, JournalError, Tail};
use leasehold_node_core::{NodeCore, Record, RestoreError, STATE_VERSION};
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::seq::Seq;

use crate::causes::with_causes;
use crate::limits;
use crate::pace::{Pace, Stopped};
use crate::store::{damaged, journal_failure};

/// Where replay begins.
pub(crate) struct Beginning {
    /// What the journal comes to before.
    pub(crate) core: NodeCore,
    /// The place; none is that of the journal's beginning.
    pub(crate) at: Option<Tail>,
}

/// Why a snapshot is not begun with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Its file.
    #[error(transparent)]
    Bad(#[from] BadSnapshot),
    /// What it says.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// It is of another place than it says.
    #[error("it holds the state before record {0}, which its beginning does not say")]
    OtherPlace(Seq),
    /// It says something else than the journal.
    #[error("the records before it come to another state")]
    OtherState,
    /// It was written by another version of this program.
    #[error("it has the layout {0}, this version reads {STATE_VERSION}")]
    OtherLayout(u16),
    /// Nobody wants it any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It is not of what the journal says.
    #[error("the journal does not lead through it")]
    NotThrough,
}

/// Opens the journal at `path` from the newest snapshot that is of use, or from its beginning. `open` opens it from a
/// given place.
pub(crate) fn open_newest<J>(
    path: &Path,
    open: impl Fn(Option<Tail>) -> Result<J, JournalError>,
    pace: &Pace,
) -> Result<(J, Beginning), Failure> {
    for Found { name, head } in snapshot::list(path).map_err(|error| journal_failure(&error))? {
        let opened = match usable(head) {
            Ok(head) => open_at(path, &name, &head, &open, pace)?,
            Err(unusable) => Err(unusable),
        };
        match opened {
            Ok(opened) => return Ok(opened),
            Err(Unusable::Stopped(stopped)) => return Err(stopped.into()),
            Err(unusable) => tracing::warn!(
                event_id = %EventId::SnapshotUnused,
                name,
                cause = with_causes(&unusable),
                "a snapshot is of no use; the journal says the same"
            ),
        }
    }
    let journal = open(None).map_err(|error| journal_failure(&error))?;
    Ok((journal, Beginning { core: NodeCore::new(), at: None }))
}

/// Folds the frames after its beginning into a core. A record that does not decode or does not follow is damage.
pub(crate) fn replay(beginning: Beginning, frames: Frames<'_>, pace: &Pace) -> Result<NodeCore, Failure> {
    let Beginning { mut core, at } = beginning;
    for frame in after(at, frames) {
        apply(&mut core, &frame.map_err(|error| journal_failure(&error))?)?;
        pace.breathe()?;
    }
    Ok(core)
}

/// One frame.
pub(crate) fn apply(core: &mut NodeCore, frame: &Frame) -> Result<(), Failure> {
    core.stamp(&frame.stamp);
    for (seq, bytes) in (frame.first_seq.0..).map(Seq).zip(&frame.records) {
        let record = Record::from_bytes(bytes).map_err(|error| damaged(seq, &error.to_string()))?;
        core.apply(seq, &record).map_err(|error| damaged(seq, &error.to_string()))?;
    }
    Ok(())
}

/// Frames without records before that place have its seq, too: they are in it already.
fn after(at: Option<Tail>, frames: Frames<'_>) -> impl Iterator<Item = Result<Frame, JournalError>> {
    frames.skip_while(move |frame| {
        let continues = |frame: &Frame| at.is_none_or(|at| frame.prev == at.chain);
        frame.as_ref().is_ok_and(|frame| !continues(frame))
    })
}

/// The core of one snapshot.
fn restore(path: &Path, name: &str, head: &SnapshotHead, pace: &Pace) -> Result<NodeCore, Unusable> {
    let parts = SnapshotReader::open(path, name)?;
    let core = thread::scope(|scope| {
        let parts: Box<dyn Iterator<Item = _>> = match pace {
            Pace::Full => Box::new(read_ahead(scope, parts)?),
            Pace::Share { .. } => Box::new(parts),
        };
        NodeCore::restore(parts.map(|part| {
            pace.breathe()?;
            Ok::<_, Unusable>(part?)
        }))
    })?;
    if core.next_seq() != head.tail.next_seq {
        return Err(Unusable::OtherPlace(core.next_seq()));
    }
    Ok(core)
}

/// Reads and checks the parts on another core while those before are made something of.
fn read_ahead<'scope>(
    scope: &'scope Scope<'scope, '_>,
    parts: SnapshotReader,
) -> Result<impl Iterator<Item = Result<Vec<u8>, BadSnapshot>> + use<>, BadSnapshot> {
    let (read, ahead) = sync_channel(limits::SNAPSHOT_PARTS_AHEAD);
    let reader = move || {
        for part in parts {
            // Nobody wants more of a snapshot that is of no use.
            if read.send(part).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("snapshot".into()).spawn_scoped(scope, reader)?;
    Ok(ahead.into_iter())
}

/// What a snapshot is of, if this version can read it.
pub(crate) fn usable(head: Result<SnapshotHead, BadSnapshot>) -> Result<SnapshotHead, Unusable> {
    let head = head?;
    match head.state_version {
        STATE_VERSION => Ok(head),
        other => Err(Unusable::OtherLayout(other)),
    }
}

type Opened<J> = (J, Beginning);

/// The journal first: whether it leads through the snapshot takes much less time.
fn open_at<J>(
    path: &Path,
    name: &str,
    head: &SnapshotHead,
    open: impl Fn(Option<Tail>) -> Result<J, JournalError>,
    pace: &Pace,
) -> Result<Result<Opened<J>, Unusable>, Failure> {
    let journal = match open(Some(head.tail)) {
        Ok(journal) => journal,
        Err(JournalError::NotThrough(_)) => return Ok(Err(Unusable::NotThrough)),
        Err(error) => return Err(journal_failure(&error)),
    };
    let restored = restore(path, name, head, pace);
    Ok(restored.map(|core| (journal, Beginning { core, at: Some(head.tail) })))
}
