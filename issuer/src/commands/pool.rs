//! `pool`: floating seats of grants.

use leasehold_cli::{Exit, Failure, People, duration};

use super::pages;
use crate::api::{PoolDocument, PoolList, ReadQuery};
use crate::args::PoolVerb;
use crate::backend::segment;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: &PoolVerb) -> Result<Exit, Failure> {
    match verb {
        PoolVerb::List => list(context),
        PoolVerb::Show { pool } => show(context, pool),
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let pools = pages::all::<PoolList>(context, "/v1/pools", None)?;
    let rows = pools.iter().map(|pool| {
        [
            pool.pool_id.to_string(),
            pool.product.clone(),
            pool.seats.to_string(),
            pool.allocated.to_string(),
            free(pool),
        ]
    });
    let people = People::table(["pool", "product", "seats", "allocated", "free"], rows);
    context.output.answer(&PoolList { pools, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let pool: PoolDocument = context.get(&format!("/v1/pools/{}", segment(name)), &ReadQuery::default())?;
    let people = People::facts([
        ("pool", pool.pool_id.to_string()),
        ("product", pool.product.clone()),
        ("grant", pool.grant_id.to_string()),
        ("account", pool.account_id.to_string()),
        ("seats", pool.seats.to_string()),
        ("overdraft", pool.overdraft.to_string()),
        ("allocated", pool.allocated.to_string()),
        ("free", free(&pool)),
        ("longest lease", duration::show(pool.ttl.max_ms)),
        ("linger", duration::show(pool.linger_ms)),
        ("idle timeout", pool.idle_ms.map_or_else(|| "none".to_owned(), duration::show)),
    ]);
    let next = format!("allocation create --pool {} --node NODE --seats N", pool.pool_id);
    context.output.answer(&pool, &people.next(context.command(&next))).map(|()| Exit::DONE)
}

fn free(pool: &PoolDocument) -> String {
    pool.free.map_or_else(|| "unlimited".to_owned(), |free| free.to_string())
}
