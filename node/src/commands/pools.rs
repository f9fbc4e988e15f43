//! `pools`: what the node serves.

use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::api::{PoolStatus, PoolsAnswer, TrustState};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::PoolId;

use super::{next_command, status};
use crate::data_dir::DataDir;

pub(super) fn run(dir: &DataDir, output: Output) -> Result<(), Failure> {
    let pools = status::read(dir)?.pools;
    let people = table(&pools).next(next_command(dir, "leases"));
    output.answer(&PoolsAnswer { pools }, &people)
}

/// One line per pool.
pub(super) fn table(pools: &[PoolStatus]) -> People {
    let head = ["pool", "product", "features", "seats", "in use", "denied 1h", "trust", "grant ends"];
    People::table(
        head,
        pools.iter().map(|pool| {
            [
                pool.pool_id.to_string(),
                pool.product.clone(),
                pool.features.join(","),
                pool.seats.map_or_else(|| "unlimited".to_owned(), |seats| seats.to_string()),
                in_use(pool),
                pool.denied_1h.to_string(),
                trust_word(pool.trust_state).to_owned(),
                pool.grant_ends_at.clone(),
            ]
        }),
    )
}

/// How many, and what is special about some of them.
fn in_use(pool: &PoolStatus) -> String {
    let special =
        [(pool.lingering, "lingering"), (pool.draining, "draining"), (pool.overage, "beyond those sold")];
    let special = special.into_iter().filter(|&(seats, _)| seats > 0);
    let special: Vec<String> = special.map(|(seats, what)| format!("{seats} {what}")).collect();
    match special.as_slice() {
        [] => pool.in_use.to_string(),
        special => format!("{} ({})", pool.in_use, special.join(", ")),
    }
}

/// Those that the vendor took back without giving another one for the product that serves.
pub(super) fn taken_back(pools: &[PoolStatus]) -> impl Iterator<Item = &PoolStatus> {
    let serves = |pool: &PoolStatus| {
        matches!(pool.trust_state, TrustState::Fresh | TrustState::Stale | TrustState::Grace)
    };
    pools.iter().filter(move |pool| {
        pool.trust_state == TrustState::Revoked
            && !pools.iter().any(|other| other.product == pool.product && serves(other))
    })
}

/// The pool that an id, or the SKU of its product, stands for.
pub(super) fn find(dir: &DataDir, text: &str) -> Result<PoolId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let pools = status::read(dir)?.pools;
    let named: Vec<PoolId> = pools
        .iter()
        .filter(|pool| pool.product.eq_ignore_ascii_case(text))
        .map(|pool| pool.pool_id)
        .collect();
    let hint = "`leasehold-node pools` shows them; an id, or the SKU of the product, will do";
    match named.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(Code::NotFound, format!("the node has no pool {text:?}"), hint)),
        several => {
            let candidates: Vec<String> = several.iter().map(ToString::to_string).collect();
            let detail = format!("{text:?} names {} pools: {}", several.len(), candidates.join(", "));
            Err(Failure::new(Code::Ambiguous, detail, "use the id of the one that is meant")
                .with("candidates", candidates))
        }
    }
}

/// The word that the API uses.
pub(super) const fn trust_word(state: TrustState) -> &'static str {
    match state {
        TrustState::Unprovisioned => "UNPROVISIONED",
        TrustState::Revoked => "REVOKED",
        TrustState::Recover => "RECOVER",
        TrustState::Forked => "FORKED",
        TrustState::Expired => "EXPIRED",
        TrustState::Grace => "GRACE",
        TrustState::Stale => "STALE",
        TrustState::Fresh => "FRESH",
        _ => "UNKNOWN",
    }
}
