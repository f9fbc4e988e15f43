//! `/v1/nodes`: where seats are served.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_issuer_core::{Command, Forked, IssuedJoin, Issuer, NewNode, NodeClass, NodeView, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::{AccountId, NodeId};
use leasehold_protocol::keys::{KeyId, PublicKey};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::link::Paged;
use super::page::AccountPageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::timestamp::Timestamp;
use super::{Caller, Nothing, ReadQuery, Service, etag};
use crate::commit::{How, Intent, Turn, problem};
use crate::entropy::random;

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(register, list)).routes(routes!(show)).routes(routes!(recover))
}

/// A wish for a node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeRegister {
    /// Whose, by id or name.
    pub(crate) account: String,
    /// What people call it.
    pub(crate) name: String,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) site: Option<String>,
    /// How it is reached.
    #[serde(default)]
    pub(crate) class: Class,
}

/// How a node is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Over a network, all the time
    #[default]
    Online,
    /// Over a network, now and then
    Intermittent,
    /// By files that are carried
    AirGapped,
}

/// A registered node, and the code that it enrols with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeRegistered {
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    /// Good once; absent if the request was only tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) join_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) join_code_expires_at: Option<Timestamp>,
}

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeDocument {
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
    /// What people call it.
    pub(crate) name: String,
    #[schema(value_type = String)]
    pub(crate) account_id: AccountId,
    /// Where it stands.
    pub(crate) site: Option<String>,
    pub(crate) class: Class,
    pub(crate) state: NodeState,
    pub(crate) join_code_expires_at: Timestamp,
    /// Its key, once it is enrolled.
    #[schema(value_type = Option<String>)]
    pub(crate) node_key_id: Option<KeyId>,
    pub(crate) generation: Option<u32>,
    pub(crate) certificate_not_after: Option<Timestamp>,
    /// How many it has.
    pub(crate) allocations: usize,
    /// The contradiction that shows that there are two of it, until one of them has recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fork: Option<ForkDocument>,
    /// The thaw of its account waits for what it stands on.
    #[serde(default)]
    pub(crate) awaited: bool,
}

/// Two reports of one node that cannot both be true.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ForkDocument {
    /// What was taken.
    #[schema(value_type = String)]
    pub(crate) taken: Digest,
    /// What contradicts it.
    #[schema(value_type = String)]
    pub(crate) refused: Digest,
}

/// An operator attested that no copy of a node runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeAttestedDocument {
    #[schema(value_type = String)]
    pub(crate) node_id: NodeId,
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeState {
    /// It may enrol.
    Registered,
    /// It did.
    Enrolled,
}

/// Nodes, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeList {
    pub(crate) nodes: Vec<NodeDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl Class {
    /// As people type it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Intermittent => "intermittent",
            Self::AirGapped => "air-gapped",
        }
    }
}

impl From<Class> for NodeClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Online => Self::Online,
            Class::Intermittent => Self::Intermittent,
            Class::AirGapped => Self::AirGapped,
        }
    }
}

impl From<NodeClass> for Class {
    fn from(class: NodeClass) -> Self {
        match class {
            NodeClass::Online => Self::Online,
            NodeClass::Intermittent => Self::Intermittent,
            NodeClass::AirGapped => Self::AirGapped,
        }
    }
}

impl NodeState {
    /// For people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Enrolled => "enrolled",
        }
    }
}

impl From<NodeView<'_>> for NodeDocument {
    fn from(view: NodeView<'_>) -> Self {
        let NodeView { node, enrolment, rows, forked, awaited, .. } = view;
        let certificate = enrolment.map(|enrolment| &enrolment.certificate);
        let key = certificate.and_then(|certificate| PublicKey::admit(certificate.sign_key).ok());
        Self {
            node_id: node.id,
            name: node.name.clone(),
            account_id: node.account,
            site: node.site.clone(),
            class: node.class.into(),
            state: if enrolment.is_some() { NodeState::Enrolled } else { NodeState::Registered },
            join_code_expires_at: Timestamp(node.join.expires_at),
            node_key_id: key.map(|key| key.id()),
            generation: enrolment.map(|enrolment| enrolment.generation),
            certificate_not_after: certificate.map(|certificate| Timestamp(certificate.not_after)),
            allocations: rows,
            fork: forked.map(|Forked { taken, refused, .. }| ForkDocument { taken, refused }),
            awaited,
        }
    }
}

/// Let a node enrol: makes its join code
#[utoipa::path(post, path = "/v1/nodes", tag = "nodes", operation_id = "register_node",
    params(ChangeQuery, IdempotencyHeader), request_body = NodeRegister,
    responses((status = OK, body = Changed<NodeRegistered>), Refusals))]
async fn register(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<NodeRegister>>,
) -> Result<Changed<NodeRegistered>, Refusal> {
    change.caller.may(Action::Allocate)?;
    let intent = change.intent;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let account = caller.account(turn.issuer, &new.account)?.id.to_string();
        let node = NewNode { account, name: new.name, site: new.site, class: new.class.into() };
        Ok(Command::RegisterNode { node, issued: join(turn, intent)? })
    };
    let done = service.command(change, command).await?;
    let What::NodeRegistered(node) = &done.fact.what else { return Err(odd_fact().into()) };
    let mut body = NodeRegistered { node_id: node.id, join_code: None, join_code_expires_at: None };
    if done.how != How::Tried {
        body.join_code = Some(join_code(&service, node.join.issued.nonce).await?);
        body.join_code_expires_at = Some(Timestamp(node.join.expires_at));
    }
    Ok(Changed::new(&done, body))
}

/// Attest that no copy of a node runs: it may recover once more
#[utoipa::path(post, path = "/v1/nodes/{node}/@recover", tag = "nodes", operation_id = "recover_node",
    params(("node" = String, Path, description = "Id or name"), ChangeQuery, IdempotencyHeader),
    request_body = Nothing, responses((status = OK, body = Changed<NodeAttestedDocument>), Refusals))]
async fn recover(
    State(service): State<Service>,
    node: Result<Path<String>, PathRejection>,
    Asked(change, JsonBody(Nothing {})): Asked<JsonBody<Nothing>>,
) -> Result<Changed<NodeAttestedDocument>, Refusal> {
    change.caller.may(Action::Recover)?;
    let name = named(node)?;
    let command = move |turn: &mut Turn<'_>, caller: &Caller| {
        let node = caller.node(turn.issuer, &name)?.node.id.to_string();
        Ok(Command::AttestNode { node })
    };
    let done = service.command(change, command).await?;
    let What::NodeAttested(attested) = &done.fact.what else { return Err(odd_fact().into()) };
    Ok(Changed::new(&done, NodeAttestedDocument { node_id: attested.node }))
}

/// What is only tried is never recorded, so no code comes of it, and no key is needed.
fn join(turn: &mut Turn<'_>, intent: Intent) -> Result<IssuedJoin, Problem> {
    let issued = match intent {
        Intent::Do => turn.keyring.unlock(turn.issuer).and_then(crate::signing::Keys::new_join),
        Intent::DryRun => random().and_then(|nonce| Ok(IssuedJoin { nonce, join_id: random()? })),
    };
    issued.map_err(problem)
}

async fn join_code(service: &Service, nonce: [u8; 16]) -> Result<String, Problem> {
    let code = service.writer.look(move |durable| {
        let keys = durable.keyring.unlock(durable.issuer);
        keys.map(|keys| keys.join_code(nonce).to_string())
    });
    code.await?.map_err(problem)
}

/// List nodes
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", operation_id = "list_nodes", params(AccountPageQuery),
    responses((status = OK, body = NodeList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<AccountPageQuery>, QueryRejection>,
) -> Result<Paged<NodeList>, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    let (account, query) = strict(query)?.split();
    let page = service.page_key.open(format!("nodes {:?} {account:?}", caller.subtree), &query)?;
    let list = move |issuer: &Issuer| {
        let of = caller.filter(issuer, account.as_deref())?;
        let seen = issuer.nodes().filter(|view| {
            let account = view.node.account;
            of.is_none_or(|of| of == account) && caller.sees(issuer, account)
        });
        let (nodes, next) = page.cut(seen, |view| view.node.id.0);
        Ok::<_, Problem>(NodeList {
            nodes: nodes.into_iter().map(Into::into).collect(),
            next_page_token: Some(next),
        })
    };
    Ok(Paged(service.look(list).await??))
}

/// Show a node
#[utoipa::path(get, path = "/v1/nodes/{node}", tag = "nodes", operation_id = "show_node",
    params(("node" = String, Path, description = "Id or name"), ReadQuery),
    responses((status = OK, body = NodeDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    node: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ReadEntitlements)?;
    strict(query)?;
    let name = named(node)?;
    let find = move |issuer: &Issuer| caller.node(issuer, &name).map(NodeDocument::from);
    let document = service.look(find).await??;
    Ok(etag::answer(&headers, 1, &document))
}
