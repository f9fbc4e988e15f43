//! `allocation`: which node serves how many seats of a pool.

use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_issuer_core::{Command, Mobility, NewAllocation, Row, RowView, What};
use leasehold_protocol::artefact::AllocationKind;
use serde_json::{Value, json};

use super::{change, mark, odd_fact, verb};
use crate::args::{AllocationCreateArgs, AllocationVerb, seats};
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context, verb: AllocationVerb) -> Result<Exit, Failure> {
    match verb {
        AllocationVerb::Create(args) => create(context, args),
        AllocationVerb::List => list(context),
    }
}

fn create(context: &Context, args: AllocationCreateArgs) -> Result<Exit, Failure> {
    let mobility = match (args.fixed, args.movable) {
        (true, _) => Some(Mobility::Fixed),
        (_, true) => Some(Mobility::Movable),
        _ => None,
    };
    let new = NewAllocation {
        pool: args.pool,
        node: args.node,
        seats: seats(args.seats),
        until: args.until.map(|until| until.resolve(None)).transpose()?,
        kind: if args.elastic { AllocationKind::Elastic } else { AllocationKind::Base },
        mobility,
    };
    let done = change(context, &args.change, Command::CreateAllocation(new))?;
    let What::AllocationCreated { row, .. } = &done.fact.what else { return Err(odd_fact()) };
    let sentence = format!(
        "{} {} seats of pool {} to node {} until {}: allocation {}",
        verb(done.intent, "allocated", "would allocate"),
        seats_text(row),
        row.pool,
        row.node,
        rfc3339(row.not_after),
        row.id,
    );
    let people = People::sentence(sentence);
    let people = people.next(context.command("bundle create --request request.lh --out bundle.lh"));
    let document = json!({
        "allocation_id": row.id,
        "pool_id": row.pool,
        "node_id": row.node,
        "seats": seats_json(row),
        "kind": row.kind,
        "mobility": row.mobility,
        "not_after": row.not_after,
    });
    context.output.answer(&mark(document, done.intent), &people).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let documents: Vec<Value> = issuer.rows().map(document).collect();
    let rows = issuer.rows().map(|view| {
        [
            view.row.id.to_string(),
            view.row.pool.to_string(),
            view.row.node.to_string(),
            seats_text(view.row),
            rfc3339(view.row.not_after),
            (if view.signed { "carried" } else { "waiting" }).to_owned(),
        ]
    });
    let people = People::table(["allocation", "pool", "node", "seats", "ends", "state"], rows);
    context.output.answer(&json!({"allocations": documents}), &people).map(|()| Exit::DONE)
}

fn document(view: RowView<'_>) -> Value {
    let row = view.row;
    json!({
        "allocation_id": row.id,
        "account_id": row.account,
        "pool_id": row.pool,
        "node_id": row.node,
        "seats": seats_json(row),
        "slots": row.slots,
        "kind": row.kind,
        "mobility": row.mobility,
        "not_before": row.not_before,
        "renew_after": row.renew_after,
        "not_after": row.not_after,
        "carried": view.signed,
    })
}

/// A row of an unlimited pool has no slots.
fn seats_json(row: &Row) -> Value {
    if row.slots.is_empty() { json!({"unlimited": true}) } else { json!(row.slots.len()) }
}

fn seats_text(row: &Row) -> String {
    if row.slots.is_empty() { "unlimited".to_owned() } else { row.slots.len().to_string() }
}
