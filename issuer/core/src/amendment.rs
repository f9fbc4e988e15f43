//! Amendments: a new version of a grant and of its pool. Seats in use keep their leases; rows follow.

use leasehold_protocol::artefact::{AllocationKind, Grant, Issue, Kind, Pool, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AllocationId, GrantId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::allocation::{self, Row};
use crate::grant::{self, NewGrant};
use crate::limits;
use crate::pool::PoolState;
use crate::recover;
use crate::refusal::{invalid, limit, require};
use crate::revocation;
use crate::state::{GrantState, State};

/// A wish to change a grant; what is absent stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAmendment {
    /// Which grant.
    pub grant: GrantId,
    /// Refused unless this is the grant's version.
    pub if_version: Option<u32>,
    /// How many seats.
    pub seats: Option<Seats>,
    /// Features to add.
    pub add_features: Vec<String>,
    /// Features to take away.
    pub remove_features: Vec<String>,
    /// End of validity (exclusive).
    pub not_after: Option<UnixMs>,
    /// How long after the end it is still served.
    pub grace_ms: Option<i64>,
    /// Edition.
    pub edition: Option<String>,
}

/// A grant and its pool from here on, and the rows that changed with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amended {
    /// The grant's new version.
    pub grant: Grant,
    /// The pool's new version.
    pub pool: Pool,
    /// Rows that end at another time, and at most one new row: seats that were added go to the node that has all others.
    pub rows: Vec<Row>,
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewAmendment,
) -> Result<Amended, Problem> {
    let sold = state.grant_state(new.grant)?;
    check_amendable(sold, at, new)?;
    recover::check_thawed(state, sold.grant.account)?;
    let pool = state.pool(sold.pool)?;
    let account = state.account(sold.grant.account)?;
    if sold.revoked.is_some() {
        // It is revoked from some day on, and so is the new version.
        revocation::check_room(state, account, at, 1)?;
    }
    let wish = wish(sold, pool, new)?;
    grant::check(at.min(sold.grant.not_before), &wish)?;
    let product = state.product(sold.grant.product)?;
    let grant = Grant {
        issue: Issue { id: sold.grant.issue.id, serial: state.serial(account.counters.grant), issued_at: at },
        version: sold.grant.version.saturating_add(1),
        features: grant::features(product, &wish.features)?,
        edition: wish.edition.clone(),
        not_after: wish.not_after,
        grace_ms: wish.grace_ms,
        supersedes: Some(sold.grant.issue.serial),
        ..sold.grant.clone()
    };
    let changed_pool = Pool {
        issue: Issue { id: pool.pool.issue.id, serial: state.serial(account.counters.pool), issued_at: at },
        grant_digest: state.digest(Kind::Grant, &grant)?,
        seats: wish.seats,
        borrow: grant::borrow_caps(grant::slot_count(&wish)?),
        ..pool.pool.clone()
    };
    check_room(pool, &changed_pool)?;
    let rows = rows(state, at, entropy, &sold.grant, pool, &grant, &changed_pool);
    Ok(Amended { grant, pool: changed_pool, rows })
}

fn check_amendable(sold: &GrantState, at: UnixMs, new: &NewAmendment) -> Result<(), Problem> {
    let grant = &sold.grant;
    require(!sold.is_revoked(at), || revoked(grant.issue.id))?;
    require(new.if_version.is_none_or(|version| version == grant.version), || {
        let detail = format!("grant {} is at version {} by now", grant.issue.id, grant.version);
        Problem::new(Code::PreconditionFailed, detail, "look at the grant again, then decide")
            .with("version", grant.version)
    })?;
    require(sold.serials.len() < limits::GRANT_VERSIONS, || {
        limit("versions of one grant", limits::GRANT_VERSIONS)
    })
}

/// Nothing can be given under a grant that was taken back.
pub(crate) fn revoked(grant: GrantId) -> Problem {
    Problem::new(Code::GrantRevoked, format!("grant {grant} was revoked"), "sell a new grant")
}

/// The grant as if it were sold anew with what is wished.
fn wish(sold: &GrantState, pool: &PoolState, new: &NewAmendment) -> Result<NewGrant, Problem> {
    let grant = &sold.grant;
    let missing = new.remove_features.iter().find(|feature| !grant.features.contains(feature));
    if let Some(missing) = missing {
        return Err(invalid(format!("the grant has no feature {missing:?}"), "`grant show` lists them"));
    }
    let mut features = grant.features.clone();
    features.retain(|feature| !new.remove_features.contains(feature));
    features.extend(new.add_features.iter().filter(|feature| !grant.features.contains(feature)).cloned());
    let wish = NewGrant {
        account: grant.account.to_string(),
        product: grant.product.to_string(),
        edition: new.edition.clone().or_else(|| grant.edition.clone()),
        seats: new.seats.unwrap_or(pool.pool.seats),
        overdraft: pool.pool.overdraft,
        not_before: grant.not_before,
        not_after: new.not_after.unwrap_or(grant.not_after),
        grace_ms: new.grace_ms.unwrap_or(grant.grace_ms),
        features,
        environments: grant.environments.clone(),
        regions: grant.regions.clone(),
        max_ttl_ms: None,
        linger_ms: pool.pool.linger_ms,
        idle_ms: pool.pool.idle_ms,
    };
    let same = (wish.seats, wish.not_after, wish.grace_ms, &wish.edition)
        == (pool.pool.seats, grant.not_after, grant.grace_ms, &grant.edition);
    let limited = |seats| matches!(seats, Seats::Value(_));
    require(limited(wish.seats) == limited(pool.pool.seats), || {
        invalid("a pool is counted or unlimited for good", "sell another grant")
    })?;
    require(!same || wish.features != grant.features, || {
        invalid("the amendment changes nothing", "say what shall change")
    })?;
    Ok(wish)
}

/// Slots that a row holds stay: seats are taken back by release only.
fn check_room(pool: &PoolState, changed: &Pool) -> Result<(), Problem> {
    let (Some(before), Some(after)) = (pool.pool.slot_count(), changed.slot_count()) else { return Ok(()) };
    let gone = SlotSet::range(after, before.saturating_sub(after));
    if !pool.taken.intersects(&gone) {
        return Ok(());
    }
    let held = gone.without(&gone.without(&pool.taken)).len();
    let detail = format!("{held} of the seats to be taken away are allocated");
    let hint =
        "take them back with `allocation shrink` first; they are free when their nodes have released them";
    Err(Problem::new(Code::AllocationExceedsPool, detail, hint).with("allocated", pool.allocated()))
}

fn rows(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    before: &Grant,
    pool: &PoolState,
    grant: &Grant,
    changed: &Pool,
) -> Vec<Row> {
    let known = || pool.rows.iter().filter_map(|&id| state.row(id)).map(|row| &row.row);
    let (old_cap, cap) = (allocation::latest_end(before), allocation::latest_end(grant));
    let mut rows: Vec<Row> = known()
        .filter_map(|row| {
            let follows = row.kind == AllocationKind::Base && row.not_after == old_cap;
            let not_after = if follows { cap } else { row.not_after.min(cap) };
            let renew_after = if follows { cap } else { row.renew_after.min(not_after) };
            (not_after != row.not_after).then(|| Row { renew_after, not_after, ..row.clone() })
        })
        .collect();
    rows.extend(added_row(state, at, entropy, pool, changed, cap));
    rows
}

/// Added seats go to the node that has all others: whoever serves a whole pool shall not have to ask for its growth.
fn added_row(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    pool: &PoolState,
    changed: &Pool,
    not_after: UnixMs,
) -> Option<Row> {
    let (before, after) = (pool.pool.slot_count()?, changed.slot_count()?);
    let mut rows = pool.rows.iter().filter_map(|&id| state.row(id)).map(|row| &row.row);
    let model = rows.clone().find(|row| row.kind == AllocationKind::Base)?;
    let alone = rows.all(|row| row.node == model.node) && pool.allocated() == before;
    let fits = state.nodes.get(&model.node)?.rows.len() < limits::ROWS_PER_NODE;
    if !alone || !fits || after <= before {
        return None;
    }
    let slots = SlotSet::range(before, after.saturating_sub(before));
    Some(Row {
        id: AllocationId::new(at, &entropy.draw()),
        borrow_slots: allocation::highest(&slots, limits::BORROW_PERCENT),
        slots,
        not_after,
        renew_after: not_after,
        ..model.clone()
    })
}
