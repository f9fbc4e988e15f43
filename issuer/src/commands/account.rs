//! `account`: customers.

use leasehold_cli::{Exit, Failure, People};

use super::pages;
use crate::api::{AccountCreate, AccountCreated, AccountDocument, AccountList, Changed, ReadQuery};
use crate::args::{AccountCreateArgs, AccountVerb};
use crate::backend::segment;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: AccountVerb) -> Result<Exit, Failure> {
    match verb {
        AccountVerb::Create(args) => create(context, args),
        AccountVerb::List => list(context),
        AccountVerb::Show { account } => show(context, &account),
    }
}

fn create(context: &Context, args: AccountCreateArgs) -> Result<Exit, Failure> {
    let name = args.name.clone();
    let new = AccountCreate {
        name: args.name,
        parent: args.parent,
        region: args.region,
        timezone: args.timezone.map(|timezone| timezone.name().to_owned()),
        external: args.external,
    };
    let answer: Changed<AccountCreated> = context.change("/v1/accounts", &args.change, &new)?;
    let (made, id) = (answer.verb("made", "would make"), answer.body.account_id);
    let next = format!("grant create --account {id} --product SKU --seats N --from T --to T");
    let people = People::sentence(format!("{made} account {id} ({name})")).next(context.command(&next));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let accounts = pages::all::<AccountList>(context, "/v1/accounts", None)?;
    let rows = accounts.iter().map(|account| {
        let parent = account.parent.map_or_else(String::new, |parent| parent.to_string());
        [account.account_id.to_string(), account.name.clone(), parent]
    });
    let people = People::table(["account", "name", "parent"], rows);
    context.output.answer(&AccountList { accounts, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let account: AccountDocument =
        context.get(&format!("/v1/accounts/{}", segment(name)), &ReadQuery::default())?;
    let external: Vec<String> =
        account.external.iter().map(|id| format!("{}:{}", id.system, id.id)).collect();
    let people = People::facts([
        ("account", account.account_id.to_string()),
        ("name", account.name.clone()),
        ("parent", account.parent.map_or_else(String::new, |parent| parent.to_string())),
        ("region", account.region.clone().unwrap_or_default()),
        ("time zone", account.timezone.clone().unwrap_or_default()),
        ("external ids", external.join(", ")),
    ]);
    context.output.answer(&account, &people).map(|()| Exit::DONE)
}
