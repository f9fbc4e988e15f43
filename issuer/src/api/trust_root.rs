//! `/v1/trust-root` and `/v1/keys`: what everything is verified with.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use leasehold_issuer_core::Issuer;
use leasehold_net::Refusal;
use leasehold_protocol::armour::armour;
use leasehold_protocol::artefact::{KeyState, Role, Root};
use leasehold_protocol::code::Code;
use leasehold_protocol::inspect::describe;
use leasehold_protocol::keys::{KeyId, PublicKey, PublicKeyBytes};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::strict;
use super::timestamp::Timestamp;
use super::{Answered, Caller, ReadQuery, Service};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(file)).routes(routes!(keys))
}

/// A key of the trust root; its public half.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeyDocument {
    #[schema(value_type = String)]
    pub(crate) key_id: KeyId,
    #[schema(value_type = String)]
    pub(crate) public_key: PublicKeyBytes,
    #[schema(value_type = Vec<String>)]
    pub(crate) roles: Vec<Role>,
    #[schema(value_type = String)]
    pub(crate) state: KeyState,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// The keys of the trust root.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<KeyDocument>,
}

/// Show the trust root
#[utoipa::path(get, path = "/v1/trust-root", tag = "issuer", operation_id = "show_trust_root", params(ReadQuery),
    responses((status = OK, body = Object), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<Value> {
    caller.may(Action::ReadCatalogue)?;
    strict(query)?;
    let describe = |issuer: &Issuer| {
        let trust = issuer.trust_root().ok_or_else(odd_fact)?;
        describe(trust.root().envelope(), Some(trust)).map_err(|error| internal(&error))
    };
    service.try_read(describe).await
}

/// Fetch the trust root as a file; it is public
#[utoipa::path(get, path = "/v1/trust-root.lh", tag = "issuer", operation_id = "fetch_trust_root",
    params(ReadQuery), security(()),
    responses((status = OK, body = String, content_type = "text/plain"), Refusals))]
async fn file(
    State(service): State<Service>,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    strict(query)?;
    let text = |issuer: &Issuer| {
        let trust = issuer.trust_root().ok_or_else(odd_fact)?;
        armour(trust.root().envelope()).map_err(|error| internal(&error))
    };
    let text = service.look(text).await??;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// List the keys of the trust root
#[utoipa::path(get, path = "/v1/keys", tag = "issuer", operation_id = "list_keys", params(ReadQuery),
    responses((status = OK, body = KeyList), Refusals))]
async fn keys(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Answered<KeyList> {
    caller.may(Action::ReadIssuer)?;
    strict(query)?;
    service.try_read(|issuer| list(issuer.trust_root().ok_or_else(odd_fact)?.root())).await
}

fn list(root: &Root) -> Result<KeyList, Problem> {
    let document = |key: &leasehold_protocol::artefact::RootKey| {
        let id = PublicKey::admit(key.public_key).map_err(|_| odd_fact())?.id();
        Ok(KeyDocument {
            key_id: id,
            public_key: key.public_key,
            roles: root.roles.iter().filter(|role| role.keys.contains(&id)).map(|role| role.role).collect(),
            state: key.state,
            not_before: Timestamp(key.not_before),
            not_after: Timestamp(key.not_after),
        })
    };
    root.keys.iter().map(document).collect::<Result<_, Problem>>().map(|keys| KeyList { keys })
}

fn internal(error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::Internal, error.to_string(), "this is a fault of the program: report it")
}
