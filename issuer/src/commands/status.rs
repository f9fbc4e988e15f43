//! `status`: what the issuer holds and how it sees the time; without lock and passphrase.

use leasehold_cli::{Exit, Failure, People};

use crate::api::{ReadQuery, StatusDocument};
use crate::context::Context;

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let status: StatusDocument = context.get("/v1/status", &ReadQuery::default())?;
    let clock = &status.clock;
    let refused = clock.cause.as_ref().map(|cause| format!("; changes are refused: {cause}"));
    let refused = refused.unwrap_or_default();
    let people = People::facts([
        ("realm", format!("{} ({})", status.realm_name, status.realm)),
        ("clock", format!("{}, certainly past {}{refused}", clock.status, clock.earliest)),
        ("journal", format!("{} records", status.journal.seq)),
        ("recovery", recovery(&status)),
        ("accounts", status.accounts.to_string()),
        ("products", status.products.to_string()),
        ("grants", status.grants.to_string()),
        ("pools", status.pools.to_string()),
        ("nodes", status.nodes.to_string()),
        ("allocations", status.allocations.to_string()),
    ]);
    context.output.answer(&status, &people).map(|()| Exit::DONE)
}

fn recovery(status: &StatusDocument) -> String {
    let recovery = &status.recovery;
    match recovery.frozen.len() {
        0 => recovery.state.clone(),
        frozen => format!(
            "{}: {frozen} accounts are frozen; `recover --dry-run` tells what they lack",
            recovery.state
        ),
    }
}
