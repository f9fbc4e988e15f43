//! `status`: how the node is, by its own words.

use leasehold_cli::{Exit, Failure, Output, People};
use leasehold_client::{Address, node_status};
use leasehold_protocol::api::{PoolStatus, StatusAnswer, TrustState};

use super::place::{addresses, client};
use super::without_seat;
use crate::cli::{PlaceArgs, ReachArgs};

pub(super) async fn run(place: &PlaceArgs, reach: &ReachArgs, output: Output) -> Result<Exit, Failure> {
    let addresses = addresses(place)?;
    let local = addresses.iter().all(|address| matches!(address, Address::Unix(_)));
    let answer = if local {
        node_status(addresses, reach.timeout).await
    } else {
        client(place, reach)?.status().await
    };
    let status = match answer {
        Ok(status) => status,
        Err(error) => return without_seat(error, output),
    };
    output.answer(&status, &people(&status))?;
    Ok(Exit::DONE)
}

fn people(status: &StatusAnswer) -> People {
    let id = status.node_id.map_or_else(|| "not provisioned".to_owned(), |id| id.to_string());
    let facts = [
        ("node", format!("{} ({id})", status.name)),
        ("trust state", format!("{}: {}", word(status.trust_state), status.trust_cause)),
        ("clock", status.clock.status.clone()),
    ];
    let head = ["pool", "product", "in use", "seats", "trust state"];
    let rows = status.pools.iter().map(|pool: &PoolStatus| {
        let seats = pool.seats.map_or_else(|| "unlimited".to_owned(), |seats| seats.to_string());
        let state = word(pool.trust_state);
        [pool.pool_id.to_string(), pool.product.clone(), pool.in_use.to_string(), seats, state]
    });
    People::facts(facts).and(People::table(head, rows))
}

/// The state as the API writes it.
fn word(state: TrustState) -> String {
    format!("{state:?}").to_uppercase()
}
