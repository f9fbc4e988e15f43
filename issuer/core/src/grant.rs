//! What was bought: a grant with its pool of floating seats.

use leasehold_protocol::artefact::{
    BindingMatch, BorrowCaps, Extensions, Grant, Issue, Kind, PolicyCeilings, Pool, Seats, TtlBounds,
};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{GrantId, PoolId};
use leasehold_protocol::limits::{FEATURES, IDLE_MIN_MS, POOL_SEATS, TTL_MAX_MS, TTL_MIN_MS};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::account::AccountState;
use crate::limits;
use crate::product::Product;
use crate::refusal::{invalid, limit, require};
use crate::state::State;
use crate::text;

/// A wish for a grant and its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// Who bought, by id or name.
    pub account: String,
    /// What, by id or SKU.
    pub product: String,
    /// Edition, if the product has any.
    pub edition: Option<String>,
    /// How many seats.
    pub seats: Seats,
    /// Seats beyond them, to be paid when used.
    pub overdraft: u32,
    /// First instant of validity.
    pub not_before: UnixMs,
    /// End of validity (exclusive).
    pub not_after: UnixMs,
    /// How long after the end it is still served.
    pub grace_ms: i64,
    /// Features it includes.
    pub features: Vec<String>,
    /// Environments it may be used in; empty = any.
    pub environments: Vec<String>,
    /// Regions it may be used in; empty = any.
    pub regions: Vec<String>,
    /// Longest lease of its seats; the default bound if absent.
    pub max_ttl_ms: Option<i64>,
    /// How long seats that are given back wait for the same user and host.
    pub linger_ms: i64,
    /// A lease that was not used for so long is not renewed; no bound if absent.
    pub idle_ms: Option<i64>,
}

/// A grant and its pool, as their artefacts say it: these are sealed whenever a node needs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantSold {
    /// The grant.
    pub grant: Grant,
    /// Its pool.
    pub pool: Pool,
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewGrant,
) -> Result<GrantSold, Problem> {
    let account = state.account(state.find_account(&new.account)?)?;
    let product = state.product(state.find_product(&new.product)?)?;
    require(account.grants.len() < limits::GRANTS_PER_ACCOUNT, || {
        limit("grants of one account", limits::GRANTS_PER_ACCOUNT)
    })?;
    check(at, new)?;
    let ttl = ttl_bounds(new.max_ttl_ms)?;
    check_use(new, ttl)?;
    let grant = grant(state, account, product, at, entropy, new)?;
    let pool = Pool {
        issue: Issue {
            id: PoolId::new(at, &entropy.draw()),
            serial: state.serial(account.counters.pool),
            issued_at: at,
        },
        account: grant.account,
        grant: grant.issue.id,
        grant_digest: state.digest(Kind::Grant, &grant)?,
        unit: 1,
        seats: new.seats,
        overdraft: new.overdraft,
        borrow: borrow_caps(slot_count(new)?),
        max_offline_base_ms: None,
        max_offline_elastic_ms: Some(limits::ELASTIC_OFFLINE_MS),
        ttl,
        linger_ms: new.linger_ms,
        idle_ms: new.idle_ms,
        require_clock: false,
        ext: Extensions::NONE,
    };
    Ok(GrantSold { grant, pool })
}

fn grant(
    state: &State,
    account: &AccountState,
    product: &Product,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewGrant,
) -> Result<Grant, Problem> {
    Ok(Grant {
        issue: Issue {
            id: GrantId::new(at, &entropy.draw()),
            serial: state.serial(account.counters.grant),
            issued_at: at,
        },
        account: account.account.id,
        version: 1,
        product: product.id,
        sku: product.sku.clone(),
        edition: new.edition.clone(),
        features: features(product, &new.features)?,
        limits: Vec::new(),
        not_before: new.not_before,
        not_after: new.not_after,
        grace_ms: new.grace_ms,
        environments: text::sorted_names(&new.environments, "environment")?,
        regions: text::sorted_names(&new.regions, "region")?,
        bindings: Vec::new(),
        binding_match: BindingMatch::All,
        ceilings: PolicyCeilings::default(),
        supersedes: None,
        generation: 1,
        ext: Extensions::NONE,
    })
}

/// The rules that do not depend on what else there is. `at`: the grant may not begin more than 400 days before it.
pub(crate) fn check(at: UnixMs, new: &NewGrant) -> Result<(), Problem> {
    check_validity(at, new)?;
    check_texts(new)?;
    text::check_optional(new.edition.as_deref(), leasehold_protocol::limits::NAME_BYTES, "edition")
}

/// A seat's proof holds the grant, and the features once more in the ticket: they must fit into it.
fn check_texts(new: &NewGrant) -> Result<(), Problem> {
    let names = new.features.iter().chain(&new.environments).chain(&new.regions).chain(&new.edition);
    let bytes = names.fold(0_usize, |sum, name| sum.saturating_add(name.len()).saturating_add(2));
    require(bytes <= limits::GRANT_TEXT_BYTES, || {
        limit("bytes of features, environments, regions and edition of one grant", limits::GRANT_TEXT_BYTES)
    })
}

fn check_validity(at: UnixMs, new: &NewGrant) -> Result<(), Problem> {
    let (from, to) = (new.not_before, new.not_after);
    require(from < to, || {
        invalid(format!("the grant would end at {to}, not after its begin at {from}"), "the end is exclusive")
    })?;
    let earliest = at.plus(limits::GRANT_PAST_MS.saturating_neg());
    require(earliest <= from, || {
        invalid(
            format!("the grant would begin at {from}, more than 400 days ago"),
            "record its last 400 days",
        )
    })?;
    let grace = (0..=limits::GRACE_MAX_MS).contains(&new.grace_ms);
    require(grace, || invalid("the grace is not between 0 and 400 days", "choose a shorter grace"))
}

/// What is granted must be a part of the product.
pub(crate) fn features(product: &Product, asked: &[String]) -> Result<Vec<String>, Problem> {
    let features = text::sorted_names_up_to(asked, FEATURES, "feature")?;
    match features.iter().find(|feature| !product.features.contains(feature)) {
        None => Ok(features),
        Some(missing) => {
            let has = match product.features.as_slice() {
                [] => "it has none".to_owned(),
                some => format!("it has {}", some.join(", ")),
            };
            let detail = format!("product {} has no feature {missing:?}", product.sku);
            Err(Problem::new(Code::NotFound, detail, has).with("feature", missing.as_str()))
        }
    }
}

/// Seats and overdraft together; `None` for an unlimited pool.
pub(crate) fn slot_count(new: &NewGrant) -> Result<Option<u32>, Problem> {
    let Seats::Value(seats) = new.seats else {
        let none = new.overdraft == 0;
        return require(none, || invalid("an unlimited pool has no overdraft", "leave the overdraft out"))
            .map(|()| None);
    };
    require(seats > 0, || invalid("a grant of no seats gives nothing", "grant one seat at least"))?;
    let slots = seats.checked_add(new.overdraft).filter(|&slots| slots <= POOL_SEATS);
    slots.map(Some).ok_or_else(|| limit("seats and overdraft of one pool", POOL_SEATS as usize))
}

pub(crate) fn borrow_caps(slots: Option<u32>) -> BorrowCaps {
    let max_seats = slots.map_or(POOL_SEATS, |slots| percent_of(slots, limits::BORROW_PERCENT));
    BorrowCaps { max_seats, max_ms: limits::BORROW_MAX_MS, early_return: true }
}

/// `percent` of `count`, rounded down.
pub(crate) fn percent_of(count: u32, percent: u32) -> u32 {
    let part = u64::from(count).saturating_mul(u64::from(percent)) / 100;
    u32::try_from(part).unwrap_or(u32::MAX)
}

fn ttl_bounds(max_ttl_ms: Option<i64>) -> Result<TtlBounds, Problem> {
    let default = TtlBounds::default();
    let Some(max_ms) = max_ttl_ms else { return Ok(default) };
    let within = (TTL_MIN_MS..=TTL_MAX_MS).contains(&max_ms);
    require(within, || invalid("the longest lease is not between 1 minute and 24 hours", "choose another"))?;
    Ok(TtlBounds { max_ms, default_ms: default.default_ms.min(max_ms), ..default })
}

/// Nothing lingers beyond what was promised, and nobody is idle between two renewals.
fn check_use(new: &NewGrant, ttl: TtlBounds) -> Result<(), Problem> {
    let hint = "choose another, or longer leases";
    require((0..=ttl.max_ms).contains(&new.linger_ms), || {
        invalid("the linger time is not between 0 and the longest lease", hint)
    })?;
    let idle = new.idle_ms.is_none_or(|idle_ms| idle_ms >= IDLE_MIN_MS);
    require(idle, || invalid("the idle timeout is below 1 minute", "choose a longer one"))
}
