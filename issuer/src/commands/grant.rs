//! `grant`: what was bought.

use leasehold_cli::{Exit, Failure, People, Tz, duration, rfc3339, timezone};
use leasehold_issuer_core::{Command, GrantView, Issuer, NewGrant, What};
use leasehold_protocol::seq::Seq;
use serde_json::{Value, json};

use super::{mark, odd_fact, seats_json, seats_text, verb};
use crate::args::{GrantCreateArgs, GrantVerb, seats};
use crate::context::Context;
use crate::journal;
use crate::ledger::Ledger;

pub(super) fn run(context: &Context, verb: GrantVerb) -> Result<Exit, Failure> {
    match verb {
        GrantVerb::Create(args) => create(context, *args),
        GrantVerb::List { account } => list(context, account.as_deref()),
        GrantVerb::Show { grant } => show(context, &grant),
    }
}

fn create(context: &Context, args: GrantCreateArgs) -> Result<Exit, Failure> {
    let cause = args.change.cause()?;
    let intent = args.change.intent();
    let ledger = Ledger::open(&context.dir)?;
    let new = wish(ledger.issuer(), args)?;
    let done = ledger.begin()?.commit(cause, Command::CreateGrant(new), intent)?;
    let What::GrantCreated(sold) = &done.fact.what else { return Err(odd_fact()) };
    let (pool, seats) = (sold.pool.issue.id, sold.pool.seats);
    let view = GrantView { grant: &sold.grant, pool, seats, revoked_from: None };
    let sentence = format!(
        "{} grant {}: {} seats of {} from {} to {}, in pool {}",
        verb(done.intent, "made", "would make"),
        sold.grant.issue.id,
        seats_text(sold.pool.seats),
        sold.grant.sku,
        rfc3339(sold.grant.not_before),
        rfc3339(sold.grant.not_after),
        view.pool,
    );
    let next = format!("allocation create --pool {} --node NODE --seats N", view.pool);
    let people = People::sentence(sentence).next(context.command(&next));
    let document = mark(document(view, done.seq), done.intent);
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

/// Dates are meant where `--timezone` says, else where the account is.
fn wish(issuer: &Issuer, args: GrantCreateArgs) -> Result<NewGrant, Failure> {
    let timezone = match args.timezone {
        Some(timezone) => Some(timezone),
        None => timezone_of(issuer, &args.account)?,
    };
    Ok(NewGrant {
        not_before: args.from.resolve(timezone)?,
        not_after: args.to.resolve(timezone)?,
        account: args.account,
        product: args.product,
        edition: args.edition,
        seats: seats(args.seats),
        overdraft: args.overdraft,
        grace_ms: args.grace,
        features: args.feature,
        environments: args.environment,
        regions: args.region,
        max_ttl_ms: args.max_ttl,
    })
}

fn timezone_of(issuer: &Issuer, account: &str) -> Result<Option<Tz>, Failure> {
    let name = issuer.account(account)?.timezone.as_deref();
    Ok(name.and_then(|name| timezone(name).ok()))
}

fn list(context: &Context, account: Option<&str>) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let of = account.map(|account| issuer.account(account)).transpose()?.map(|account| account.id);
    let revision = issuer.next_seq().previous();
    let grants: Vec<_> =
        issuer.grants().filter(|view| of.is_none_or(|account| view.grant.account == account)).collect();
    let documents: Vec<Value> = grants.iter().map(|&view| document(view, revision)).collect();
    let rows = grants.iter().map(|view| {
        [
            view.grant.issue.id.to_string(),
            view.grant.sku.clone(),
            seats_text(view.seats),
            rfc3339(view.grant.not_before),
            rfc3339(view.grant.not_after),
            view.pool.to_string(),
        ]
    });
    let people = People::table(["grant", "product", "seats", "from", "to", "pool"], rows);
    context.output.answer(&json!({"grants": documents}), &people).map(|()| Exit::DONE)
}

fn show(context: &Context, id: &str) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let view = issuer.grant(id)?;
    let grant = view.grant;
    let people = People::facts([
        ("grant", grant.issue.id.to_string()),
        ("account", grant.account.to_string()),
        ("product", grant.sku.clone()),
        ("edition", grant.edition.clone().unwrap_or_default()),
        ("features", grant.features.join(", ")),
        ("seats", seats_text(view.seats)),
        ("from", rfc3339(grant.not_before)),
        ("to", rfc3339(grant.not_after)),
        ("grace", duration::show(grant.grace_ms)),
        ("pool", view.pool.to_string()),
    ]);
    let revision = issuer.next_seq().previous();
    context.output.answer(&document(view, revision), &people).map(|()| Exit::DONE)
}

fn document(view: GrantView<'_>, revision: Seq) -> Value {
    let GrantView { grant, pool, seats, revoked_from } = view;
    json!({
        "grant_id": grant.issue.id,
        "pool_id": pool,
        "account_id": grant.account,
        "product_id": grant.product,
        "product": grant.sku,
        "edition": grant.edition,
        "features": grant.features,
        "environments": grant.environments,
        "regions": grant.regions,
        "version": grant.version,
        "revision": revision,
        "effective_from": grant.not_before,
        "effective_to": grant.not_after,
        "grace_ms": grant.grace_ms,
        "seats": seats_json(seats),
        "revoked_from": revoked_from,
    })
}
