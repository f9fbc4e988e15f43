//! `request`: what to carry to the vendor.

use leasehold_cli::{Failure, Output, People};
use leasehold_node_core::{Cause, Way};
use leasehold_protocol::api::RequestAnswer;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::join_code::JoinCode;
use serde::Serialize;

use super::{carry_out, cause, next_command, unanswered, write_artefact};
use crate::admin::{Admin, Content};
use crate::cli::RequestArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::http::MakeRequest;
use crate::store::Store;

#[derive(Serialize)]
struct Written<'a> {
    request: &'a str,
    digest: Digest,
}

pub(super) fn run(dir: &DataDir, args: &RequestArgs, output: Output) -> Result<(), Failure> {
    if args.mutation.dry_run {
        return output.answer(
            &serde_json::json!({"would": "request"}),
            &People::sentence(format!("would journal a request and write it to {}", args.out.display())),
        );
    }
    let RequestAnswer { request, digest } = make(dir, args.join, &cause(&args.mutation))?;
    write_artefact(&request, &args.out)?;
    let out = args.out.display().to_string();
    let people = People::sentence(format!("wrote the request {digest} to {out}"));
    let next = next_command(dir, "import FILE, with the bundle that the vendor makes of it");
    output.answer(&Written { request: &out, digest }, &people.next(next))
}

/// A request, made by the running daemon or in its directory.
pub(super) fn make(dir: &DataDir, join: Option<JoinCode>, cause: &Cause) -> Result<RequestAnswer, Failure> {
    let cause = cause.clone();
    if let Some(admin) = Admin::find(dir)? {
        let join = join.map(|code| code.to_string());
        let wish =
            MakeRequest { join, actor: Some(cause.actor), reason: cause.reason, key: cause.idempotency_key };
        let content = serde_json::to_vec(&wish).expect("a join code is JSON");
        return admin.post("/v1/request", Content::Json(content));
    }
    let mut store = Store::open(dir)?;
    let join = join.map(|code| code.secret);
    match carry_out(&mut store, Command::MakeRequest { cause, way: Way::Courier, present: true, join })?? {
        Answer::Request(answer) => Ok(*answer),
        _ => Err(unanswered().into()),
    }
}
