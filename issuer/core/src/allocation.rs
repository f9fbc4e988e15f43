//! Allocations: which node may serve which slots of a pool, and until when.

use leasehold_protocol::artefact::{Allocation, AllocationKind, Grant, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId, PoolId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::amendment;
use crate::clock::CertainTime;
use crate::grant::percent_of;
use crate::limits;
use crate::node::{Node, NodeClass};
use crate::pool::{self, PoolState};
use crate::recover;
use crate::refusal::{invalid, limit, require};
use crate::state::State;

/// A wish for an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAllocation {
    /// Which pool, by id or by the SKU of its product.
    pub pool: String,
    /// Which node, by id or name.
    pub node: String,
    /// How many seats. Of an unlimited pool every number is unlimited.
    pub seats: Seats,
    /// Its end; cut to what the grant allows. The default is the latest allowed.
    pub until: Option<UnixMs>,
    /// Base or elastic.
    pub kind: AllocationKind,
    /// Whether the row may move; by default a base row is fixed if an air-gapped node alone serves the pool.
    pub mobility: Option<Mobility>,
}

/// Whether the issuer may take a row back before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mobility {
    /// Not in this generation of its node, and not by time.
    Fixed,
    /// By release, and by time.
    Movable,
}

/// An allocation as a fact. The artefact is made of it when a bundle first carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The allocation.
    #[serde(rename = "allocation_id")]
    pub id: AllocationId,
    /// Whose.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// The pool.
    #[serde(rename = "pool_id")]
    pub pool: PoolId,
    /// Who may serve it.
    #[serde(rename = "node_id")]
    pub node: NodeId,
    /// Base or elastic.
    pub kind: AllocationKind,
    /// Whether it may move.
    pub mobility: Mobility,
    /// Its slots; empty for an unlimited pool.
    pub slots: SlotSet,
    /// Those of them that may be borrowed.
    pub borrow_slots: SlotSet,
    /// How far beyond its end borrows may reach.
    pub mclt_ms: i64,
    /// Running time for which it is served although no upper bound of time is known.
    pub suspect_budget_ms: i64,
    /// First instant of validity.
    pub not_before: UnixMs,
    /// When the node should ask for the next version.
    pub renew_after: UnixMs,
    /// No lease lives beyond this.
    pub not_after: UnixMs,
}

/// A row and, once a bundle carried it, its artefact: signed once and shipped byte for byte until it changes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowState {
    pub(crate) row: Row,
    pub(crate) signed: Option<Allocation>,
    /// The latest end that any signed version of it promised.
    pub(crate) longest: UnixMs,
    /// The node shall keep no more than so many seats.
    pub(crate) shrink_to: Option<u32>,
    /// The serial of its newest version that was signed outside of RECOVER; 0 if there is none.
    pub(crate) claim: u64,
}

/// A new row, and the rows that ended for it because their time is certainly over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allocated {
    /// The new row.
    pub row: Row,
    /// Rows that ended for it.
    pub freed: Vec<AllocationId>,
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    certain: CertainTime,
    entropy: &mut Entropy,
    new: &NewAllocation,
) -> Result<Allocated, Problem> {
    let pool = state.pool(state.find_pool(&new.pool)?)?;
    let node_state = state.node(state.find_node(&new.node, pool.pool.account)?)?;
    recover::check_thawed(state, pool.pool.account)?;
    let node = &node_state.node;
    require(node.account == pool.pool.account, || {
        let hint = "allocate to a node of the account that bought the seats";
        invalid(
            format!("pool {} and node {} belong to different accounts", pool.pool.issue.id, node.id),
            hint,
        )
    })?;
    require(node_state.rows.len() < limits::ROWS_PER_NODE, || {
        limit("allocations of one node", limits::ROWS_PER_NODE)
    })?;
    let sold = state.grant_state(pool.pool.grant)?;
    let grant = &sold.grant;
    require(sold.revoked.is_none(), || amendment::revoked(grant.issue.id))?;
    let term = Term::of(at, grant, new)?;
    let mobility = mobility(state, pool, node, new)?;
    let (slots, freed) = slots(state, pool, certain, new.seats)?;
    let base = new.kind == AllocationKind::Base;
    let row = Row {
        id: AllocationId::new(at, &entropy.draw()),
        account: node.account,
        pool: pool.pool.issue.id,
        node: node.id,
        kind: new.kind,
        mobility,
        borrow_slots: if base { highest(&slots, limits::BORROW_PERCENT) } else { SlotSet::EMPTY },
        slots,
        mclt_ms: if base { pool.pool.borrow.max_ms } else { 0 },
        suspect_budget_ms: suspect_budget_ms(pool, mobility),
        not_before: term.not_before,
        renew_after: term.renew_after,
        not_after: term.not_after,
    };
    Ok(Allocated { row, freed })
}

/// No row of a grant ends later.
pub(crate) const fn latest_end(grant: &Grant) -> UnixMs {
    grant.grace_end().plus(limits::ROW_BEYOND_GRANT_MS)
}

/// When a row begins, is renewed, and ends.
struct Term {
    not_before: UnixMs,
    renew_after: UnixMs,
    not_after: UnixMs,
}

impl Term {
    /// A base row needs no contact and is asked for anew at its end; an elastic one at half its life.
    fn of(at: UnixMs, grant: &Grant, new: &NewAllocation) -> Result<Self, Problem> {
        let begin = grant.not_before;
        let grant_cap = latest_end(grant);
        let cap = match new.kind {
            AllocationKind::Base => grant_cap,
            AllocationKind::Elastic => grant_cap.min(at.plus(limits::ELASTIC_ROW_MS)),
        };
        let not_after = new.until.map_or(cap, |until| until.min(cap));
        require(begin < not_after, || {
            let detail =
                format!("the allocation would end at {not_after}, before its grant begins at {begin}");
            invalid(detail, "choose a later end, or allocate when the grant has begun")
        })?;
        Ok(match new.kind {
            AllocationKind::Base => Self { not_before: begin, renew_after: not_after, not_after },
            AllocationKind::Elastic => {
                let not_before = begin.max(at).min(not_after);
                let half_ms = not_after.since(not_before) / 2;
                Self { not_before, renew_after: not_before.plus(half_ms), not_after }
            }
        })
    }
}

fn mobility(state: &State, pool: &PoolState, node: &Node, new: &NewAllocation) -> Result<Mobility, Problem> {
    let base = new.kind == AllocationKind::Base;
    let alone = || pool.rows.iter().all(|&id| state.row(id).is_none_or(|other| other.row.node == node.id));
    match new.mobility {
        Some(Mobility::Fixed) if !base => {
            Err(invalid("an elastic allocation cannot be fixed", "ask for a base allocation"))
        }
        Some(mobility) => Ok(mobility),
        None if base && node.class == NodeClass::AirGapped && alone() => Ok(Mobility::Fixed),
        None => Ok(Mobility::Movable),
    }
}

/// Only rows that never come free by time may be served without knowing the time.
const fn suspect_budget_ms(pool: &PoolState, mobility: Mobility) -> i64 {
    match mobility {
        Mobility::Fixed if !pool.pool.require_clock => limits::SUSPECT_BUDGET_MS,
        Mobility::Fixed | Mobility::Movable => 0,
    }
}

/// The slots of a new row. Rows whose time is certainly over end only when somebody needs their slots, the oldest
/// first.
fn slots(
    state: &State,
    pool: &PoolState,
    certain: CertainTime,
    seats: Seats,
) -> Result<(SlotSet, Vec<AllocationId>), Problem> {
    let count = match seats {
        _ if pool.is_unlimited() => return Ok((SlotSet::EMPTY, Vec::new())),
        Seats::Unlimited => u32::MAX,
        Seats::Value(0) => {
            return Err(invalid("an allocation of no seats gives nothing", "ask for one at least"));
        }
        Seats::Value(count) => count,
    };
    let rows = pool.rows.iter().filter_map(|&id| state.row(id));
    let mut over: Vec<&Row> = rows.filter(|row| row.is_over(certain)).map(|other| &other.row).collect();
    over.sort_by_key(|row| (std::cmp::Reverse(row.not_after), row.id));
    let (mut freed_slots, mut freed) = (SlotSet::EMPTY, Vec::new());
    loop {
        let free = pool.free(&freed_slots).unwrap_or_default();
        if let Some(chosen) = pool::choose(&free, count) {
            return Ok((chosen, freed));
        }
        let Some(oldest) = over.pop() else { return Err(exceeds(pool, seats, &free)) };
        freed_slots.insert_all(&oldest.slots);
        freed.push(oldest.id);
    }
}

fn exceeds(pool: &PoolState, seats: Seats, free: &SlotSet) -> Problem {
    let free = pool::largest_ranges(free).len();
    let asked = match seats {
        Seats::Value(count) => count.to_string(),
        Seats::Unlimited => "unlimited".to_owned(),
    };
    let detail = format!("{asked} seats were asked of pool {}, {free} are free", pool.pool.issue.id);
    let hint = match free {
        0 => "sell more seats, or wait until an allocation ends".to_owned(),
        free => format!("allocate {free} at most"),
    };
    Problem::new(Code::AllocationExceedsPool, detail, hint).with("free", free)
}

/// The highest `percent` of `slots`, rounded down.
pub(crate) fn highest(slots: &SlotSet, percent: u32) -> SlotSet {
    highest_slots(slots, percent_of(slots.len(), percent))
}

/// The `count` highest of `slots`.
pub(crate) fn highest_slots(slots: &SlotSet, count: u32) -> SlotSet {
    let mut rest = slots.clone();
    let _lowest = rest.take_lowest(slots.len().saturating_sub(count));
    rest
}

impl RowState {
    /// Whether every promise under any version of it has certainly ended, so that its slots may be given to others.
    pub(crate) fn is_over(&self, certain: CertainTime) -> bool {
        let Row { mobility, suspect_budget_ms, not_after, mclt_ms, .. } = self.row;
        let ends = self.longest.max(not_after).plus(mclt_ms).plus(limits::ROW_GUARD_MS);
        mobility == Mobility::Movable && suspect_budget_ms == 0 && certain.certainly_past(ends)
    }

    /// Gives slots back. What is left of the wish to shrink stays.
    pub(crate) fn give_back(&mut self, slots: &SlotSet) {
        self.row.slots.remove_all(slots);
        self.row.borrow_slots.remove_all(slots);
        self.shrink_to = self.shrink_to.filter(|&keep| keep < self.row.slots.len());
    }
}
