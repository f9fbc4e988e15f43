//! The journal and what is replayed of it.

use leasehold_cli::Failure;
use leasehold_issuer_core::{Fact, Issuer};
use leasehold_journal::{Frame, JournalError};
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;

use crate::state_dir::StateDir;

/// Name of the kind of journal that an issuer keeps.
pub(crate) const KIND: &str = "issuer";

/// The state after `frames`.
pub(crate) fn replay(
    frames: impl Iterator<Item = Result<Frame, JournalError>>,
) -> Result<Issuer, JournalError> {
    let mut issuer = Issuer::new();
    for frame in frames {
        replay_frame(&mut issuer, &frame?, |_, _| Ok(()))?;
    }
    Ok(issuer)
}

/// Replays one frame and shows each of its facts, once it is applied, to `look`.
pub(crate) fn replay_frame(
    issuer: &mut Issuer,
    frame: &Frame,
    mut look: impl FnMut(&Issuer, (Seq, &Fact)) -> Result<(), String>,
) -> Result<(), JournalError> {
    issuer.stamp(&frame.stamp);
    for (seq, fact) in facts(frame)? {
        let damaged = |detail: String| JournalError::Damaged { seq, detail };
        issuer.apply(seq, &fact).map_err(|error| damaged(format!("it cannot be replayed: {error}")))?;
        look(issuer, (seq, &fact)).map_err(damaged)?;
    }
    Ok(())
}

/// The facts of a frame.
pub(crate) fn facts(frame: &Frame) -> Result<Vec<(Seq, Fact)>, JournalError> {
    (0..)
        .zip(&frame.records)
        .map(|(at, bytes)| {
            let seq = frame.first_seq.plus(at);
            let unreadable =
                |error| JournalError::Damaged { seq, detail: format!("it cannot be read: {error}") };
            Ok((seq, Fact::from_bytes(bytes).map_err(unreadable)?))
        })
        .collect()
}

/// The fact of record `seq` in the frame that holds it.
pub(crate) fn fact(frame: Option<Frame>, seq: Seq) -> Result<Fact, JournalError> {
    let missing = || JournalError::Damaged { seq, detail: "it is missing".to_owned() };
    let facts = facts(&frame.ok_or_else(missing)?)?;
    facts.into_iter().find(|(found, _)| *found == seq).map(|(_, fact)| fact).ok_or_else(missing)
}

/// A journal that does not do what was asked, as people hear of it.
pub(crate) fn failure(dir: &StateDir, error: &JournalError) -> Failure {
    match error {
        JournalError::NotFound(_) => dir.not_initialised(),
        JournalError::Damaged { seq, .. } => {
            Failure::new(Code::JournalDamaged, chain_of(error), error.hint()).with("seq", seq.0)
        }
        other => Failure::new(other.code(), chain_of(other), other.hint()),
    }
}

/// An error with its causes.
fn chain_of(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
