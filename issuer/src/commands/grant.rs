//! `grant`: what was bought.

use leasehold_cli::{Exit, Failure, People, duration};

use super::pages;
use crate::api::{Changed, GrantCreate, GrantDocument, GrantList, ReadQuery};
use crate::args::{GrantCreateArgs, GrantVerb};
use crate::backend::segment;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: GrantVerb) -> Result<Exit, Failure> {
    match verb {
        GrantVerb::Create(args) => create(context, *args),
        GrantVerb::List { account } => list(context, account.as_deref()),
        GrantVerb::Show { grant } => show(context, &grant),
    }
}

fn create(context: &Context, args: GrantCreateArgs) -> Result<Exit, Failure> {
    let new = GrantCreate {
        account: args.account,
        product: args.product,
        edition: args.edition,
        seats: args.seats.into(),
        overdraft: args.overdraft,
        effective_from: args.from,
        effective_to: args.to,
        timezone: args.timezone.map(|timezone| timezone.name().to_owned()),
        features: args.feature,
        grace_ms: args.grace,
        environments: args.environment,
        regions: args.region,
        max_ttl_ms: args.max_ttl,
    };
    let answer: Changed<GrantDocument> = context.change("/v1/grants", &args.change, &new)?;
    let grant = &answer.body;
    let sentence = format!(
        "{} grant {}: {} seats of {} from {} to {}, in pool {}",
        answer.verb("made", "would make"),
        grant.grant_id,
        grant.seats,
        grant.product,
        grant.effective_from,
        grant.effective_to,
        grant.pool_id,
    );
    let next = format!("allocation create --pool {} --node NODE --seats N", grant.pool_id);
    let people = People::sentence(sentence).next(context.command(&next));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn list(context: &Context, account: Option<&str>) -> Result<Exit, Failure> {
    let grants = pages::all::<GrantList>(context, "/v1/grants", account)?;
    let rows = grants.iter().map(|grant| {
        [
            grant.grant_id.to_string(),
            grant.product.clone(),
            grant.seats.to_string(),
            grant.effective_from.to_string(),
            grant.effective_to.to_string(),
            grant.pool_id.to_string(),
        ]
    });
    let people = People::table(["grant", "product", "seats", "from", "to", "pool"], rows);
    context.output.answer(&GrantList { grants, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, id: &str) -> Result<Exit, Failure> {
    let grant: GrantDocument = context.get(&format!("/v1/grants/{}", segment(id)), &ReadQuery::default())?;
    let people = People::facts([
        ("grant", grant.grant_id.to_string()),
        ("account", grant.account_id.to_string()),
        ("product", grant.product.clone()),
        ("edition", grant.edition.clone().unwrap_or_default()),
        ("features", grant.features.join(", ")),
        ("seats", grant.seats.to_string()),
        ("from", grant.effective_from.to_string()),
        ("to", grant.effective_to.to_string()),
        ("grace", duration::show(grant.grace_ms)),
        ("pool", grant.pool_id.to_string()),
    ]);
    context.output.answer(&grant, &people).map(|()| Exit::DONE)
}
