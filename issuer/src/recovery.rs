//! What a start, or a restore, writes down of a journal that may not be all that was promised.

use leasehold_cli::Failure;
use leasehold_issuer_core::{Cause, Command, Entered, RecoverCause, Source, What};
use leasehold_journal::file::Cut;
use leasehold_protocol::event_id::EventId;

use crate::api::odd_fact;
use crate::commit::{Intent, Planned, carry_out};
use crate::store::Store;

/// Has RECOVER begin, in a frame of its own. `seen` is what a MARK names that did not come back with the journal.
pub(crate) fn enter(
    store: &mut Store,
    by: Cause,
    cause: RecoverCause,
    seen: Option<u32>,
) -> Result<Entered, Failure> {
    let command = Command::Recover { cause, seen: seen.unwrap_or_default() };
    let plan = |_: &mut crate::commit::Turn<'_>| Ok(Planned::Command(Box::new(command)));
    let done = carry_out(store, by, Intent::Do, plan)?;
    let What::RecoverEntered(entered) = done.fact.what else { return Err(odd_fact().into()) };
    Ok(entered)
}

/// Records were cut off the journal: from here on it is whole again, and the issuer is in RECOVER.
pub(crate) fn write_down_cut(store: &mut Store, cut: &Cut) -> Result<(), Failure> {
    let Cut { seq, damage, generation } = cut;
    tracing::warn!(
        event_id = %EventId::JournalCut,
        %seq,
        damage,
        "records were lost; what was cut off the journal is kept beside it"
    );
    let by = Cause {
        actor: "issuer".to_owned(),
        source: Source { system: "journal".to_owned(), reference: None },
        reason: None,
        idempotency: None,
        accept_time: None,
    };
    enter(store, by, RecoverCause::Behind, *generation).map(drop)
}
