//! `recover`: an issuer that may have forgotten promises freezes, and thaws by reports and an operator's word.

use leasehold_cli::{Exit, Failure, People};

use crate::api::{AccountsAttested, Attest, Changed, Nothing, ReadQuery, RecoverEntered, RecoveryDocument};
use crate::args::RecoverArgs;
use crate::context::Context;
use crate::store::Store;

pub(super) fn run(context: &Context, args: &RecoverArgs) -> Result<Exit, Failure> {
    if args.change.is_dry_run() {
        return lacking(context);
    }
    args.change.require_reason()?;
    if args.attest { attest(context, args) } else { enter(context, args) }
}

/// What keeps which account frozen.
fn lacking(context: &Context) -> Result<Exit, Failure> {
    let found: RecoveryDocument = context.get("/v1/recovery", &ReadQuery::default())?;
    let rows = found.frozen.iter().map(|frozen| {
        let nodes = frozen.awaited.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let attested = if frozen.attested { "yes" } else { "no" };
        [
            frozen.account_id.to_string(),
            frozen.name.clone(),
            nodes,
            frozen.not_enrolled.len().to_string(),
            attested.to_owned(),
        ]
    });
    let people = People::sentence(format!("the issuer is {}", found.state))
        .and(People::table(["account", "name", "awaited nodes", "not enrolled", "attested"], rows));
    context.output.answer(&found, &people).map(|()| Exit::DONE)
}

fn attest(context: &Context, args: &RecoverArgs) -> Result<Exit, Failure> {
    let asked = Attest { accounts: args.account.clone() };
    let answer: Changed<AccountsAttested> = context.change("/v1/recovery:attest", &args.change, &asked)?;
    let AccountsAttested { accounts, still_frozen } = &answer.body;
    let thawed = accounts.len().saturating_sub(still_frozen.len());
    let people = People::sentence(format!(
        "attested for {} accounts; {thawed} are thawed, {} wait for reports of their nodes",
        accounts.len(),
        still_frozen.len()
    ));
    context.output.answer(&answer, &people.next(context.command("recover --dry-run"))).map(|()| Exit::DONE)
}

fn enter(context: &Context, args: &RecoverArgs) -> Result<Exit, Failure> {
    if context.is_local_without_daemon() {
        // A journal that is damaged or behind its MARK is cut to what is whole, and says so itself.
        let store = Store::open_or_recover(&context.dir, &context.passphrase)?;
        let dir = store.dir.clone();
        store.close().map_err(|error| crate::journal::failure(&dir, &error))?;
    }
    let answer: Changed<RecoverEntered> = context.change("/v1/recovery", &args.change, &Nothing {})?;
    let people = People::sentence(format!(
        "every account is frozen; the issuer's generation is {}",
        answer.body.generation
    ));
    let next = format!(
        "let every node sync twice, find out whether others got seats, then {}",
        context.command("recover --attest --reason TEXT")
    );
    context.output.answer(&answer, &people.next(next)).map(|()| Exit::DONE)
}
