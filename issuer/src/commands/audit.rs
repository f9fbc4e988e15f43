//! `audit`: who did what, when and why; and whether the journal is what was written.

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Exit, Failure, People};
use serde_json::{Value, json};

use crate::api::{AuditQuery, AuditRecords, ExportQuery, ReadQuery};
use crate::args::{AuditExportArgs, AuditQueryArgs, AuditVerb};
use crate::audit_check::{self, JournalVerified};
use crate::backend::{Backend, Call};
use crate::context::Context;
use crate::state_dir::StateDir;

pub(super) fn run(context: &Context, verb: AuditVerb) -> Result<Exit, Failure> {
    match verb {
        AuditVerb::Query(args) => query(context, args),
        AuditVerb::Export(args) => export(context, args),
        AuditVerb::Verify { offline } => verify(context, offline.map(StateDir::new).as_ref()),
    }
}

fn query(context: &Context, args: AuditQueryArgs) -> Result<Exit, Failure> {
    let filter = args.filter;
    let query = AuditQuery {
        actor: filter.by,
        account: filter.account,
        kind: filter.kind,
        since: filter.since,
        until: filter.until,
        limit: args.limit,
        min_revision: None,
    };
    let answer: AuditRecords = context.get("/v1/audit/records", &query)?;
    let rows = answer.records.iter().map(|record| {
        ["seq", "recorded_at", "actor", "kind", "subject", "reason"].map(|field| match &record[field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    });
    let people = People::table(["seq", "recorded", "actor", "what", "subject", "reason"], rows);
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn export(context: &Context, args: AuditExportArgs) -> Result<Exit, Failure> {
    let filter = args.filter;
    let query = ExportQuery {
        format: args.format,
        actor: filter.by,
        account: filter.account,
        kind: filter.kind,
        since: filter.since,
        until: filter.until,
        min_revision: None,
    };
    let export = context.backend.fetch(Call::get("/v1/audit/export", &query))?;
    files::write(&args.out, &export, Access::Owner, Existing::Replace)?;
    let people =
        People::sentence(format!("wrote {} bytes of records to {}", export.len(), args.out.display()));
    let people = people.next(context.command("audit verify"));
    let document = json!({"out": args.out, "format": args.format, "bytes": export.len()});
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

/// What can be read here is checked here, whoever runs beside.
fn verify(context: &Context, offline: Option<&StateDir>) -> Result<Exit, Failure> {
    let verified: JournalVerified = match (offline, &context.backend) {
        (None, Backend::Remote(_)) => context.get("/v1/audit/verify", &ReadQuery::default())?,
        (Some(dir), _) | (None, Backend::Local(dir, _)) => audit_check::check(dir)?,
    };
    let people = People::sentence(format!(
        "the journal verifies: {} records in {} frames, {} bundles, chain {}",
        verified.records, verified.frames, verified.bundles, verified.head,
    ));
    context.output.answer(&verified, &people).map(|()| Exit::DONE)
}
