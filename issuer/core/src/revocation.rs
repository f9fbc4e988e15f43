//! Revocations: what was granted is taken back, for good. Who may still serve it until when is said per node.

use std::collections::BTreeMap;

use leasehold_protocol::artefact::{Kind, RevokedSerials, ScheduledRevocation};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AccountId, GrantId, NodeId, RevocationId};
use leasehold_protocol::limits::INLINE_REVOCATIONS;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::account::AccountState;
use crate::cause::Cause;
use crate::node::{Node, NodeState};
use crate::refusal::{invalid, limit, require};
use crate::state::{GrantState, State};

/// A wish to revoke. The reason is that of the cause, and required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What.
    pub target: RevocationTarget,
    /// From when on; now if absent. The past means now, and is recorded as it was said.
    pub effective_at: Option<UnixMs>,
}

/// What is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationTarget {
    /// One grant.
    Grant(GrantId),
    /// Every grant of a product that an account has and that has not ended.
    Product {
        /// By id or name.
        account: String,
        /// By id or SKU.
        product: String,
    },
}

/// Grants that were revoked together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The revocation.
    #[serde(rename = "revocation_id")]
    pub id: RevocationId,
    /// Whose grants.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Which grants, ascending.
    pub grants: Vec<GrantId>,
    /// From when on, as it was asked.
    pub effective_at: UnixMs,
    /// From when on nodes are told: never before it was recorded.
    pub enforced_from: UnixMs,
}

/// A revocation, and which nodes have shown that they know it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RevocationState {
    pub(crate) revocation: Revocation,
    pub(crate) recorded_at: UnixMs,
    /// When the issuer learnt that the node knows it.
    pub(crate) known_at: BTreeMap<NodeId, UnixMs>,
}

/// By what a grant is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RevokedBy {
    pub(crate) id: RevocationId,
    pub(crate) seq: Seq,
    pub(crate) enforced_from: UnixMs,
}

/// What a revocation means at one node.
#[derive(Clone, Copy, Debug)]
pub struct Exposure<'a> {
    /// The node.
    pub node: &'a Node,
    /// When the issuer learnt that the node applied it; none as long as the node has not said so.
    pub applied_at: Option<UnixMs>,
    /// No lease of a revoked grant lives on at the node after this.
    pub guaranteed_dead_by: UnixMs,
    /// Seats the node may serve until then; none if their number is unlimited.
    pub seats_at_risk: Option<u32>,
}

/// What a wish for a revocation comes to.
pub(crate) enum Revoked {
    New(Revocation),
    /// All of it was revoked before, by this record.
    Before(Seq),
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    cause: &Cause,
    new: &NewRevocation,
) -> Result<Revoked, Problem> {
    require(cause.reason.is_some(), || {
        invalid("a revocation needs a reason", "say why with --reason: it is kept for ever")
    })?;
    let effective_at = new.effective_at.unwrap_or(at);
    let enforced_from = effective_at.max(at);
    let mut targets = targets(state, at, &new.target)?;
    let later = |sold: &&GrantState| sold.revoked.is_none_or(|by| enforced_from < by.enforced_from);
    let before = targets.iter().filter_map(|sold| sold.revoked).map(|by| by.seq).max();
    targets.retain(later);
    let Some(account) = targets.first().map(|sold| sold.grant.account) else {
        return before.map(Revoked::Before).ok_or_else(nothing_to_revoke);
    };
    let fresh = targets.iter().filter(|sold| sold.revoked.is_none()).map(|sold| sold.serials.len());
    check_room(state, state.account(account)?, at, fresh.sum())?;
    let grants = targets.iter().map(|sold| sold.grant.issue.id).collect();
    let id = RevocationId::new(at, &entropy.draw());
    Ok(Revoked::New(Revocation { id, account, grants, effective_at, enforced_from }))
}

fn targets<'s>(
    state: &'s State,
    at: UnixMs,
    target: &RevocationTarget,
) -> Result<Vec<&'s GrantState>, Problem> {
    match target {
        RevocationTarget::Grant(grant) => Ok(vec![state.grant_state(*grant)?]),
        RevocationTarget::Product { account, product } => {
            let account = state.account(state.find_account(account)?)?;
            let product = state.find_product(product)?;
            let sold = account.grants.iter().filter_map(|id| state.grants.get(id));
            let live = sold.filter(|sold| sold.grant.product == product && at < sold.longest_end);
            Ok(live.collect())
        }
    }
}

fn nothing_to_revoke() -> Problem {
    let detail = "the account has no grant of this product that has not ended";
    Problem::new(Code::NotFound, detail, "`grant list --account A` shows what it has")
}

/// A head lists every serial until its grant would have ended: so many new ones must fit.
pub(crate) fn check_room(
    state: &State,
    account: &AccountState,
    at: UnixMs,
    fresh: usize,
) -> Result<(), Problem> {
    let listed = account.grants.iter().filter_map(|id| state.grants.get(id));
    let listed = listed.filter(|sold| sold.revoked.is_some() && at < sold.longest_end);
    let before: usize = listed.map(|sold| sold.serials.len()).sum();
    require(before.saturating_add(fresh) <= INLINE_REVOCATIONS, || {
        limit("revoked versions of grants of one account that have not ended", INLINE_REVOCATIONS)
    })
}

impl GrantState {
    /// Whether the grant is taken back at `at`.
    pub(crate) fn is_revoked(&self, at: UnixMs) -> bool {
        self.revoked.is_some_and(|by| by.enforced_from <= at)
    }
}

/// What a head of `at` says of an account's revoked grants.
pub(crate) fn lists(
    state: &State,
    account: &AccountState,
    at: UnixMs,
) -> (Vec<RevokedSerials>, Vec<ScheduledRevocation>) {
    let sold = account.grants.iter().filter_map(|id| state.grants.get(id));
    let sold = sold.filter(|sold| at < sold.longest_end);
    let (mut revoked, mut scheduled) = (Vec::new(), Vec::new());
    for (sold, by) in sold.filter_map(|sold| sold.revoked.map(|by| (sold, by))) {
        if by.enforced_from <= at {
            revoked.extend(&sold.serials);
            continue;
        }
        scheduled.extend(sold.serials.iter().map(|&serial| ScheduledRevocation {
            subject: (Kind::Grant.number(), serial),
            effective_at: by.enforced_from,
        }));
    }
    scheduled.sort_by_key(|entry| entry.subject);
    let lists = if revoked.is_empty() { Vec::new() } else { vec![RevokedSerials::new(Kind::Grant, revoked)] };
    (lists, scheduled)
}

/// What `revocation` means at each node that has rows of its grants, where these nodes are known to know it.
pub(crate) fn exposure<'s>(
    state: &'s State,
    revocation: &Revocation,
    known_at: &BTreeMap<NodeId, UnixMs>,
) -> Vec<Exposure<'s>> {
    let account = state.accounts.get(&revocation.account);
    let nodes = account.into_iter().flat_map(|account| &account.nodes).filter_map(|id| state.nodes.get(id));
    let exposure_at = |node: &'s NodeState| exposure_at(state, revocation, known_at, node);
    nodes.filter_map(exposure_at).collect()
}

fn exposure_at<'s>(
    state: &State,
    revocation: &Revocation,
    known_at: &BTreeMap<NodeId, UnixMs>,
    node: &'s NodeState,
) -> Option<Exposure<'s>> {
    let rows = node.rows.iter().filter_map(|&id| state.row(id)).filter(|row| row.signed.is_some());
    let (mut end, mut longest_ttl_ms, mut seats) = (None, 0, Some(0_u32));
    for row in rows {
        let Some(pool) = state.pools.get(&row.row.pool) else { continue };
        if !revocation.grants.contains(&pool.pool.grant) {
            continue;
        }
        end = end.max(Some(row.longest));
        longest_ttl_ms = longest_ttl_ms.max(pool.longest_ttl_ms);
        seats =
            if pool.is_unlimited() { None } else { seats.map(|sum| sum.saturating_add(row.row.slots.len())) };
    }
    let end = end?;
    let applied_at = known_at.get(&node.node.id).copied();
    let drained = applied_at.map(|at| at.max(revocation.enforced_from).plus(longest_ttl_ms));
    Some(Exposure {
        node: &node.node,
        applied_at,
        guaranteed_dead_by: drained.map_or(end, |drained| drained.min(end)),
        seats_at_risk: seats,
    })
}
