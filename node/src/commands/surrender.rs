//! `surrender`: gives free seats back, and writes the receipt that tells the vendor of it.

use leasehold_cli::{Failure, Output, People};
use leasehold_node_core::Cause;
use leasehold_protocol::api::SurrenderAnswer;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::slots::SlotRange;
use serde::Serialize;

use super::{carry_out, cause, pools, receipt, unanswered};
use crate::admin::{Admin, Content};
use crate::cli::SurrenderArgs;
use crate::command::{Answer, Command};
use crate::data_dir::DataDir;
use crate::http::Surrender;
use crate::store::Store;

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    surrendered: &'a SurrenderAnswer,
    receipt: &'a str,
    digest: Digest,
}

pub(super) fn run(dir: &DataDir, args: &SurrenderArgs, output: Output) -> Result<(), Failure> {
    let surrendered = give_back(dir, args)?;
    let SurrenderAnswer { pool_id, seats, slots } = &surrendered;
    if args.mutation.dry_run {
        let people = People::sentence(format!("would give back {seats} seats of {pool_id}"));
        return output.answer(&surrendered, &people);
    }
    let out = args.out.display().to_string();
    // The seats are the vendor's from here on, also if the receipt cannot be written: `receipt` writes another.
    let digest = receipt::write(dir, cause(&args.mutation), &args.out)?.digest;
    let people = People::sentence(format!(
        "gave back {seats} seats of {pool_id} (slots {}), and wrote the receipt to {out}",
        slots.iter().copied().map(shown).collect::<Vec<_>>().join(", ")
    ));
    let written = Written { surrendered: &surrendered, receipt: &out, digest };
    output.answer(&written, &people.next(receipt::next(&args.out)))
}

fn give_back(dir: &DataDir, args: &SurrenderArgs) -> Result<SurrenderAnswer, Failure> {
    let (pool, seats, dry_run) = (pools::find(dir, &args.pool)?, args.seats, args.mutation.dry_run);
    let cause = cause(&args.mutation);
    if let Some(admin) = Admin::find(dir)? {
        let Cause { actor, reason, idempotency_key: key } = cause;
        let content =
            serde_json::to_vec(&Surrender { pool, seats, dry_run, actor: Some(actor), reason, key });
        return admin.post("/v1/surrenders", Content::Json(content.expect("texts and numbers are JSON")));
    }
    let mut store = Store::open(dir)?;
    match carry_out(&mut store, Command::Surrender { cause, pool, seats, dry_run })?? {
        Answer::Surrendered(answer) => Ok(*answer),
        _ => Err(unanswered().into()),
    }
}

fn shown(range: SlotRange) -> String {
    match range.count {
        1 => range.first.to_string(),
        _ => format!("{} to {}", range.first, range.end().saturating_sub(1)),
    }
}
