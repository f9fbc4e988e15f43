//! A fact as audits show it: without the signed bytes, which `inspect` shows.

use data_encoding::HEXLOWER;
use leasehold_issuer_core::{Fact, What};
use leasehold_protocol::seq::Seq;
use serde_json::{Value, json};

/// The record as JSON.
pub(crate) fn document(seq: Seq, fact: &Fact) -> Value {
    let Fact { meta, before, what } = fact;
    json!({
        "seq": seq,
        "recorded_at": meta.recorded_at,
        "actor": meta.actor,
        "source": meta.source,
        "reason": meta.reason,
        "correlation_id": HEXLOWER.encode(&meta.correlation),
        "idempotency_key": meta.idempotency.map(|idempotency| idempotency.key),
        "accepted_time": meta.accepted_time,
        "kind": what.kind(),
        "subject": subject(what),
        "before": before,
        "after": after(what),
    })
}

/// The id of what the record is about.
pub(crate) fn subject(what: &What) -> String {
    match what {
        What::Initialised(_) => "issuer".to_owned(),
        What::AccountCreated(account) => account.id.to_string(),
        What::ProductCreated(product) => product.id.to_string(),
        What::GrantCreated(sold) => sold.grant.issue.id.to_string(),
        What::NodeRegistered(node) => node.id.to_string(),
        What::AllocationCreated { row, .. } => row.id.to_string(),
        What::BundleIssued(issued) => issued.node.to_string(),
        What::GrantAmended(amended) => amended.grant.issue.id.to_string(),
        What::GrantRevoked(revocation) => revocation.id.to_string(),
        What::AllocationShrunk(shrunk) => shrunk.allocation.to_string(),
        What::HeadIssued(head) => head.account.to_string(),
        What::ReceiptTaken(taken) => taken.node.to_string(),
    }
}

fn after(what: &What) -> Value {
    let mut tagged = json!(what);
    let mut after = tagged.get_mut(what.kind()).map_or(Value::Null, Value::take);
    if let Some(fields) = after.as_object_mut() {
        for bytes in ["root", "envelope"] {
            fields.remove(bytes);
        }
        // What a join code is derived from says nothing to people.
        if let Some(join) = fields.get_mut("join").and_then(Value::as_object_mut) {
            join.remove("issued");
        }
    }
    after
}
