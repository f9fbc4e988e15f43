//! `lease release`: an operator takes a lease back.

use leasehold_cli::{Failure, Output, People, duration};
use leasehold_node_core::Cause;
use leasehold_protocol::api::{ForceReleaseAnswer, LeaseState};
use leasehold_protocol::code::Code;

use super::{cause, next_command};
use crate::admin::{Admin, Content};
use crate::cli::ForceReleaseArgs;
use crate::data_dir::DataDir;
use crate::http::ForceRelease;

pub(super) fn force_release(dir: &DataDir, args: &ForceReleaseArgs, output: Output) -> Result<(), Failure> {
    args.mutation.required_reason()?;
    let Some(admin) = Admin::find(dir)? else {
        return Err(Failure::new(
            Code::Unreachable,
            format!("no daemon runs on {}, and this works through one only", dir.path().display()),
            "start it: leasehold-node run; without one no lease is renewed",
        ));
    };
    let Cause { actor, reason, idempotency_key: key } = cause(&args.mutation);
    let wish = ForceRelease { dry_run: args.mutation.dry_run, actor: Some(actor), reason, key };
    let content = serde_json::to_vec(&wish).expect("texts and a key are JSON");
    let path = format!("/v1/leases/{}:force-release", args.lease);
    let answer: ForceReleaseAnswer = admin.post(&path, Content::Json(content))?;
    let people = People::sentence(sentence(&answer, args.mutation.dry_run));
    output.answer(&answer, &people.next(next_command(dir, "leases")))
}

fn sentence(answer: &ForceReleaseAnswer, dry_run: bool) -> String {
    let ForceReleaseAnswer { lease_id, holder, state, free_in_ms, .. } = answer;
    let took = if dry_run { "would take" } else { "took" };
    let free = match state {
        LeaseState::Drain => {
            format!("its promise stands, the seat is free in {}", duration::show(*free_in_ms))
        }
        _ => "nobody uses it, the seat is free".to_owned(),
    };
    format!("{took} {lease_id} back from {holder}: {free}")
}
