//! `/v1/audit`: who did what, when and why; and whether the journal is what was written.

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use http_body_util::channel::{Channel, Sender};
use leasehold_issuer_core::{Fact, What};
use leasehold_journal::JournalError;
use leasehold_journal::file::ReadOnly;
use leasehold_net::Refusal;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::permission::Action;
use super::problem::Refusals;
use super::query::strict;
use super::timestamp::Moment;
use super::{Answered, Caller, ReadQuery, Service};
use crate::audit_check::{self, JournalVerified};
use crate::audit_record::{account_of, csv, csv_head, document};
use crate::commit::problem;
use crate::state_dir::StateDir;
use crate::{journal, limits};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(query)).routes(routes!(export)).routes(routes!(verify))
}

/// Which records, the newest so many of them
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only what this actor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Only what is of this account, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Only records of this kind, for example `grant_created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Only from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub(crate) since: Option<Moment>,
    /// Only before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub(crate) until: Option<Moment>,
    /// The newest so many; 1000 unless said, 100 000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub(crate) limit: Option<u64>,
    /// Answer only if the issuer has got as far as this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_revision: Option<u64>,
}

/// Which records, all of them
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// How they are written.
    #[serde(default)]
    #[param(inline)]
    pub(crate) format: Format,
    /// Only what this actor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Only what is of this account, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Only records of this kind, for example `grant_created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Only from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub(crate) since: Option<Moment>,
    /// Only before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub(crate) until: Option<Moment>,
    /// Answer only if the issuer has got as far as this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_revision: Option<u64>,
}

/// How exported records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One JSON document a line
    #[default]
    Ndjson,
    /// A table for spreadsheets (RFC 4180)
    Csv,
}

/// Records, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditRecords {
    #[schema(value_type = Vec<Object>)]
    pub(crate) records: Vec<Value>,
}

/// Which facts are wanted.
struct Filter {
    actor: Option<String>,
    account: Option<AccountId>,
    kind: Option<String>,
    since: UnixMs,
    until: UnixMs,
}

/// Show audit records
#[utoipa::path(get, path = "/v1/audit/records", tag = "audit", operation_id = "query_audit", params(AuditQuery),
    responses((status = OK, body = AuditRecords), Refusals))]
async fn query(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Answered<AuditRecords> {
    caller.may(Action::ReadAudit)?;
    let AuditQuery { actor, account, kind, since, until, limit, min_revision: _ } = strict(query)?;
    let limit = limit.map_or(limits::AUDIT_RECORDS_DEFAULT, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX).min(limits::AUDIT_RECORDS)
    });
    let filter = Filter::new(&service, &caller, (actor, account, kind), (since, until)).await?;
    let read = move |dir: &StateDir| {
        let mut newest = std::collections::VecDeque::new();
        each(dir, &|fact| filter.wants(fact), |seq, fact| {
            newest.push_back((seq, fact));
            if newest.len() > limit {
                newest.pop_front();
            }
            Ok(())
        })?;
        let records = newest.iter().map(|(seq, fact)| document(*seq, fact)).collect();
        Ok(AuditRecords { records })
    };
    Ok(axum::Json(service.read_journal(read).await?))
}

/// Take audit records away
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", operation_id = "export_audit", params(ExportQuery),
    responses((status = OK, body = String, content_type = "application/x-ndjson"), Refusals))]
async fn export(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    caller.may(Action::ExportAudit)?;
    let ExportQuery { format, actor, account, kind, since, until, min_revision: _ } = strict(query)?;
    let filter = Filter::new(&service, &caller, (actor, account, kind), (since, until)).await?;
    let (sender, body) = Channel::<Bytes, ExportBroken>::new(16);
    let (dir, turn) = (service.dir.clone(), service.journal_turn().await?);
    let until = Instant::now() + limits::EXPORT;
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        send(&dir, &filter, format, sender, until);
    });
    let (media_type, name) = match format {
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"audit.ndjson\""),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"audit.csv\""),
    };
    let headers = [(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::new(body)).into_response())
}

/// Check the chain, every record and every signature
#[utoipa::path(get, path = "/v1/audit/verify", tag = "audit", operation_id = "verify_audit", params(ReadQuery),
    responses((status = OK, body = JournalVerified), Refusals))]
async fn verify(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<JournalVerified> {
    caller.may(Action::ReadAudit)?;
    strict(query)?;
    let check = |dir: &StateDir| audit_check::check(dir).map_err(problem);
    Ok(axum::Json(service.read_journal(check).await?))
}

impl Filter {
    async fn new(
        service: &Service,
        caller: &Caller,
        (actor, account, kind): (Option<String>, Option<String>, Option<String>),
        (since, until): (Option<Moment>, Option<Moment>),
    ) -> Result<Self, Problem> {
        if let Some(kind) = kind.as_deref().filter(|kind| !What::KINDS.contains(kind)) {
            let hint = format!("the kinds are {}", What::KINDS.join(", "));
            let detail = format!("there are no audit records of a kind {kind:?}");
            return Err(Problem::new(Code::InvalidRequest, detail, hint));
        }
        let caller = caller.clone();
        let account = service.look(move |issuer| caller.filter(issuer, account.as_deref())).await??;
        let resolve = |at: Option<Moment>| at.map(|at| at.resolve(None)).transpose().map_err(problem);
        Ok(Self {
            actor,
            account,
            kind,
            since: resolve(since)?.unwrap_or(UnixMs::MIN),
            until: resolve(until)?.unwrap_or(UnixMs::MAX),
        })
    }

    fn wants(&self, fact: &Fact) -> bool {
        (self.since..self.until).contains(&fact.meta.recorded_at)
            && self.actor.as_ref().is_none_or(|actor| *actor == fact.meta.actor)
            && self.kind.as_ref().is_none_or(|kind| kind == fact.what.kind())
            && self.account.is_none_or(|account| account_of(&fact.what) == Some(account))
    }
}

/// Shows every wanted fact, oldest first.
pub(super) fn each(
    dir: &StateDir,
    wants: &dyn Fn(&Fact) -> bool,
    mut show: impl FnMut(Seq, Fact) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let failed = |error: JournalError| problem(journal::failure(dir, &error));
    let stored = ReadOnly::open(&dir.journal()).map_err(failed)?;
    for frame in stored.read(Seq::NONE) {
        let facts = frame.and_then(|frame| journal::facts(&frame)).map_err(failed)?;
        for (seq, fact) in facts {
            if wants(&fact) {
                show(seq, fact)?;
            }
        }
    }
    Ok(())
}

/// The rest of an export cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ExportBroken(Problem);

/// Sends an export while it is read, as fast as it is taken and no longer than `until`.
fn send(
    dir: &StateDir,
    filter: &Filter,
    format: Format,
    mut sender: Sender<Bytes, ExportBroken>,
    until: Instant,
) {
    let runtime = Handle::current();
    let mut push = |line: String| {
        let gone = |detail: &str| Problem::new(Code::Unreachable, detail, "ask for it again");
        let send = sender.send_data(Bytes::from(line));
        match runtime.block_on(async { tokio::time::timeout_at(until, send).await }) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(gone("nobody takes the export any more")),
            Err(_) => Err(gone("the export is taken too slowly")),
        }
    };
    let head = match format {
        Format::Ndjson => Ok(()),
        Format::Csv => push(csv_head()),
    };
    let sent = head.and_then(|()| {
        each(dir, &|fact| filter.wants(fact), |seq, fact| {
            push(match format {
                Format::Ndjson => document(seq, &fact).to_string() + "\n",
                Format::Csv => csv(seq, &fact),
            })
        })
    });
    if let Err(problem) = sent {
        tracing::debug!(code = %problem.code, detail = %problem.detail, "an audit export broke off");
        // A body that is cut must not look whole.
        sender.abort(ExportBroken(problem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::tests::{account, issuer, order};
    use crate::commit::{Intent, carry_out};

    #[tokio::test]
    async fn an_export_that_nobody_takes_ends() {
        let place = tempfile::tempdir().unwrap();
        let mut store = issuer(&place);
        for _ in 0..20 {
            let order = order(account("A"), Intent::Do);
            carry_out(&mut store, order.cause, order.intent, order.plan).unwrap();
        }
        let filter =
            Filter { actor: None, account: None, kind: None, since: UnixMs::MIN, until: UnixMs::MAX };
        let (sender, body) = Channel::<Bytes, ExportBroken>::new(1);
        let (dir, until) = (store.dir.clone(), Instant::now() + std::time::Duration::from_millis(50));
        let sent = tokio::task::spawn_blocking(move || send(&dir, &filter, Format::Csv, sender, until));
        tokio::time::timeout(std::time::Duration::from_secs(10), sent).await.unwrap().unwrap();
        let broken = http_body_util::BodyExt::collect(body).await.unwrap_err();
        assert_eq!(broken.0.code, Code::Unreachable, "a body that is cut does not look whole");
    }
}
