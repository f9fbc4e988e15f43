//! `account`: customers.

use leasehold_cli::{Exit, Failure, People};
use leasehold_issuer_core::{Account, Command, NewAccount, What};
use serde_json::{Value, json};

use super::{change, mark, odd_fact, verb};
use crate::args::{AccountCreateArgs, AccountVerb};
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context, verb: AccountVerb) -> Result<Exit, Failure> {
    match verb {
        AccountVerb::Create(args) => create(context, args),
        AccountVerb::List => list(context),
        AccountVerb::Show { account } => show(context, &account),
    }
}

fn create(context: &Context, args: AccountCreateArgs) -> Result<Exit, Failure> {
    let new = NewAccount {
        name: args.name,
        parent: args.parent,
        region: args.region,
        timezone: args.timezone.map(|timezone| timezone.name().to_owned()),
        external: args.external,
    };
    let done = change(context, &args.change, Command::CreateAccount(new))?;
    let What::AccountCreated(account) = &done.fact.what else { return Err(odd_fact()) };
    let made = verb(done.intent, "made", "would make");
    let people =
        People::sentence(format!("{made} account {} ({})", account.id, account.name)).next(context.command(
            &format!("grant create --account {} --product SKU --seats N --from T --to T", account.id),
        ));
    let document = mark(json!({"account_id": account.id}), done.intent);
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let documents: Vec<Value> = issuer.accounts().map(document).collect();
    let rows = issuer.accounts().map(|account| {
        let parent = account.parent.map_or_else(String::new, |parent| parent.to_string());
        [account.id.to_string(), account.name.clone(), parent]
    });
    let people = People::table(["account", "name", "parent"], rows);
    context.output.answer(&json!({"accounts": documents}), &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let account = issuer.account(name)?;
    let external: Vec<String> =
        account.external.iter().map(|id| format!("{}:{}", id.system, id.id)).collect();
    let people = People::facts([
        ("account", account.id.to_string()),
        ("name", account.name.clone()),
        ("parent", account.parent.map_or_else(String::new, |parent| parent.to_string())),
        ("region", account.region.clone().unwrap_or_default()),
        ("time zone", account.timezone.clone().unwrap_or_default()),
        ("external ids", external.join(", ")),
    ]);
    context.output.answer(&document(account), &people).map(|()| Exit::DONE)
}

fn document(account: &Account) -> Value {
    json!({
        "account_id": account.id,
        "name": account.name,
        "parent": account.parent,
        "region": account.region,
        "timezone": account.timezone,
        "external": account.external,
    })
}
