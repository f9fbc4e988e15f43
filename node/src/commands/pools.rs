//! `pools`: what the node serves.

use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::api::{PoolStatus, PoolsAnswer, TrustState};

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
                pool.in_use.to_string(),
                pool.denied_1h.to_string(),
                trust_word(pool.trust_state).to_owned(),
                pool.grant_ends_at.clone(),
            ]
        }),
    )
}

/// The word that the API uses.
pub(super) const fn trust_word(state: TrustState) -> &'static str {
    match state {
        TrustState::Unprovisioned => "UNPROVISIONED",
        TrustState::Revoked => "REVOKED",
        TrustState::Expired => "EXPIRED",
        TrustState::Grace => "GRACE",
        TrustState::Stale => "STALE",
        TrustState::Fresh => "FRESH",
        _ => "UNKNOWN",
    }
}
