//! `recover`: an operator says that the journal may be older than what was promised, and that no copy of the node runs.

use leasehold_cli::{Failure, Output, People};
use leasehold_node_core::Cause;
use leasehold_protocol::api::{RecoverAnswer, RecoverResult};

use super::{carry_out, cause, next_command, unanswered};
use crate::admin::{Admin, Content};
use crate::cli::RecoverArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::http::Recover;
use crate::store::Store;

pub(super) fn run(dir: &DataDir, args: &RecoverArgs, output: Output) -> Result<(), Failure> {
    args.mutation.required_reason()?;
    let answer = recover(dir, cause(&args.mutation), args.mutation.dry_run)?;
    let sentence = match answer.result {
        RecoverResult::WouldRecover => {
            "would attest that no copy of this node runs, and that it was given no new generation since its journal was written"
        }
        RecoverResult::Recovering => {
            "attested: no copy of this node runs, and it was given no new generation since its journal was written"
        }
    };
    let people = People::sentence(format!("{sentence}; {}", answer.trust_cause));
    output.answer(&answer, &people.next(next(dir)))
}

/// How the vendor's answer comes.
pub(super) fn next(dir: &DataDir) -> String {
    let request = next_command(dir, "request --out request.lh");
    format!(
        "with a network the daemon asks the vendor by itself; else carry `{request}` there, and import what comes back"
    )
}

fn recover(dir: &DataDir, cause: Cause, dry_run: bool) -> Result<RecoverAnswer, Failure> {
    if let Some(admin) = Admin::find(dir)? {
        let Cause { actor, reason, .. } = cause;
        let content = serde_json::to_vec(&Recover { dry_run, actor: Some(actor), reason });
        return admin.post("/v1/recover", Content::Json(content.expect("texts are JSON")));
    }
    let mut store = if dry_run { Store::open(dir)? } else { Store::open_or_recover(dir)? };
    match carry_out(&mut store, Command::Recover { cause, dry_run })?? {
        Answer::Recovering(answer) => Ok(*answer),
        _ => Err(unanswered().into()),
    }
}
