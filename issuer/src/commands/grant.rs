//! `grant`: what was bought.

use leasehold_cli::{Exit, Failure, People, duration};
use leasehold_protocol::time::UnixMs;

use super::pages;
use crate::api::{
    AuditRecords, Changed, ExposureState, GrantAmend, GrantAmended, GrantCreate, GrantDocument, GrantList,
    GrantRevoke, ReadQuery, RevocationDocument, Timestamp,
};
use crate::args::{GrantAmendArgs, GrantCreateArgs, GrantRevokeArgs, GrantVerb};
use crate::backend::{Call, segment};
use crate::commit::read_clock;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: GrantVerb) -> Result<Exit, Failure> {
    match verb {
        GrantVerb::Create(args) => create(context, *args),
        GrantVerb::List { account } => list(context, account.as_deref()),
        GrantVerb::Show { grant } => show(context, &grant),
        GrantVerb::Amend(args) => amend(context, *args),
        GrantVerb::Revoke(args) => revoke(context, args),
        GrantVerb::History { grant } => history(context, &grant),
    }
}

/// Whatever version there is: people at the command line have just looked.
fn amend(context: &Context, args: GrantAmendArgs) -> Result<Exit, Failure> {
    let wish = GrantAmend {
        seats: args.seats.map(Into::into),
        add_features: args.feature,
        remove_features: args.remove_feature,
        effective_to: args.to,
        timezone: args.timezone.map(|timezone| timezone.name().to_owned()),
        grace_ms: args.grace,
        edition: args.edition,
    };
    let path = format!("/v1/grants/{}:amend", segment(&args.grant));
    let call = Call::change(&path, &args.change.head(&context.backend)?, &wish).of_any_version();
    let answer: Changed<GrantAmended> = context.backend.call(call)?;
    let GrantAmended { grant, allocations } = &answer.body;
    let sentence = format!(
        "{} grant {} to version {}: {} seats of {} until {}",
        answer.verb("amended", "would amend"),
        grant.grant_id,
        grant.version,
        grant.seats,
        grant.product,
        grant.effective_to,
    );
    let rows = allocations.iter().map(|row| {
        [
            row.allocation_id.to_string(),
            row.node_id.to_string(),
            row.seats.to_string(),
            row.not_after.to_string(),
        ]
    });
    let people = People::sentence(sentence).and(People::table(["allocation", "node", "seats", "ends"], rows));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn revoke(context: &Context, args: GrantRevokeArgs) -> Result<Exit, Failure> {
    let wish = GrantRevoke { reason: None, effective_at: args.effective_at };
    let path = format!("/v1/grants/{}:revoke", segment(&args.grant));
    let answer: Changed<RevocationDocument> = context.change(&path, &args.change, &wish)?;
    let revocation = &answer.body;
    let done = match revocation.already {
        Some(_) => "nothing to do, it is revoked already:",
        None => answer.verb("revoked", "would revoke"),
    };
    let sentence = format!(
        "{done} {} from {} on: revocation {}",
        args.grant, revocation.enforced_from, revocation.revocation_id,
    );
    let rows = revocation.exposure.iter().map(|node| {
        let state = match node.state {
            ExposureState::Applied => "applied",
            ExposureState::Pending => "not heard yet",
        };
        let seats = node.seats_at_risk.map_or_else(|| "unlimited".to_owned(), |seats| seats.to_string());
        [node.name.clone(), state.to_owned(), seats, node.guaranteed_dead_by.to_string()]
    });
    let exposure = People::table(["node", "state", "seats", "certainly ended by"], rows);
    context.output.answer(&answer, &People::sentence(sentence).and(exposure)).map(|()| Exit::DONE)
}

/// Each record names the one before.
fn history(context: &Context, id: &str) -> Result<Exit, Failure> {
    let path = format!("/v1/grants/{}/history", segment(id));
    let answer: AuditRecords = context.get(&path, &ReadQuery::default())?;
    let rows = answer.records.iter().map(|record| {
        ["seq", "recorded_at", "actor", "kind", "reason"].map(|field| match &record[field] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    });
    let people = People::table(["seq", "recorded", "actor", "what", "reason"], rows);
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
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
        linger_ms: args.linger,
        idle_ms: args.idle_timeout,
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
    let now = read_clock()?.wall_ms;
    let grants = pages::all::<GrantList>(context, "/v1/grants", account)?;
    let rows = grants.iter().map(|grant| {
        [
            grant.grant_id.to_string(),
            grant.product.clone(),
            grant.seats.to_string(),
            standing(grant, now),
            grant.effective_from.to_string(),
            grant.effective_to.to_string(),
            grant.pool_id.to_string(),
        ]
    });
    let people = People::table(["grant", "product", "seats", "state", "from", "to", "pool"], rows);
    context.output.answer(&GrantList { grants, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, id: &str) -> Result<Exit, Failure> {
    let grant: GrantDocument = context.get(&format!("/v1/grants/{}", segment(id)), &ReadQuery::default())?;
    let revoked = grant.revoked_from.map_or_else(|| "no".to_owned(), |from| format!("from {from} on"));
    let people = People::facts([
        ("grant", grant.grant_id.to_string()),
        ("account", grant.account_id.to_string()),
        ("product", grant.product.clone()),
        ("edition", grant.edition.clone().unwrap_or_default()),
        ("features", grant.features.join(", ")),
        ("seats", grant.seats.to_string()),
        ("state", standing(&grant, read_clock()?.wall_ms)),
        ("revoked", revoked),
        ("from", grant.effective_from.to_string()),
        ("to", grant.effective_to.to_string()),
        ("grace", duration::show(grant.grace_ms)),
        ("pool", grant.pool_id.to_string()),
    ]);
    context.output.answer(&grant, &people).map(|()| Exit::DONE)
}

/// How a grant stands, by the clock of who asks.
fn standing(grant: &GrantDocument, now: UnixMs) -> String {
    let (Timestamp(from), Timestamp(to)) = (grant.effective_from, grant.effective_to);
    let by_dates = match now {
        now if now < from => "upcoming",
        now if now < to => "active",
        now if now < to.plus(grant.grace_ms) => "grace",
        _ => "ended",
    };
    match grant.revoked_from {
        Some(Timestamp(at)) if at <= now => "revoked".to_owned(),
        Some(at) => format!("{by_dates}, revoked from {at}"),
        None => by_dates.to_owned(),
    }
}
