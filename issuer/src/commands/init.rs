//! `init`: keys, journal, trust root, in this order, so that an interrupted one is finished by the next.

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Exit, Failure, Passphrase, People, host_name};
use leasehold_issuer_core::{Command, RootPlan, What};
use leasehold_protocol::armour::armour;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Mode, Realm, RealmId, seal};
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::json;

use crate::api::odd_fact;
use crate::args::InitArgs;
use crate::commit::{Done, Intent, Planned, Turn, carry_out, problem};
use crate::context::Context;
use crate::entropy::{entropy, random};
use crate::signing::Keys;
use crate::store::Store;

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<Exit, Failure> {
    context.dir.check_not_lost()?;
    let exists = context.dir.journal().symlink_metadata().is_ok();
    if exists && open(context)?.issuer.trust_root().is_some() {
        return Err(exists_already(context));
    }
    let passphrase = context.passphrase.chosen()?;
    if args.change.intent() == Intent::DryRun {
        return would_make(context, args);
    }
    files::make_private_dir(context.dir.path())?;
    let keys = keys(context, &passphrase, args.kdf_cost)?;
    let store = if exists {
        open(context)?
    } else {
        Store::create(&context.dir, &context.passphrase, RealmId(random()?))?
    };
    let done = initialise(store, &keys, args)?;
    answer(context, &keys, &done)
}

/// The journal of an earlier try.
fn open(context: &Context) -> Result<Store, Failure> {
    Store::open_any(&context.dir, &context.passphrase)
}

/// The keys of an earlier try, or new ones.
fn keys(context: &Context, passphrase: &Passphrase, kdf_cost: u8) -> Result<Keys, Failure> {
    let path = context.dir.keys();
    if path.symlink_metadata().is_ok() {
        return Keys::unlock(&path, passphrase);
    }
    let keys = Keys::generate()?;
    keys.store(&path, passphrase, kdf_cost)?;
    Ok(keys)
}

fn initialise(mut store: Store, keys: &Keys, args: &InitArgs) -> Result<Done, Failure> {
    let realm = Realm { id: store.realm(), mode: mode(args) };
    let plan = RootPlan {
        realm: realm.id,
        realm_name: realm_name(args),
        mode: realm.mode,
        root_key: keys.root().public_key(),
        online_key: keys.online().public_key(),
        tls_key: keys.tls_public_key(),
    };
    let plan = |turn: &mut Turn<'_>| {
        let mut entropy = entropy().map_err(problem)?;
        let root = turn.issuer.plan_root(turn.now, &mut entropy, turn.cause, &plan)?;
        let sealed = seal(&realm, &root, &[keys.root()]).map_err(|error| {
            let hint = "this is a fault of the program: report it";
            Problem::new(Code::Internal, error.to_string(), hint)
        })?;
        Ok(Planned::Command(Box::new(Command::Initialise { root: sealed.envelope })))
    };
    carry_out(&mut store, args.change.cause()?, Intent::Do, plan)
}

fn answer(context: &Context, keys: &Keys, done: &Done) -> Result<Exit, Failure> {
    let What::Initialised(initialised) = &done.fact.what else { return Err(odd_fact().into()) };
    let text = armour(&initialised.root.0)
        .map_err(|error| Failure::new(Code::Internal, error.to_string(), "this is a fault of the program"))?;
    let path = context.dir.trust_root();
    files::write(&path, text.as_bytes(), Access::Everyone, Existing::Replace)?;
    let trust = TrustRoot::pin(&initialised.root.0).map_err(|_| Failure::from(odd_fact()))?;
    let document = json!({
        "realm": trust.realm().id,
        "realm_name": trust.root().realm_name,
        "mode": trust.realm().mode,
        "root_key_id": keys.root().public_key().id(),
        "online_key_id": keys.online().public_key().id(),
        "trust_root": path,
    });
    let people = People::sentence(format!(
        "made issuer {:?} in {}\nits trust root is {}: give it to whoever verifies\n\
         keep copies of {} and of its passphrase apart from this machine",
        trust.root().realm_name,
        context.dir.path().display(),
        path.display(),
        context.dir.keys().display(),
    ));
    let people = people.next(context.command("account create --name NAME"));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn would_make(context: &Context, args: &InitArgs) -> Result<Exit, Failure> {
    let dir = context.dir.path().display();
    let document = json!({"realm_name": realm_name(args), "mode": mode(args), "dry_run": true});
    let people = People::sentence(format!("would make issuer {:?} in {dir}", realm_name(args)));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn realm_name(args: &InitArgs) -> String {
    args.realm.clone().unwrap_or_else(host_name)
}

const fn mode(args: &InitArgs) -> Mode {
    if args.sandbox { Mode::Sandbox } else { Mode::Live }
}

fn exists_already(context: &Context) -> Failure {
    let detail = format!("there is an issuer in {} already", context.dir.path().display());
    let hint = format!("use it (`{}` shows it), or name another directory", context.command("status"));
    Failure::new(Code::AlreadyExists, detail, hint)
}
