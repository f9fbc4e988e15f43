//! `bundle`: files for nodes. The same request is answered with the same bytes.

use std::ffi::OsStr;

use leasehold_cli::files::{self, Access, Existing, FileOrStdin};
use leasehold_cli::{Exit, Failure, People};
use leasehold_issuer_core::{BundleIssued, Cause, Command, JoinCheck, What};
use leasehold_protocol::armour::{armour, unarmour};
use leasehold_protocol::artefact::Request;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Realm, SealError, Verified};
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::request::open_request;
use serde_json::json;

use super::{mark, odd_fact, verb};
use crate::args::{BundleCreateArgs, BundleVerb};
use crate::context::Context;
use crate::ledger::{Done, Intent, Ledger, Turn, entropy};
use crate::signing::{Keys, seal_bundle};

pub(super) fn run(context: &Context, verb: &BundleVerb) -> Result<Exit, Failure> {
    let BundleVerb::Create(args) = verb;
    create(context, args)
}

fn create(context: &Context, args: &BundleCreateArgs) -> Result<Exit, Failure> {
    let ledger = Ledger::open(&context.dir)?;
    let realm = ledger.issuer().trust_root().ok_or_else(odd_fact)?.realm();
    let request = read_request(&args.request, realm)?;
    let cause = args.change.cause()?;
    let done = if let Some(seq) = ledger.issuer().bundle_for(request.digest(), &cause)? {
        Done { seq, fact: ledger.fact(seq)?, intent: args.change.intent() }
    } else {
        let keys = context.unlock(ledger.issuer())?;
        issue(ledger.begin()?, &realm, &keys, &request, cause, args.change.intent())?
    };
    let What::BundleIssued(issued) = &done.fact.what else { return Err(odd_fact()) };
    if done.intent == Intent::Do {
        write(issued, args)?;
    }
    answer(context, args, issued, done.intent)
}

fn read_request(file: &OsStr, realm: Realm) -> Result<Verified<Request>, Failure> {
    let source = FileOrStdin::from(file);
    let bytes = files::read(&source, ARMOUR_BYTES)?;
    let hint = "carry over again what `leasehold-node request` wrote, unchanged";
    let refused = |code, what: String| Failure::new(code, format!("{source} is no request: {what}"), hint);
    let envelope = unarmour(&bytes).map_err(|error| refused(Code::Malformed, error.to_string()))?;
    open_request(&envelope, realm).map_err(|error| refused(error.code(), error.to_string()))
}

/// Plans, signs and records a bundle in one frame.
fn issue(
    turn: Turn,
    realm: &Realm,
    keys: &Keys,
    request: &Verified<Request>,
    cause: Cause,
    intent: Intent,
) -> Result<Done, Failure> {
    let join = check_join(&turn, keys, request);
    let plan = turn.issuer().plan_bundle(&turn.now, &mut entropy()?, &cause, request, join)?;
    let envelope = seal_bundle(realm, keys, &plan).map_err(|error| not_sealed(&error))?;
    turn.commit(cause, Command::IssueBundle { plan: Box::new(plan), envelope }, intent)
}

fn check_join(turn: &Turn, keys: &Keys, request: &Request) -> JoinCheck {
    let (Some(proof), Some(issued)) = (&request.join, turn.issuer().join_of(request)) else {
        return JoinCheck::Absent;
    };
    let secret = keys.join_secret(issued.nonce);
    let accepted = secret.accepts(proof, request.sign_key, &request.tls_keys);
    if accepted { JoinCheck::Right } else { JoinCheck::Wrong }
}

fn not_sealed(error: &SealError) -> Failure {
    match error {
        SealError::TooLarge { .. } => Failure::new(
            Code::LimitExceeded,
            format!("the bundle cannot be made: {error}"),
            "divide the account: it has more grants than one bundle holds",
        ),
        SealError::Malformed(_) | SealError::Signer(_) => {
            Failure::new(Code::Internal, error.to_string(), "this is a fault of the program: report it")
        }
    }
}

/// The record is durable: now the file may be seen.
fn write(issued: &BundleIssued, args: &BundleCreateArgs) -> Result<(), Failure> {
    let envelope = &issued.envelope.0;
    if !args.armour {
        return files::write(&args.out, envelope, Access::Everyone, Existing::Replace);
    }
    let text =
        armour(envelope).map_err(|error| Failure::new(Code::Internal, error.to_string(), "report it"))?;
    files::write(&args.out, text.as_bytes(), Access::Everyone, Existing::Replace)
}

fn answer(
    context: &Context,
    args: &BundleCreateArgs,
    issued: &BundleIssued,
    intent: Intent,
) -> Result<Exit, Failure> {
    let sentence = format!(
        "{} bundle {} for node {} to {}: {} artefacts",
        verb(intent, "wrote", "would write"),
        issued.issue.id,
        issued.node,
        args.out.display(),
        issued.artefacts,
    );
    let people = People::sentence(sentence).next(format!("leasehold-node import {}", args.out.display()));
    let document = json!({
        "bundle_id": issued.issue.id,
        "node_id": issued.node,
        "artefacts": issued.artefacts,
        "request": issued.request,
        "out": args.out,
    });
    context.output.answer(&mark(document, intent), &people).map(|()| Exit::DONE)
}
