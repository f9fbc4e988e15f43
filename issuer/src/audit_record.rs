//! A fact as audits show it: without the signed bytes, which `inspect` shows.

use data_encoding::HEXLOWER;
use leasehold_issuer_core::{Fact, What};
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::seq::Seq;
use serde_json::{Value, json};

/// The columns of a table of records.
pub(crate) const COLUMNS: [&str; 12] = [
    "seq",
    "recorded_at",
    "actor",
    "source",
    "reason",
    "kind",
    "subject",
    "account_id",
    "correlation_id",
    "idempotency_key",
    "before",
    "after",
];

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
        "account_id": account_of(what),
        "before": before,
        "after": after(what),
    })
}

/// The record as a line of RFC 4180, in the order of [`COLUMNS`].
pub(crate) fn csv(seq: Seq, fact: &Fact) -> String {
    let document = document(seq, fact);
    let cell = |column: &str| match &document[column] {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    };
    COLUMNS.map(cell).join(",") + "\r\n"
}

/// The first line of a table of records.
pub(crate) fn csv_head() -> String {
    COLUMNS.join(",") + "\r\n"
}

/// Spreadsheets calculate what begins like a formula; a quote before it keeps it text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = format!("{}{text}", if formula { "'" } else { "" });
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The id of what the record is about.
pub(crate) fn subject(what: &What) -> String {
    match what {
        What::Initialised(_) | What::TimeAccepted | What::RecoverEntered(_) | What::AccountsAttested(_) => {
            "issuer".to_owned()
        }
        What::Adopted(adopted) => adopted.node.to_string(),
        What::NodeForked(forked) => forked.node.to_string(),
        What::NodeAttested(attested) => attested.node.to_string(),
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
        What::ApiKeyCreated(key) | What::ApiKeyRotated(key) | What::ApiKeyDisabled(key) => key.id.to_string(),
    }
}

/// Whose it is.
pub(crate) fn account_of(what: &What) -> Option<AccountId> {
    match what {
        What::Initialised(_) | What::ProductCreated(_) | What::TimeAccepted | What::RecoverEntered(_) => None,
        What::AccountsAttested(attested) => match attested.accounts.as_slice() {
            [account] => Some(*account),
            _ => None,
        },
        What::Adopted(adopted) => Some(adopted.account),
        What::NodeForked(forked) => Some(forked.account),
        What::NodeAttested(attested) => Some(attested.account),
        What::AccountCreated(account) => Some(account.id),
        What::GrantCreated(sold) => Some(sold.grant.account),
        What::NodeRegistered(node) => Some(node.account),
        What::AllocationCreated { row, .. } => Some(row.account),
        What::BundleIssued(issued) => Some(issued.account),
        What::GrantAmended(amended) => Some(amended.grant.account),
        What::GrantRevoked(revocation) => Some(revocation.account),
        What::AllocationShrunk(shrunk) => Some(shrunk.account),
        What::HeadIssued(head) => Some(head.account),
        What::ReceiptTaken(taken) => Some(taken.account),
        What::ApiKeyCreated(key) | What::ApiKeyRotated(key) | What::ApiKeyDisabled(key) => key.account,
    }
}

fn after(what: &What) -> Value {
    let mut tagged = json!(what);
    let mut after = tagged.get_mut(what.kind()).map_or(Value::Null, Value::take);
    if let Some(fields) = after.as_object_mut() {
        // What secrets are derived from says nothing to people.
        for hidden in ["root", "envelope", "secret"] {
            fields.remove(hidden);
        }
        if let Some(join) = fields.get_mut("join").and_then(Value::as_object_mut) {
            join.remove("issued");
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(quoted(text), expected, "{text}");
        }
    }
}
