//! What a start, or a restore, writes down of a journal that may not be all that was promised.

use leasehold_cli::Failure;
use leasehold_journal::file::Cut;
use leasehold_node_core::{Cause, Input};
use leasehold_protocol::artefact::RecoverCause;
use leasehold_protocol::event_id::EventId;

use crate::commit::{Commit, Fatal};
use crate::store::{Store, damaged, fatal_failure, journal_failure};

/// Records were cut off the journal: from here on it is whole again, and the node is in RECOVER.
pub(crate) fn write_down_cut(store: &mut Store, cut: &Cut) -> Result<(), Failure> {
    let Cut { seq, damage, generation } = cut;
    tracing::warn!(
        event_id = %EventId::JournalCut,
        %seq,
        damage,
        "records were lost; what was cut off the journal is kept beside it"
    );
    regress(store, RecoverCause::Behind, Cause::of_the_node(), *generation)?;
    store.home.end_cut().map_err(|error| journal_failure(&error))
}

/// Has RECOVER begin, in a frame of its own. `newest_generation` is what a MARK says that did not come back with the
/// journal; what it names is kept.
pub(crate) fn regress(
    store: &mut Store,
    cause: RecoverCause,
    by: Cause,
    newest_generation: Option<u32>,
) -> Result<(), Failure> {
    // Without a bundle nothing was promised; what is lost may have had one.
    if !store.core.is_provisioned() && newest_generation != Some(0) {
        let detail = "it ends before the first bundle, and what came after that cannot be recovered from it";
        return Err(damaged(store.core.next_seq(), detail));
    }
    let input = Input::Regressed { cause, by, newest_generation };
    decide(store, input).map_err(|fatal| fatal_failure(&fatal))?;
    if let Some(generation) = newest_generation.filter(|&newest| store.home.generation() < newest) {
        store.home.raise_generation(generation).map_err(|error| journal_failure(&error))?;
    }
    Ok(())
}

/// One frame of one input that nobody waits for.
pub(crate) fn decide(store: &mut Store, input: Input) -> Result<(), Fatal> {
    let now = leasehold_clock::read().map_err(Fatal::Clock)?;
    let mut commit = Commit::begin(store, now)?;
    commit.decide(input);
    commit.finish()
}
