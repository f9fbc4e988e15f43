//! Whether a request is answered as it is: by which generation of its node, and whether the issuer has to see more.

use leasehold_protocol::artefact::{Have, Recovery, Request};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;

use crate::account::AccountState;
use crate::adoption;
use crate::fork::{self, Told};
use crate::limits;
use crate::node::NodeState;
use crate::recover;
use crate::refusal::require;
use crate::state::State;

/// What begins with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Nothing: the node goes on.
    Nothing,
    /// A new generation of the node, with the slots that it has (ADR 6, 1).
    Generation,
}

/// Whoever it is, what is presented is adopted first.
pub(crate) fn check_adopted(state: &State, at: UnixMs, request: &Verified<Request>) -> Result<(), Problem> {
    require(adoption::wanted(state, at, request)?.is_none(), || {
        let detail = "what the request presents has to be adopted before it is answered";
        Problem::new(Code::Conflict, detail, "send the same request again")
    })
}

/// Judges the request of `node`, which made it.
pub(crate) fn judge(
    state: &State,
    at: UnixMs,
    account: &AccountState,
    node: &NodeState,
    request: &Verified<Request>,
) -> Result<Begins, Problem> {
    check_named(node, request)?;
    check_seen(state, account, node, request)?;
    let Some(recovery) = request.recovery else {
        fork::check(node, &Told::by_request(request))?;
        return Ok(Begins::Nothing);
    };
    if state.is_frozen(account) {
        // It may present what it gave back. It hears of the fence, and its own generation goes on.
        let registered = node.enrolment.as_ref().map(|enrolment| enrolment.generation);
        if registered != Some(request.generation) {
            recover::check_thawed(state, account.account.id)?;
        }
        return Ok(Begins::Nothing);
    }
    check_attested(at, node, recovery)?;
    Ok(Begins::Generation)
}

/// Once a node has applied a bundle it says which one it is. Another one with its key was never provisioned, or was set
/// back to before that, and would serve every seat anew.
fn check_named(node: &NodeState, request: &Request) -> Result<(), Problem> {
    let renewed = node.enrolment.as_ref().is_some_and(|enrolment| enrolment.generation > 1);
    require(request.node.is_some() || !(renewed || node.applied.is_some()), || {
        let detail =
            format!("node {} was provisioned before, and this request is of one that was not", node.node.id);
        let hint = "end this copy, or restore a backup of the node that was taken later";
        Problem::new(Code::NodeForked, detail, hint).with("report_seq", node.reports.highest())
    })
}

/// A journal that may have forgotten something wants to see what the node stands on.
fn check_seen(
    state: &State,
    account: &AccountState,
    node: &NodeState,
    request: &Request,
) -> Result<(), Problem> {
    let enrolled = request.node.is_some() && node.enrolment.is_some();
    if request.presented.is_some() || !enrolled {
        return Ok(());
    }
    require(!state.is_frozen(account) && !is_ahead(state, account, node, request), || {
        let detail = "the issuer has to see what the node stands on, because it may have forgotten it";
        Problem::new(Code::ArtefactsNeeded, detail, "send a request that presents it")
    })
}

/// Whether a node claims more than its issuer remembers.
fn is_ahead(state: &State, account: &AccountState, node: &NodeState, request: &Request) -> bool {
    let Have { head_version, bundle, .. } = request.have;
    let exchanges = node.enrolment.as_ref().map_or(0, |enrolment| enrolment.ratchet.counter);
    let sent = |bundle| node.sent.iter().any(|sent| sent.bundle == bundle);
    head_version > state.numbered(account.counters.head)
        || request.ratchet.counter > exchanges
        || bundle.is_some_and(|bundle| !sent(bundle))
}

/// Somebody has to say that no copy of the node runs: its own people a few times a year, or the vendor's.
fn check_attested(at: UnixMs, node: &NodeState, recovery: Recovery) -> Result<(), Problem> {
    if node.vouched {
        return Ok(());
    }
    let id = node.node.id;
    require(recovery.attested, || {
        let detail = format!("nobody has attested that no copy of node {id} runs");
        Problem::new(Code::RecoveryUnattested, detail, "say `leasehold-node recover --reason …` on the node")
    })?;
    let counted = |then: &&UnixMs| at.since(**then) <= limits::RECOVERIES_WITHIN_MS;
    require(node.recovered_at.iter().filter(counted).count() < limits::RECOVERIES_PER_YEAR, || {
        let most = limits::RECOVERIES_PER_YEAR;
        let detail = format!("node {id} has recovered {most} times within a year on its own people's word");
        let hint =
            format!("have the vendor find out why, and say `leasehold-issuer node recover {id} --reason …`");
        Problem::new(Code::RecoveryUnattested, detail, hint)
    })
}
