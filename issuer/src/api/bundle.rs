//! `/v1/bundles`: requests of nodes in, bundles for them out. The same request is answered with the same bytes.

use std::sync::Arc;

use axum::extract::State;
use leasehold_issuer_core::{BundleIssued, Cause, Command, Issuer, JoinCheck, What};
use leasehold_net::Refusal;
use leasehold_net::body::ArtefactBody;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{Head, Request};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{SealError, Verified, seal};
use leasehold_protocol::ids::{AccountId, BundleId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::open_request;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::artefact::{ReceiptDocument, receipt_document, take_receipt};
use super::change::{Asked, Change, ChangeQuery, Changed, IdempotencyHeader};
use super::node_peer::NodePeer;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::{Caller, Service};
use crate::commit::{Done, How, Intent, Planned, Turn, problem};
use crate::entropy::entropy;
use crate::signing::seal_bundle;
use crate::writer::Durable;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(receive))
}

/// A bundle.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BundleCreated {
    #[schema(value_type = String)]
    pub(crate) bundle_id: BundleId,
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    /// How many it carries.
    pub(crate) artefacts: u32,
    /// The request that it answers.
    #[schema(value_type = String)]
    pub(crate) request: Digest,
    /// The bundle itself, base64url; absent if the request was only tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) envelope: Option<Bytes>,
}

/// Take a receipt that somebody carried over
#[utoipa::path(post, path = "/v1/bundles/receipts", tag = "bundles", operation_id = "receive_receipt",
    params(ChangeQuery, IdempotencyHeader),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A receipt, in any form"),
    responses((status = OK, body = Changed<ReceiptDocument>), Refusals))]
async fn receive(
    State(service): State<Service>,
    Asked(change, ArtefactBody(receipt)): Asked<ArtefactBody>,
) -> Result<Changed<ReceiptDocument>, Refusal> {
    change.caller.may(Action::Allocate)?;
    let done = take_receipt(&service, change, None, &receipt).await?;
    Ok(Changed::new(&done, receipt_document(&done)?))
}

/// Answer a node's request with all that it is entitled to
#[utoipa::path(post, path = "/v1/bundles", tag = "bundles", operation_id = "create_bundle",
    params(ChangeQuery, IdempotencyHeader),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A request, in any form"),
    responses((status = OK, body = Changed<BundleCreated>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, ArtefactBody(request)): Asked<ArtefactBody>,
) -> Result<Changed<BundleCreated>, Refusal> {
    change.caller.may(Action::Allocate)?;
    let (done, issued) = answer(&service, change, None, &request).await?;
    let envelope = (done.how != How::Tried).then(|| issued.envelope.clone());
    let body = BundleCreated {
        bundle_id: issued.issue.id,
        node_id: issued.node,
        artefacts: issued.artefacts,
        request: issued.request,
        envelope,
    };
    Ok(Changed::new(&done, body))
}

/// Answers a request, or finds the answer that it had. `by` is absent if somebody else may bring it.
pub(super) async fn answer(
    service: &Service,
    change: Change,
    by: Option<NodePeer>,
    request: &[u8],
) -> Result<(Done, BundleIssued), Problem> {
    let envelope: Arc<[u8]> =
        unarmour(request).map_err(|error| not_a_request(Code::Malformed, &error))?.into();
    let by = by.map(Arc::new);
    let mut answered = order(service, change.clone(), by.clone(), Arc::clone(&envelope)).await;
    let unheard = |problem: &Problem| matches!(problem.code, Code::Conflict | Code::NodeForked);
    if change.intent == Intent::Do
        && answered.as_ref().is_err_and(unheard)
        && take_report(service, &change, by.clone(), Arc::clone(&envelope)).await?
    {
        answered = order(service, change, by, envelope).await;
    }
    let done = answered?;
    let What::BundleIssued(issued) = &done.fact.what else { return Err(odd_fact()) };
    let issued = (**issued).clone();
    Ok((done, issued))
}

async fn order(
    service: &Service,
    change: Change,
    by: Option<Arc<NodePeer>>,
    envelope: Arc<[u8]>,
) -> Result<Done, Problem> {
    service.order(change, move |turn, caller| plan(turn, caller, by.as_deref(), &envelope)).await
}

/// Records what a request tells that is so whatever becomes of it: artefacts that the journal lacks, or a fork. Whether
/// there was anything.
async fn take_report(
    service: &Service,
    change: &Change,
    by: Option<Arc<NodePeer>>,
    envelope: Arc<[u8]>,
) -> Result<bool, Problem> {
    let (cause, seen) = (change.cause.clone(), Arc::clone(&envelope));
    let tells = move |durable: &mut Durable<'_>| {
        let realm = durable.issuer.trust_root().ok_or_else(odd_fact)?.realm();
        let request = open_request(&seen, realm).map_err(|error| not_a_request(error.code(), &error))?;
        durable.issuer.tells(durable.now, &cause, &request)
    };
    if !service.writer.look(tells).await?? {
        return Ok(false);
    }
    let plan = move |turn: &mut Turn<'_>, caller: &Caller| {
        let request = opened(turn.issuer, by.as_deref(), &envelope)?;
        // An account that the journal does not know is seen by those who see everything.
        let account = request.account.filter(|_| caller.subtree.is_some());
        account.map_or(Ok(()), |account| check_seen(turn.issuer, caller, account))?;
        Ok(Planned::Command(Box::new(Command::TakeReport { request: Box::new(request) })))
    };
    // The key of the change is that of its bundle.
    let cause = Cause { idempotency: None, ..change.cause.clone() };
    service.order(Change { cause, ..change.clone() }, plan).await.map(|_| true)
}

/// A request, of who may bring it.
fn opened(issuer: &Issuer, by: Option<&NodePeer>, envelope: &[u8]) -> Result<Verified<Request>, Problem> {
    let realm = issuer.trust_root().ok_or_else(odd_fact)?.realm();
    let request = open_request(envelope, realm).map_err(|error| not_a_request(error.code(), &error))?;
    if let Some(peer) = by {
        peer.admit(issuer, request.sign_key, &request.tls_keys)?;
    }
    Ok(request)
}

/// Signs a head. It says the same in the same bytes as in a bundle.
pub(super) fn seal_head(durable: &mut Durable<'_>, head: &Head) -> Result<Vec<u8>, Problem> {
    let realm = durable.issuer.trust_root().ok_or_else(odd_fact)?.realm();
    let keys = durable.keyring.unlock(durable.issuer).map_err(problem)?;
    Ok(seal(&realm, head, &[keys.online()]).map_err(|error| not_sealed(&error))?.envelope)
}

/// Plans and signs a bundle, in the frame that it is recorded in.
fn plan(
    turn: &mut Turn<'_>,
    caller: &Caller,
    by: Option<&NodePeer>,
    envelope: &[u8],
) -> Result<Planned, Problem> {
    let realm = turn.issuer.trust_root().ok_or_else(odd_fact)?.realm();
    let request = opened(turn.issuer, by, envelope)?;
    if let Some((account, seq)) = turn.issuer.bundle_for(request.digest()) {
        check_seen(turn.issuer, caller, account)?;
        return Ok(Planned::DoneBefore(seq));
    }
    let keys = turn.keyring.unlock(turn.issuer).map_err(problem)?;
    let join = match (&request.join, turn.issuer.join_of(&request)) {
        (Some(proof), Some(issued)) => {
            let secret = keys.join_secret(issued.nonce);
            let accepted = secret.accepts(proof, request.sign_key, &request.tls_keys);
            if accepted { JoinCheck::Right } else { JoinCheck::Wrong }
        }
        _ => JoinCheck::Absent,
    };
    let mut entropy = entropy().map_err(problem)?;
    let plan = turn.issuer.plan_bundle(turn.now, &mut entropy, turn.cause, &request, join)?;
    check_seen(turn.issuer, caller, plan.account)?;
    let envelope = seal_bundle(&realm, keys, &plan).map_err(|error| not_sealed(&error))?;
    Ok(Planned::Command(Box::new(Command::IssueBundle { plan: Box::new(plan), envelope })))
}

/// A request of somebody else's node is of no node, answered before or not.
fn check_seen(issuer: &Issuer, caller: &Caller, account: AccountId) -> Result<(), Problem> {
    if caller.sees(issuer, account) {
        return Ok(());
    }
    Err(Problem::new(Code::NotFound, "there is no node that made this request", "check the file"))
}

fn not_a_request(code: Code, error: &dyn std::fmt::Display) -> Problem {
    let hint = "carry over again what `leasehold-node request` wrote, unchanged";
    Problem::new(code, format!("it is no request: {error}"), hint)
}

fn not_sealed(error: &SealError) -> Problem {
    match error {
        SealError::TooLarge { .. } => Problem::new(
            Code::LimitExceeded,
            format!("the bundle cannot be made: {error}"),
            "divide the account: it has more grants than one bundle holds",
        ),
        SealError::Malformed(_) | SealError::Signer(_) => {
            Problem::new(Code::Internal, error.to_string(), "this is a fault of the program: report it")
        }
    }
}
