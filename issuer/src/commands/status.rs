//! `status`: what the issuer holds and how it sees the time; without lock and passphrase.

use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_journal::Tail;
use leasehold_protocol::artefact::Role;
use leasehold_protocol::code::Code;
use serde_json::json;

use super::odd_fact;
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let (mut issuer, journal) = journal::read(&context.dir)?;
    let Tail { next_seq, chain } = journal.tail();
    let now = leasehold_clock::read().map_err(|error| {
        Failure::new(Code::Internal, format!("cannot read the clock: {error}"), "check /proc")
    })?;
    let stamp = issuer.stamp_of(&now);
    issuer.stamp(&stamp);
    let bounds = issuer.bounds_of_time();
    let trust = issuer.trust_root().ok_or_else(odd_fact)?;
    let root = trust.root();
    let counts = [
        ("accounts", issuer.accounts().count()),
        ("products", issuer.products().count()),
        ("grants", issuer.grants().count()),
        ("pools", issuer.pools().count()),
        ("nodes", issuer.nodes().count()),
        ("allocations", issuer.rows().count()),
    ];
    let clock_status = if stamp.suspect { "SUSPECT" } else { "GOOD" };
    let mut document = json!({
        "realm": trust.realm().id,
        "realm_name": root.realm_name,
        "mode": trust.realm().mode,
        "root_version": root.version,
        "root_key_id": root.role(Role::Root).and_then(|role| role.keys.first()),
        "clock": {
            "status": clock_status,
            "earliest": bounds.earliest,
            "latest": bounds.latest,
            "wall": now.wall_ms,
            "kernel_synchronised": now.kernel_synced,
            "last_recorded_at": issuer.last_recorded(),
        },
        "journal": {"seq": next_seq.previous(), "head": chain.to_string()},
    });
    let mut facts = vec![
        ("realm", format!("{} ({})", root.realm_name, trust.realm().id)),
        ("clock", format!("{clock_status}, certainly past {}", rfc3339(bounds.earliest))),
        ("journal", format!("{} records", next_seq.previous())),
    ];
    for (name, count) in counts {
        document[name] = json!(count);
        facts.push((name, count.to_string()));
    }
    context.output.answer(&document, &People::facts(facts)).map(|()| Exit::DONE)
}
