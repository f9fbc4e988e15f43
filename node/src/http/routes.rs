//! The API: parse, hand to the writer, map the answer. Nothing is decided here.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRef, Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use leasehold_net::Refusal;
use leasehold_net::body::{BodyRoom, BundleBody, JsonBody};
use leasehold_node_core::{Cause, Checkout, NamedIssuer, Shown, Way};
use leasehold_protocol::api::{
    ChainAnswer, CheckoutRequest, IdempotencyKey, IdentityAnswer, LeasesAnswer, PoolsAnswer, RenewRequest,
    StatusAnswer,
};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::artefact::{Chain, Holder};
use leasehold_protocol::bytes::{Bytes, Digest, SpkiDigest};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::access::{self, Access, Administrator, Guarded};
use super::caller::Caller;
use super::health;
use crate::api_keys::KeyRing;
use crate::command::{Answer, Command};
use crate::daemon::Phase;
use crate::data_dir::DataDir;
use crate::exchange::Reach;
use crate::journal_check::{self, JournalVerified};
use crate::received;
use crate::shown;
use crate::writer::Writer;

/// What all handlers share. Each request takes a copy of it, which costs nothing.
#[derive(Clone)]
pub(super) struct Node(Arc<Shared>);

/// What is shared, seen through one door.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) writer: Writer,
    pub(crate) dir: DataDir,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) body_room: BodyRoom,
    pub(crate) reach: Arc<Reach>,
    pub(crate) access: Arc<Access>,
    pub(crate) keys: Arc<KeyRing>,
}

impl Deref for Node {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<Node> for BodyRoom {
    fn from_ref(node: &Node) -> Self {
        node.body_room.clone()
    }
}

/// What applications may ask.
pub(crate) fn data_routes(shared: Shared) -> Guarded {
    guarded(seat_routes(), shared)
}

/// What administrators may ask beside that; in the network, too, where each request shows who it is.
pub(crate) fn admin_routes(shared: Shared) -> Guarded {
    let routes = seat_routes()
        .route("/v1/leases", get(leases))
        .route("/v1/leases/{id}", post(force_release))
        .route("/v1/bundles", post(import_bundle))
        .route("/v1/request", post(make_request))
        .route("/v1/issuer", post(name_issuer))
        .route("/v1/receipts", post(make_receipt))
        .route("/v1/surrenders", post(surrender))
        .route("/v1/recover", post(recover))
        .route("/v1/journal", get(verify_journal))
        .route("/v1/api-keys/reload", post(reload_api_keys));
    guarded(routes, shared)
}

/// Routes behind their door. What tells a caller whether this is a node to talk to, and whether it answers, is told to
/// everybody.
fn guarded(known: Router<Node>, shared: Shared) -> Guarded {
    let [identity_path, livez, readyz] = access::OPEN;
    let open = Router::new()
        .route(identity_path, get(identity))
        .route(livez, get(health::livez))
        .route(readyz, get(health::readyz));
    let node = Node(Arc::new(shared));
    let [known, open] = [known, open].map(|routes| {
        routes.fallback(unknown_route).method_not_allowed_fallback(unknown_method).with_state(node.clone())
    });
    Guarded::new(Arc::clone(&node.access), known, open)
}

fn seat_routes() -> Router<Node> {
    Router::new()
        .route("/v1/leases", post(checkout))
        .route("/v1/leases/{id}/renew", post(renew))
        .route("/v1/leases/{id}", delete(release))
        .route("/v1/pools", get(pools))
        .route("/v1/proof/{digest}", get(proof))
        .route("/v1/status", get(status))
        .route("/metrics", get(health::metrics))
}

type Answered<T> = Result<Json<T>, Refusal>;

async fn checkout(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<CheckoutRequest>,
) -> Result<Answer, Refusal> {
    let CheckoutRequest { product, pool, features, count, holder, key, ttl_ms } = request;
    let proof = caller.proof(&holder.user).await;
    let holder = Holder { user: holder.user, host: holder.host, process: holder.process, proof };
    let checkout = Box::new(Checkout { product, pool, features, count, holder, key, ttl_ms });
    ask(&node, Command::Checkout { principal: caller.principal(), checkout }).await
}

async fn renew(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    JsonBody(RenewRequest { idle_ms, ticket, held }): JsonBody<RenewRequest>,
) -> Result<Answer, Refusal> {
    let lease = lease_id(id)?;
    let shown = match ticket {
        Some(ticket) => Some(verify_ticket(&node, &ticket, held).await?),
        None => None,
    };
    ask(&node, Command::Renew { principal: caller.principal(), lease, idle_ms, shown }).await
}

/// Away from the writer: a signature takes longer than a decision.
async fn verify_ticket(node: &Node, ticket: &str, held: bool) -> Result<Box<Shown>, Problem> {
    let own = node.writer.look(|durable| shown::own_key(durable.core)).await?;
    let own =
        own.ok_or_else(|| Problem::new(Code::NodeUnprovisioned, "this node has no key yet", "see `init`"))?;
    shown::ticket(ticket, held, &own)
}

async fn release(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Answer, Refusal> {
    ask(&node, Command::Release { principal: caller.principal(), lease: lease_id(id)? }).await
}

async fn identity(State(node): State<Node>) -> Answered<IdentityAnswer> {
    Ok(Json(node.writer.look(|durable| durable.core.identity()).await?))
}

async fn status(State(node): State<Node>) -> Answered<StatusAnswer> {
    Ok(Json(current_status(&node).await?))
}

async fn pools(State(node): State<Node>) -> Answered<PoolsAnswer> {
    let StatusAnswer { pools, .. } = current_status(&node).await?;
    Ok(Json(PoolsAnswer { pools }))
}

async fn leases(State(node): State<Node>, _: Administrator) -> Answered<LeasesAnswer> {
    Ok(Json(node.writer.look(|durable| durable.core.leases(durable.now)).await?))
}

async fn proof(
    State(node): State<Node>,
    digest: Result<Path<String>, PathRejection>,
) -> Answered<ChainAnswer> {
    let Path(text) = digest.map_err(|rejection| bad_path(&rejection.body_text()))?;
    let digest: Digest =
        text.parse().map_err(|error: leasehold_protocol::bytes::BadHex| bad_path(&error.to_string()))?;
    let chain = node.writer.look(move |durable| durable.core.chain(digest)).await?;
    let chain = chain.ok_or_else(|| {
        Refusal::new(
            Code::NotFound,
            format!("no chain {digest}"),
            "renew the lease and take the digest it names",
        )
    })?;
    Ok(Json(chain_answer(&chain)))
}

async fn import_bundle(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    query: Result<Query<ImportQuery>, QueryRejection>,
    BundleBody(body): BundleBody,
) -> Result<Answer, Refusal> {
    let Query(ImportQuery { dry_run, accept_time, actor, reason }) = query.map_err(|rejection| {
        Refusal::new(Code::InvalidRequest, rejection.body_text(), "correct the query")
    })?;
    let envelope = received::envelope(&body)?;
    let cause = caller.cause(actor, reason).await;
    ask(&node, Command::Import { cause, envelope, dry_run, accept_time }).await
}

/// As in the words of the command line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(default)]
    pub(crate) accept_time: bool,
    /// Who acts; the user at the other end of the socket if it is not said.
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
}

/// `POST /v1/request`: the join code of a first enrolment, if there is one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeRequest {
    /// `lhj1_…`
    #[serde(default)]
    pub(crate) join: Option<String>,
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The same key asks for the same request.
    #[serde(default)]
    pub(crate) key: Option<IdempotencyKey>,
}

async fn make_request(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    JsonBody(MakeRequest { join, actor, reason, key }): JsonBody<MakeRequest>,
) -> Result<Answer, Refusal> {
    let join = join
        .map(|code| code.parse::<JoinCode>())
        .transpose()
        .map_err(|error| Refusal::new(Code::InvalidRequest, error.to_string(), "copy the whole join code"))?;
    let cause = Cause { idempotency_key: key, ..caller.cause(actor, reason).await };
    ask(
        &node,
        Command::MakeRequest { cause, way: Way::Courier, present: true, join: join.map(|code| code.secret) },
    )
    .await
}

/// `POST /v1/issuer`: whom the node talks to by itself.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameIssuer {
    /// `https://host:port`
    pub(crate) url: String,
    /// The TLS key that it must prove, beside those of the trust root.
    pub(crate) key: SpkiDigest,
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

async fn name_issuer(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    JsonBody(NameIssuer { url, key, actor, reason }): JsonBody<NameIssuer>,
) -> Result<Answer, Refusal> {
    let cause = caller.cause(actor, reason).await;
    ask(&node, Command::NameIssuer { cause, issuer: NamedIssuer { url, key } }).await
}

/// `POST /v1/receipts`: nothing but who wants it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeReceipt {
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The same key asks for the same receipt.
    #[serde(default)]
    pub(crate) key: Option<IdempotencyKey>,
}

async fn make_receipt(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    JsonBody(MakeReceipt { actor, reason, key }): JsonBody<MakeReceipt>,
) -> Result<Answer, Refusal> {
    let cause = Cause { idempotency_key: key, ..caller.cause(actor, reason).await };
    ask(&node, Command::MakeReceipt { cause }).await
}

/// `POST /v1/surrenders`: which seats go back to the vendor.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Surrender {
    pub(crate) pool: PoolId,
    /// How many; all of them or none.
    pub(crate) seats: u32,
    /// Only say whether it could be done.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The same key asks for the same surrender.
    #[serde(default)]
    pub(crate) key: Option<IdempotencyKey>,
}

async fn surrender(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    JsonBody(wish): JsonBody<Surrender>,
) -> Result<Answer, Refusal> {
    let Surrender { pool, seats, dry_run, actor, reason, key } = wish;
    let cause = Cause { idempotency_key: key, ..caller.cause(actor, reason).await };
    ask(&node, Command::Surrender { cause, pool, seats, dry_run }).await
}

/// `POST /v1/leases/{id}:force-release`: who wants it, and why.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForceRelease {
    /// Only say what would be done.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why; it must be said.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The same key asks for the same work.
    #[serde(default)]
    pub(crate) key: Option<IdempotencyKey>,
}

async fn force_release(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    path: Result<Path<String>, PathRejection>,
    JsonBody(wish): JsonBody<ForceRelease>,
) -> Result<Answer, Refusal> {
    let ForceRelease { dry_run, actor, reason, key } = wish;
    let lease = path.map(|Path(text)| text.strip_suffix(":force-release").map(|id| Path(id.to_owned())));
    let lease = match lease.transpose() {
        Some(id) => lease_id(id)?,
        None => return Err(unknown_route().await),
    };
    let cause = Cause { idempotency_key: key, ..caller.cause(actor, reason).await };
    ask(&node, Command::ForceRelease { cause, lease, dry_run }).await
}

/// `POST /v1/recover`: the ledger may have regressed, and no copy of the node runs.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recover {
    /// Only say what would be.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Who acts; the user at the other end of the socket if it is not said.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Why; it must be said.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

async fn recover(
    State(node): State<Node>,
    Administrator(caller): Administrator,
    JsonBody(Recover { dry_run, actor, reason }): JsonBody<Recover>,
) -> Result<Answer, Refusal> {
    let cause = caller.cause(actor, reason).await;
    ask(&node, Command::Recover { cause, dry_run }).await
}

async fn verify_journal(State(node): State<Node>, _: Administrator) -> Answered<JournalVerified> {
    let dir = node.dir.clone();
    let verified = tokio::task::spawn_blocking(move || journal_check::durable_part(&dir)).await;
    let verified =
        verified.map_err(|error| Problem::new(Code::Internal, error.to_string(), "report this"))?;
    Ok(Json(verified.map_err(|failure| failure.problem().clone())?))
}

/// Keys were added or removed in the directory.
async fn reload_api_keys(State(node): State<Node>, _: Administrator) -> Answered<Value> {
    node.keys.reload(&node.dir).map_err(|failure| failure.problem().clone())?;
    Ok(Json(json!({"reloaded": true})))
}

async fn unknown_route() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such resource", "see the description of the API")
}

async fn unknown_method() -> Refusal {
    Refusal::new(
        Code::MethodNotAllowed,
        "the resource does not know this method",
        "see the description of the API",
    )
}

async fn ask(node: &Node, command: Command) -> Result<Answer, Refusal> {
    Ok(node.writer.ask(command).await?)
}

async fn current_status(node: &Node) -> Result<StatusAnswer, Problem> {
    let look = node.writer.look(|durable| durable.core.status(durable.now, durable.journal.clone(), true));
    let mut status = look.await?;
    status.issuer.reachable = node.reach.is_reachable();
    status.issuer.code = node.reach.failure();
    Ok(status)
}

fn lease_id(path: Result<Path<String>, PathRejection>) -> Result<LeaseId, Refusal> {
    let Path(text) = path.map_err(|rejection| bad_path(&rejection.body_text()))?;
    text.parse().map_err(|error: leasehold_protocol::ids::BadId| bad_path(&error.to_string()))
}

fn bad_path(detail: &str) -> Refusal {
    Refusal::new(Code::InvalidRequest, format!("the path is not valid: {detail}"), "correct the path")
}

fn chain_answer(chain: &Chain) -> ChainAnswer {
    let text = |bytes: &Bytes| one_line(&bytes.0).expect("a verified envelope is one");
    ChainAnswer {
        roots: chain.roots.iter().map(text).collect(),
        grant: text(&chain.grant),
        pool: text(&chain.pool),
        allocation: text(&chain.allocation),
        certificate: text(&chain.certificate),
    }
}
