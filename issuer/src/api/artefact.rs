//! What nodes exchange with the issuer. These artefacts are signed by who sends them, so no key of the API is asked for.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use leasehold_issuer_core::{Cause, Command, Freed, ReceiptTaken, Source, What};
use leasehold_net::Refusal;
use leasehold_net::body::ArtefactBody;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::open_receipt;
use leasehold_protocol::slots::SlotSet;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Service;
use super::allocation::SlotRange;
use super::bundle;
use super::caller::Caller;
use super::change::Change;
use super::node_peer::NodePeer;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::timestamp::Timestamp;
use crate::commit::{Done, Intent, Turn};
use crate::limits;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(enroll))
        .routes(routes!(sync))
        .routes(routes!(head))
        .routes(routes!(receive))
}

/// Enrol a node: its first request, which shows the join code, is answered with its first bundle
#[utoipa::path(post, path = "/v1/enroll", tag = "nodes", operation_id = "enroll", security(()),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A request, in any form"),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"), Refusals))]
async fn enroll(
    State(service): State<Service>,
    by: NodePeer,
    ArtefactBody(request): ArtefactBody,
) -> Result<Response, Refusal> {
    exchange(&service, by, &request).await
}

/// Answer a request of an enrolled node with all that it is entitled to
#[utoipa::path(post, path = "/v1/sync", tag = "nodes", operation_id = "sync", security(()),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A request, in any form"),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"), Refusals))]
async fn sync(
    State(service): State<Service>,
    by: NodePeer,
    ArtefactBody(request): ArtefactBody,
) -> Result<Response, Refusal> {
    exchange(&service, by, &request).await
}

async fn exchange(service: &Service, by: NodePeer, request: &[u8]) -> Result<Response, Refusal> {
    let (_, issued) = bundle::answer(service, by_node(), Some(by), request).await?;
    Ok(artefact(issued.envelope.0.into()))
}

/// Which head the caller has, and how long it waits for another
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HeadQuery {
    /// Wait so long for a head that is later than the one of `If-None-Match`, 30 000 at most.
    #[serde(default)]
    wait_ms: u64,
}

/// Fetch what is current of an account: small, signed, and the same until something changes
#[utoipa::path(get, path = "/v1/accounts/{account}/head", tag = "nodes", operation_id = "fetch_head", security(()),
    params(("account" = String, Path, description = "Its id"), HeadQuery),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = NOT_MODIFIED, description = "It is not later than the head of If-None-Match"), Refusals))]
async fn head(
    State(service): State<Service>,
    account: Result<Path<String>, PathRejection>,
    query: Result<Query<HeadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let wait = Duration::from_millis(strict(query)?.wait_ms).min(limits::HEAD_WAIT);
    let account = account_id(&named(account)?)?;
    let known = known_version(&headers);
    let until = Instant::now() + wait;
    let (mut changes, mut phase) = (service.writer.follow(account), service.phase.clone());
    let mut waiting = None;
    loop {
        let as_of = *changes.borrow_and_update();
        let current = service.heads.current(&service.writer, account, as_of).await?;
        let tag = HeaderValue::from_str(&format!("\"{}\"", current.version))
            .expect("digits in quotes are a header value");
        // A node may know a later head, of its own bundle: the standing one tells it nothing new.
        if known.is_none_or(|known| known < current.version) {
            let mut response = artefact(current.envelope);
            response.headers_mut().insert(ETAG, tag);
            return Ok(response);
        }
        if until <= Instant::now() || !service.is_serving() {
            return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
        }
        if waiting.is_none() {
            waiting = Some(service.heads.wait()?);
        }
        // Whether it is time, a change, or the end of the service: look again.
        tokio::select! {
            _ = tokio::time::timeout_at(until.min(current.until), changes.changed()) => {}
            _ = phase.changed() => {}
        }
    }
}

/// The version of the head that a node has, by `If-None-Match`.
fn known_version(headers: &HeaderMap) -> Option<u64> {
    let tag = headers.get(IF_NONE_MATCH)?.to_str().ok()?.trim();
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn account_id(text: &str) -> Result<AccountId, Problem> {
    text.parse().map_err(|_| no_account(text))
}

fn no_account(text: &str) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("there is no account {text:?}"),
        "ask with the id in the node's bundle",
    )
}

/// A receipt that was taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReceiptDocument {
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    /// The bundle that the node has applied.
    #[schema(value_type = String)]
    pub(crate) bundle: Digest,
    /// When the issuer learnt of it.
    pub(crate) applied_at: Timestamp,
    /// What is free from here on.
    pub(crate) freed: Vec<FreedDocument>,
}

/// Seats that a node gave back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FreedDocument {
    #[schema(value_type = String)]
    pub(crate) allocation_id: AllocationId,
    #[schema(value_type = Vec<SlotRange>)]
    pub(crate) slots: SlotSet,
}

/// Take a node's receipt: what it applied, and what it gives back
#[utoipa::path(post, path = "/v1/receipts", tag = "nodes", operation_id = "take_receipt", security(()),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A receipt, in any form"),
    responses((status = OK, body = ReceiptDocument), Refusals))]
async fn receive(
    State(service): State<Service>,
    by: NodePeer,
    ArtefactBody(receipt): ArtefactBody,
) -> Result<Json<ReceiptDocument>, Refusal> {
    let done = take_receipt(&service, by_node(), Some(by), &receipt).await?;
    Ok(Json(receipt_document(&done)?))
}

/// Takes a receipt, or finds what came of it before. `by` is absent if somebody else may bring it.
pub(super) async fn take_receipt(
    service: &Service,
    change: Change,
    by: Option<NodePeer>,
    receipt: &[u8],
) -> Result<Done, Problem> {
    let refused = |code, error: &dyn std::fmt::Display| {
        let hint = "carry over again what `leasehold-node receipt` wrote, unchanged";
        Problem::new(code, format!("it is no receipt: {error}"), hint)
    };
    let envelope = unarmour(receipt).map_err(|error| refused(Code::Malformed, &error))?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let realm = turn.issuer.trust_root().ok_or_else(odd_fact)?.realm();
        let receipt = open_receipt(&envelope, realm, |receipt| turn.issuer.sign_key_of(receipt));
        let receipt = Box::new(receipt.map_err(|error| refused(error.code(), &error))?);
        if let (Some(peer), Some(key)) = (&by, turn.issuer.sign_key_of(&receipt)) {
            peer.admit(turn.issuer, key.bytes(), &[])?;
        }
        if !caller.sees(turn.issuer, receipt.account) {
            let hint = "check the file";
            return Err(Problem::new(Code::NotFound, "there is no node that made this receipt", hint));
        }
        Ok(Command::TakeReceipt { receipt })
    };
    service.command(change, command).await
}

pub(super) fn receipt_document(done: &Done) -> Result<ReceiptDocument, Problem> {
    let What::ReceiptTaken(taken) = &done.fact.what else { return Err(odd_fact()) };
    let ReceiptTaken { node, bundle, releases, .. } = &**taken;
    let freed = releases.freed.iter().map(|Freed { allocation, slots }| FreedDocument {
        allocation_id: *allocation,
        slots: slots.clone(),
    });
    Ok(ReceiptDocument {
        node_id: *node,
        bundle: *bundle,
        applied_at: Timestamp(done.fact.meta.recorded_at),
        freed: freed.collect(),
    })
}

/// A node asks for itself; its signature says which one.
fn by_node() -> Change {
    Change { caller: Caller::everything(), cause: cause(), intent: Intent::Do }
}

/// Nodes ask without a name.
pub(super) fn cause() -> Cause {
    Cause {
        actor: "node".to_owned(),
        source: Source { system: "node".to_owned(), reference: None },
        reason: None,
        idempotency: None,
        accept_time: None,
    }
}

fn artefact(envelope: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], envelope).into_response()
}
