//! Giving seats back: a shrink is a wish to the node; free is only what the node's own signed report has released.

use leasehold_protocol::artefact::Released;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::slots::SlotSet;
use serde::{Deserialize, Serialize};

use crate::allocation::{self, Mobility, RowState};
use crate::node::NodeState;
use crate::refusal::{invalid, not_found, require};
use crate::state::State;

/// A wish that a node gives seats of a row back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewShrink {
    /// Which row.
    pub allocation: AllocationId,
    /// How many seats it shall keep; as many as it has takes the wish back.
    pub seats: u32,
}

/// What a wish to shrink came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// Whose.
    pub account: AccountId,
    /// Which row.
    pub allocation: AllocationId,
    /// Whose it is to serve.
    pub node: NodeId,
    /// How many seats the node shall keep; none if nothing is left to wish.
    pub shrink_to: Option<u32>,
    /// Slots that are free at once: no node was ever given them.
    pub freed: SlotSet,
}

/// Slots of a row that its node has released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Which row.
    pub allocation: AllocationId,
    /// The slots.
    pub slots: SlotSet,
}

/// What a report's releases come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// Slots that are free from here on.
    pub freed: Vec<Freed>,
    /// Releases up to this report of the node are taken into account.
    pub acked_report_seq: u64,
}

pub(crate) fn shrink(state: &State, new: &NewShrink) -> Result<Shrunk, Problem> {
    let missing = || not_found("allocation", &new.allocation.to_string(), "`allocation list` shows them");
    let RowState { row, signed, .. } = state.row(new.allocation).ok_or_else(missing)?;
    require(row.mobility == Mobility::Movable, || fixed(row.id))?;
    let seats = row.slots.len();
    require(seats > 0, || {
        invalid("an unlimited allocation has no count to shrink", "revoke the grant instead")
    })?;
    require(new.seats <= seats, || {
        let detail = format!("the allocation has {seats} seats, fewer than {}", new.seats);
        invalid(detail, "more seats are given with `allocation create`")
    })?;
    let (account, freed) = (row.account, SlotSet::EMPTY);
    let shrunk = Shrunk { account, allocation: row.id, node: row.node, shrink_to: None, freed };
    let count = seats.saturating_sub(new.seats);
    Ok(match signed {
        _ if count == 0 => shrunk,
        Some(_) => Shrunk { shrink_to: Some(new.seats), ..shrunk },
        None => Shrunk { freed: allocation::highest_slots(&row.slots, count), ..shrunk },
    })
}

/// A release acts on the row whose version it names, and once: a row never gets slots back that it gave away.
pub(crate) fn take(state: &State, node: &NodeState, released: &[Released]) -> Result<Releases, Problem> {
    let mut releases = Releases { freed: Vec::new(), acked_report_seq: node.acked_report_seq };
    let account = state.account(node.node.account)?;
    if account.frozen.is_some() && state.rules.frozen_issuer_acknowledges_nothing {
        // They are told again until they are acknowledged. Now they may be of rows that were forgotten, and would be
        // acknowledged without anything coming free.
        return Ok(releases);
    }
    for release in released {
        releases.acked_report_seq = releases.acked_report_seq.max(release.report_seq);
        let row = state.row_versions.get(&release.allocation).and_then(|&id| state.row(id));
        // A row that has ended is free already.
        let Some(RowState { row, .. }) = row.filter(|row| row.row.node == node.node.id) else { continue };
        require(row.mobility == Mobility::Movable, || fixed(row.id))?;
        let mut held = row.slots.clone();
        for before in releases.freed.iter().filter(|freed| freed.allocation == row.id) {
            held.remove_all(&before.slots);
        }
        let slots = held.without(&held.without(&release.slots));
        if !slots.is_empty() {
            releases.freed.push(Freed { allocation: row.id, slots });
        }
    }
    Ok(releases)
}

fn fixed(id: AllocationId) -> Problem {
    Problem::new(
        Code::AllocationFixed,
        format!("allocation {id} is fixed: its node may be serving it without knowing the time"),
        "provision the node anew with movable allocations",
    )
}
