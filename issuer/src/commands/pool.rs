//! `pool`: floating seats of grants.

use leasehold_cli::{Exit, Failure, People, duration};
use leasehold_issuer_core::PoolView;
use serde_json::{Value, json};

use super::{seats_json, seats_text};
use crate::args::PoolVerb;
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context, verb: &PoolVerb) -> Result<Exit, Failure> {
    match verb {
        PoolVerb::List => list(context),
        PoolVerb::Show { pool } => show(context, pool),
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let documents: Vec<Value> = issuer.pools().map(document).collect();
    let rows = issuer.pools().map(|view| {
        [
            view.pool.issue.id.to_string(),
            view.sku.to_owned(),
            seats_text(view.pool.seats),
            view.allocated.to_string(),
            free_text(view),
        ]
    });
    let people = People::table(["pool", "product", "seats", "allocated", "free"], rows);
    context.output.answer(&json!({"pools": documents}), &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let view = issuer.pool(name)?;
    let people = People::facts([
        ("pool", view.pool.issue.id.to_string()),
        ("product", view.sku.to_owned()),
        ("grant", view.pool.grant.to_string()),
        ("account", view.pool.account.to_string()),
        ("seats", seats_text(view.pool.seats)),
        ("overdraft", view.pool.overdraft.to_string()),
        ("allocated", view.allocated.to_string()),
        ("free", free_text(view)),
        ("longest lease", duration::show(view.pool.ttl.max_ms)),
    ]);
    let next = format!("allocation create --pool {} --node NODE --seats N", view.pool.issue.id);
    context.output.answer(&document(view), &people.next(context.command(&next))).map(|()| Exit::DONE)
}

fn free_text(view: PoolView<'_>) -> String {
    view.free.map_or_else(|| "unlimited".to_owned(), |free| free.to_string())
}

fn document(view: PoolView<'_>) -> Value {
    let pool = view.pool;
    json!({
        "pool_id": pool.issue.id,
        "grant_id": pool.grant,
        "account_id": pool.account,
        "product": view.sku,
        "seats": seats_json(pool.seats),
        "overdraft": pool.overdraft,
        "allocated": view.allocated,
        "free": view.free,
        "ttl": pool.ttl,
        "borrow": pool.borrow,
    })
}
