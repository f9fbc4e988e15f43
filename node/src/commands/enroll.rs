//! `enroll`: the first exchange, over the network. From then on the daemon stays in contact by itself.

use std::collections::BTreeSet;

use leasehold_cli::{Failure, Output, People};
use leasehold_net::{Address, AddressError};
use leasehold_node_core::{Cause, NamedIssuer};
use leasehold_protocol::api::{ImportAnswer, RequestAnswer};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::BundleId;
use leasehold_protocol::problem::Problem;
use serde::Serialize;
use tokio::runtime::Builder;

use super::{cause, import, next_command, request, status};
use crate::admin::{Admin, Content};
use crate::cli::EnrollArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::exchange::Issuer;
use crate::http::NameIssuer;
use crate::signing::{self, KeyName};
use crate::store::Store;

#[derive(Serialize)]
struct Enrolled<'a> {
    issuer: &'a str,
    bundle_id: BundleId,
    changes: &'a [String],
    /// The node was enrolled before: it named where its issuer is, and exchanged once more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    already: bool,
}

pub(super) fn run(dir: &DataDir, args: &EnrollArgs, output: Output) -> Result<(), Failure> {
    let address: Address = args.issuer.parse().map_err(|error: AddressError| {
        Failure::new(Code::Usage, error.to_string(), "write --issuer https://HOST:PORT")
    })?;
    if !matches!(address, Address::Https { .. }) {
        let detail = format!("an issuer is reached over TLS, not at {address}");
        return Err(Failure::new(Code::Usage, detail, "write --issuer https://HOST:PORT"));
    }
    let url = address.to_string();
    if args.mutation.dry_run {
        let would = serde_json::json!({"would": "enroll", "issuer": url});
        return output.answer(&would, &People::sentence(format!("would enrol at {url}")));
    }
    let already = status::read(dir)?.node_id.is_some();
    let answer = enroll(dir, &address, args)?;
    let did = if already { "was enrolled already, and now follows" } else { "is enrolled at" };
    let people = People::sentence(format!("the node {did} the issuer at {url}"));
    let people = people.and(import::for_people(&answer)).next(next_command(dir, "run"));
    let ImportAnswer { bundle_id, changes, .. } = &answer;
    output.answer(&Enrolled { issuer: &url, bundle_id: *bundle_id, changes, already }, &people)
}

/// Each step can be repeated: what was interrupted is done by the same command again.
fn enroll(dir: &DataDir, address: &Address, args: &EnrollArgs) -> Result<ImportAnswer, Failure> {
    let key = signing::load(dir, KeyName::Tls)?.tls_key();
    let pinned = args.join.issuer_key;
    let mut issuer = Issuer::new(address.clone(), BTreeSet::from([pinned]), &key)
        .map_err(|error| Failure::from(Problem::from(error)))?;
    let RequestAnswer { request, .. } = request::make(dir, Some(args.join), &cause(&args.mutation))?;
    let request = unarmour(request.as_bytes())
        .map_err(|_| Failure::new(Code::Internal, "the request that was made is none", "report this"))?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Code::Internal, format!("cannot start the runtime: {error}"), "check the limits")
    })?;
    let bundle = runtime.block_on(issuer.enroll(request)).map_err(|error| refusal(error.into(), address))?;
    let answer = import::apply(dir, bundle.to_vec(), false, args.accept_time, &cause(&args.mutation))?;
    name_issuer(dir, NamedIssuer { url: address.to_string(), key: pinned }, cause(&args.mutation))?;
    Ok(answer)
}

/// A request that came over TLS was not damaged on its way: who cannot verify it has another trust root.
fn refusal(problem: Problem, address: &Address) -> Failure {
    if problem.code != Code::BadSignature {
        return problem.into();
    }
    Failure::new(
        Code::BundleWrongRealm,
        format!("the issuer at {address} is of another realm than the trust root of this node"),
        "check that trust root, address and join code are of one issuer; a trust root is chosen with `init`",
    )
}

fn name_issuer(dir: &DataDir, issuer: NamedIssuer, cause: Cause) -> Result<(), Failure> {
    if let Some(admin) = Admin::find(dir)? {
        let NamedIssuer { url, key } = issuer;
        let wish = NameIssuer { url, key, actor: Some(cause.actor), reason: cause.reason };
        let content = serde_json::to_vec(&wish).expect("an address and a digest are JSON");
        let _named: serde_json::Value = admin.post("/v1/issuer", Content::Json(content))?;
        return Ok(());
    }
    let mut store = Store::open(dir)?;
    match super::carry_out(&mut store, Command::NameIssuer { cause, issuer })?? {
        Answer::IssuerNamed => Ok(()),
        _ => Err(super::unanswered().into()),
    }
}
