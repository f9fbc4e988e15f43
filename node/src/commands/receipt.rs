//! `receipt`: tells the vendor which bundle is in force, and which seats are given back.

use std::path::Path;

use leasehold_cli::{Failure, Output, People};
use leasehold_node_core::Cause;
use leasehold_protocol::api::ReceiptAnswer;
use leasehold_protocol::bytes::Digest;
use serde::Serialize;

use super::{carry_out, cause, unanswered, write_artefact};
use crate::admin::{Admin, Content};
use crate::cli::ReceiptArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::http::MakeReceipt;
use crate::store::Store;

#[derive(Serialize)]
struct Written<'a> {
    receipt: &'a str,
    digest: Digest,
    bundle: Digest,
}

pub(super) fn run(dir: &DataDir, args: &ReceiptArgs, output: Output) -> Result<(), Failure> {
    if args.mutation.dry_run {
        return output.answer(
            &serde_json::json!({"would": "receipt"}),
            &People::sentence(format!("would journal a receipt and write it to {}", args.out.display())),
        );
    }
    let ReceiptAnswer { digest, bundle, .. } = write(dir, cause(&args.mutation), &args.out)?;
    let out = args.out.display().to_string();
    let people = People::sentence(format!("wrote the receipt {digest} to {out}"));
    output.answer(&Written { receipt: &out, digest, bundle }, &people.next(next(&args.out)))
}

/// Has a receipt made, with all that is given back so far, and writes it.
pub(super) fn write(dir: &DataDir, cause: Cause, out: &Path) -> Result<ReceiptAnswer, Failure> {
    let answer = make(dir, cause)?;
    write_artefact(&answer.receipt, out)?;
    Ok(answer)
}

/// What becomes of a receipt.
pub(super) fn next(out: &Path) -> String {
    format!("carry it to the vendor, who runs: leasehold-issuer bundle receive {}", out.display())
}

fn make(dir: &DataDir, cause: Cause) -> Result<ReceiptAnswer, Failure> {
    if let Some(admin) = Admin::find(dir)? {
        let Cause { actor, reason, idempotency_key: key } = cause;
        let content = serde_json::to_vec(&MakeReceipt { actor: Some(actor), reason, key });
        return admin.post("/v1/receipts", Content::Json(content.expect("texts are JSON")));
    }
    let mut store = Store::open(dir)?;
    match carry_out(&mut store, Command::MakeReceipt { cause })?? {
        Answer::Receipt(answer) => Ok(*answer),
        _ => Err(unanswered().into()),
    }
}
