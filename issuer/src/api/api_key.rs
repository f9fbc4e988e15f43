//! `/v1/api-keys`: who may call this service.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_issuer_core::{ApiKey, ApiKeyState, Command, IssuedSecret, Issuer, NewApiKey, Role, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::ids::{AccountId, ApiKeyId};
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::etag::{self, IfMatch};
use super::link::Paged;
use super::page::PageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::{Caller, Nothing, ReadQuery, Service};
use crate::commit::{Done, How, Intent, Turn, problem};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show))
        .routes(routes!(rotate))
        .routes(routes!(disable))
}

/// A wish for an API key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyCreate {
    /// What people call it.
    pub(crate) name: String,
    /// What it may do: `owner`, `catalog_admin`, `sales_ops`, `support_agent`, `finance_auditor`, `reseller`,
    /// `customer_admin` or `customer_viewer`.
    #[schema(value_type = String)]
    pub(crate) role: Role,
    /// The account that it sees, and those below; for resellers and customers, who must have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}

/// An API key with its secret, which is shown here only.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKeySecret {
    #[schema(value_type = String)]
    pub(crate) api_key_id: ApiKeyId,
    /// Absent if the request was only tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
}

/// An API key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKeyDocument {
    #[schema(value_type = String)]
    pub(crate) api_key_id: ApiKeyId,
    /// What people call it.
    pub(crate) name: String,
    /// What it may do.
    #[schema(value_type = String)]
    pub(crate) role: Role,
    /// The account that it sees, and those below; all if absent.
    #[schema(value_type = Option<String>)]
    pub(crate) account_id: Option<AccountId>,
    /// `active` or `disabled`.
    #[schema(value_type = String)]
    pub(crate) state: ApiKeyState,
    /// 1 at first, and one more with each change.
    pub(crate) version: u32,
}

/// API keys, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKeyList {
    pub(crate) api_keys: Vec<ApiKeyDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl From<&ApiKey> for ApiKeyDocument {
    fn from(key: &ApiKey) -> Self {
        Self {
            api_key_id: key.id,
            name: key.name.clone(),
            role: key.role,
            account_id: key.account,
            state: key.state,
            version: key.version,
        }
    }
}

/// Make an API key; only this answer, and that to a repetition of the request, shows its secret
#[utoipa::path(post, path = "/v1/api-keys", tag = "api keys", operation_id = "create_api_key",
    params(ChangeQuery, IdempotencyHeader), request_body = ApiKeyCreate,
    responses((status = OK, body = Changed<ApiKeySecret>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<ApiKeyCreate>>,
) -> Result<Changed<ApiKeySecret>, Refusal> {
    change.caller.may(Action::ManageApiKeys)?;
    let intent = change.intent;
    let command = move |turn: &mut Turn<'_>, _: &Caller| {
        let key = NewApiKey { name: new.name, role: new.role, account: new.account };
        Ok(Command::CreateApiKey { key, secret: new_secret(turn, intent)? })
    };
    let done = service.command(change, command).await?;
    with_secret(&service, done).await
}

/// Give an API key another secret; the old one opens nothing any more
#[utoipa::path(post, path = "/v1/api-keys/{api_key}/@rotate", tag = "api keys", operation_id = "rotate_api_key",
    params(("api_key" = String, Path, description = "Id or name"), ChangeQuery, IdempotencyHeader, IfMatch),
    request_body = Nothing,
    responses((status = OK, body = Changed<ApiKeySecret>), Refusals))]
async fn rotate(
    State(service): State<Service>,
    api_key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Asked(change, JsonBody(Nothing {})): Asked<JsonBody<Nothing>>,
) -> Result<Changed<ApiKeySecret>, Refusal> {
    change.caller.may(Action::ManageApiKeys)?;
    let version = etag::expected(&headers, &change.caller)?;
    let (key, intent) = (named(api_key)?, change.intent);
    let command = move |turn: &mut Turn<'_>, _: &Caller| {
        Ok(Command::RotateApiKey { key, version, secret: new_secret(turn, intent)? })
    };
    let done = service.command(change, command).await?;
    with_secret(&service, done).await
}

/// Close an API key for ever
#[utoipa::path(post, path = "/v1/api-keys/{api_key}/@disable", tag = "api keys", operation_id = "disable_api_key",
    params(("api_key" = String, Path, description = "Id or name"), ChangeQuery, IdempotencyHeader, IfMatch),
    request_body = Nothing,
    responses((status = OK, body = Changed<ApiKeyDocument>), Refusals))]
async fn disable(
    State(service): State<Service>,
    api_key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Asked(change, JsonBody(Nothing {})): Asked<JsonBody<Nothing>>,
) -> Result<Changed<ApiKeyDocument>, Refusal> {
    change.caller.may(Action::ManageApiKeys)?;
    let version = etag::expected(&headers, &change.caller)?;
    let key = named(api_key)?;
    let done = service.command(change, move |_, _| Ok(Command::DisableApiKey { key, version })).await?;
    let document = ApiKeyDocument::from(key_of(&done)?);
    Ok(Changed::new(&done, document))
}

/// What is only tried is never recorded, so no secret comes of it, and no key is needed.
fn new_secret(turn: &mut Turn<'_>, intent: Intent) -> Result<IssuedSecret, Problem> {
    let nonce = crate::entropy::random().map_err(problem)?;
    let digest = match intent {
        Intent::Do => {
            let mode = turn.issuer.trust_root().ok_or_else(odd_fact)?.realm().mode;
            let keys = turn.keyring.unlock(turn.issuer).map_err(problem)?;
            keys.api_secret(mode, nonce).digest()
        }
        Intent::DryRun => leasehold_protocol::bytes::Digest(crate::entropy::random().map_err(problem)?),
    };
    Ok(IssuedSecret { nonce, digest })
}

/// The answer to a repetition shows the same secret: it may be the first that arrives.
async fn with_secret(service: &Service, done: Done) -> Result<Changed<ApiKeySecret>, Refusal> {
    let key = key_of(&done)?;
    let mut body = ApiKeySecret { api_key_id: key.id, secret: None };
    if done.how != How::Tried {
        let nonce = key.secret.nonce;
        let secret = service.writer.look(move |durable| {
            let mode = durable.issuer.trust_root().ok_or_else(odd_fact)?.realm().mode;
            let keys = durable.keyring.unlock(durable.issuer).map_err(problem)?;
            Ok::<_, Problem>(keys.api_secret(mode, nonce).expose())
        });
        body.secret = Some(secret.await??);
    }
    Ok(Changed::new(&done, body))
}

fn key_of(done: &Done) -> Result<&ApiKey, Problem> {
    match &done.fact.what {
        What::ApiKeyCreated(key) | What::ApiKeyRotated(key) | What::ApiKeyDisabled(key) => Ok(key),
        _ => Err(odd_fact()),
    }
}

/// List API keys
#[utoipa::path(get, path = "/v1/api-keys", tag = "api keys", operation_id = "list_api_keys", params(PageQuery),
    responses((status = OK, body = ApiKeyList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Paged<ApiKeyList>, Refusal> {
    caller.may(Action::ManageApiKeys)?;
    let page = service.page_key.open("api-keys".to_owned(), &strict(query)?)?;
    let list = move |issuer: &Issuer| {
        let (keys, next) = page.cut(issuer.api_keys(), |key| key.id.0);
        let api_keys = keys.into_iter().map(ApiKeyDocument::from).collect();
        ApiKeyList { api_keys, next_page_token: Some(next) }
    };
    Ok(Paged(service.look(list).await?))
}

/// Show an API key
#[utoipa::path(get, path = "/v1/api-keys/{api_key}", tag = "api keys", operation_id = "show_api_key",
    params(("api_key" = String, Path, description = "Id or name"), ReadQuery),
    responses((status = OK, body = ApiKeyDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    api_key: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ManageApiKeys)?;
    strict(query)?;
    let name = named(api_key)?;
    let document = service.look(move |issuer| issuer.api_key(&name).map(ApiKeyDocument::from)).await??;
    Ok(etag::answer(&headers, document.version, &document))
}
