//! Heads: the small signed word on what is current of an account, and when it is said anew.

use leasehold_protocol::artefact::{Extensions, Head, Issue, Kind};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;

use crate::account::AccountState;
use crate::limits;
use crate::manifest;
use crate::node::NodeClass;
use crate::revocation;
use crate::state::State;

/// Oldest node that understands these artefacts: major << 16 | minor.
const MIN_NODE_VERSION: u32 = 1;
/// Grants of a lower generation are revoked: none is.
const MIN_GRANT_GENERATION: u32 = 1;

/// The head that online nodes poll: the standing one, or the one that has to replace it at `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Current(Head, Seq),
    Due(Head),
}

pub(crate) fn standing(state: &State, account: &AccountState, at: UnixMs) -> Result<Standing, Problem> {
    match account.standing.as_ref().filter(|(head, _)| !is_due(state, account, head, at)) {
        Some((head, seq)) => Ok(Standing::Current(head.clone(), *seq)),
        None => Ok(Standing::Due(head(state, account, at, limits::FRESH_ONLINE_MS)?)),
    }
}

/// The head of a bundle. Nodes that are seldom reached get one of their own, which is fresh for longer.
pub(crate) fn for_node(
    state: &State,
    account: &AccountState,
    class: NodeClass,
    at: UnixMs,
    ends: impl Iterator<Item = UnixMs>,
) -> Result<Head, Problem> {
    match class {
        NodeClass::Online => match standing(state, account, at)? {
            Standing::Current(head, _) | Standing::Due(head) => Ok(head),
        },
        NodeClass::Intermittent => head(state, account, at, limits::FRESH_INTERMITTENT_MS),
        // It hears nothing new while its allocations last.
        NodeClass::AirGapped => {
            let longest_ms = ends.map(|end| end.since(at)).max().unwrap_or(0);
            head(state, account, at, longest_ms.max(limits::FRESH_ONLINE_MS))
        }
    }
}

/// The standing head is replaced when it no longer says what is so, and early enough to stay fresh.
fn is_due(state: &State, account: &AccountState, standing: &Head, at: UnixMs) -> bool {
    let issued_at = standing.issue.issued_at;
    let root = state.vendor.as_ref().map(|vendor| vendor.trust.root());
    let took_effect = |entry: &leasehold_protocol::artefact::ScheduledRevocation| entry.effective_at <= at;
    account.changed
        || issued_at.plus(limits::HEAD_RENEWAL_MS) <= at
        || standing.scheduled.iter().any(took_effect)
        || root.is_some_and(|root| {
            (root.version, root.status_generation) != (standing.root_version, standing.status_generation)
        })
}

fn head(state: &State, account: &AccountState, at: UnixMs, fresh_for_ms: i64) -> Result<Head, Problem> {
    let root = state.vendor()?.trust.root();
    let (revoked, scheduled) = revocation::lists(state, account, at);
    let number = state.serial(account.counters.head);
    Ok(Head {
        issue: Issue { id: account.account.head, serial: number, issued_at: at },
        account: account.account.id,
        version: number,
        status_generation: root.status_generation,
        fresh_for_ms,
        root_version: root.version,
        manifest: state.digest(Kind::Manifest, &manifest::of(state, account, at)?.manifest)?,
        revocations: None,
        min_grant_generation: MIN_GRANT_GENERATION,
        min_node_version: MIN_NODE_VERSION,
        checkpoint: None,
        revoked,
        scheduled,
        ext: Extensions::NONE,
    })
}
