//! What every change says beside its body: who and why, how often, and whether it is meant.

use std::borrow::Cow;

use axum::extract::{FromRequest, FromRequestParts as _, Query, Request};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use leasehold_issuer_core::{Cause, Command, Idempotency, Source};
use leasehold_net::Refusal;
use leasehold_net::body::{ArtefactBody, JsonBody};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::code::Code;
use leasehold_protocol::pae::pae;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::caller::{Caller, Principal};
use super::query::strict;
use super::seats::True;
use super::timestamp::Moment;
use crate::commit::{Done, How, Intent, Order, Planned, Turn, problem};
use crate::limits;

/// Makes retries safe.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier request.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every change accepts in its query
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// Say what would be done, and do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) validate_only: bool,
    /// Why, for the audit record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Who, for the audit record; only users of the issuer's machine may say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Say that the issuer's clock is right: it is this time now; only users of the issuer's machine may say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub(crate) accept_time: Option<Moment>,
}

/// Makes a retry safe: the same key does the work once
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header")]
pub(crate) struct IdempotencyHeader {
    /// 1 to 255 characters, new for each new request.
    #[param(rename = "Idempotency-Key", required = true, max_length = 255, min_length = 1)]
    idempotency_key: Option<String>,
}

/// A change that somebody asks for.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) caller: Caller,
    pub(crate) cause: Cause,
    pub(crate) intent: Intent,
}

/// A change and the body that says which.
pub(crate) struct Asked<B>(pub(crate) Change, pub(crate) B);

/// A body that an idempotency key stands for.
pub(crate) trait Meant {
    /// What it says, however it was written.
    fn meaning(&self) -> Cow<'_, [u8]>;
}

/// The answer to a change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Changed<T> {
    /// What the change came to.
    #[serde(flatten)]
    pub(crate) body: T,
    /// Present if it was only tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub(crate) dry_run: Option<True>,
    #[serde(skip)]
    replayed: bool,
}

impl<T> Changed<T> {
    pub(crate) fn new(done: &Done, body: T) -> Self {
        let dry_run = (done.how == How::Tried).then_some(True);
        Self { body, dry_run, replayed: done.how == How::Before }
    }

    /// How a sentence about the change begins.
    pub(crate) const fn verb(&self, done: &'static str, tried: &'static str) -> &'static str {
        match self.dry_run {
            None => done,
            Some(True) => tried,
        }
    }
}

impl<T: Serialize> IntoResponse for Changed<T> {
    fn into_response(self) -> Response {
        let replayed = self.replayed;
        let mut response = Json(self).into_response();
        if replayed {
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl Service {
    /// Has the command of a change decided and made durable.
    pub(crate) async fn command<F>(&self, change: Change, command: F) -> Result<Done, Problem>
    where
        F: FnOnce(&mut Turn<'_>, &Caller) -> Result<Command, Problem> + Send + 'static,
    {
        self.order(change, |turn, caller| {
            command(turn, caller).map(|command| Planned::Command(Box::new(command)))
        })
        .await
    }

    /// The same for a change that may be found done.
    pub(crate) async fn order<F>(&self, change: Change, plan: F) -> Result<Done, Problem>
    where
        F: FnOnce(&mut Turn<'_>, &Caller) -> Result<Planned, Problem> + Send + 'static,
    {
        let Change { caller, cause, intent } = change;
        self.writer.ask(Order { cause, intent, plan: Box::new(move |turn| plan(turn, &caller)) }).await
    }
}

impl<B> FromRequest<Service> for Asked<B>
where
    B: FromRequest<Service, Rejection = Refusal> + Meant,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, service).await?;
        let query = strict(Query::<ChangeQuery>::from_request_parts(&mut parts, service).await)?;
        let key = idempotency_key(&parts.headers, caller.principal)?;
        let intent = if query.validate_only { Intent::DryRun } else { Intent::Do };
        let mut cause = cause(&caller, query, &parts.headers)?;
        let head = parts.clone();
        let body = B::from_request(Request::from_parts(parts, body), service).await?;
        let params = || params(&head, cause.reason.as_deref(), &body.meaning());
        cause.idempotency = key.map(|key| Idempotency { key, params: params() });
        Ok(Self(Change { caller, cause, intent }, body))
    }
}

impl<T: Serialize> Meant for JsonBody<T> {
    fn meaning(&self) -> Cow<'_, [u8]> {
        Cow::Owned(serde_json::to_vec(&self.0).expect("what was JSON is JSON"))
    }
}

impl Meant for ArtefactBody {
    fn meaning(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

/// What a key stands for: all of a request that says what is wished. Whose it is is in the key.
fn params(head: &Parts, reason: Option<&str>, body: &[u8]) -> [u8; 16] {
    let version = head.headers.get(IF_MATCH).map_or(&[][..], HeaderValue::as_bytes);
    let said = [
        head.method.as_str().as_bytes(),
        head.uri.path().as_bytes(),
        version,
        reason.unwrap_or_default().as_bytes(),
        body,
    ];
    let hash = Sha256::digest(pae(&said));
    let mut params = [0; 16];
    params.copy_from_slice(&hash[..16]);
    params
}

fn cause(caller: &Caller, query: ChangeQuery, headers: &http::HeaderMap) -> Result<Cause, Problem> {
    let (actor, system, reference) = match (caller.principal, query.actor) {
        (Principal::User(_), Some(actor)) => (actor, "cli", None),
        (Principal::User(_), None) => (caller.name.clone(), "cli", None),
        (Principal::ApiKey(_), None) => (caller.name.clone(), "api", request_id(headers)),
        (Principal::ApiKey(_), Some(_)) => {
            let detail = "the actor of a request with an API key is the key";
            return Err(Problem::new(Code::NotAuthorised, detail, "leave the actor out"));
        }
    };
    let accept_time = accepted_time(caller.principal, query.accept_time.as_ref())?;
    let source = Source { system: system.to_owned(), reference };
    Ok(Cause { actor, source, reason: query.reason, idempotency: None, accept_time })
}

/// The time is one for all customers: whoever vouches for it stands at the machine whose clock it is.
fn accepted_time(principal: Principal, accepted: Option<&Moment>) -> Result<Option<UnixMs>, Problem> {
    match (principal, accepted) {
        (_, None) => Ok(None),
        (Principal::User(_), Some(at)) => Ok(Some(at.resolve(None).map_err(problem)?)),
        (Principal::ApiKey(_), Some(_)) => {
            let detail = "no API key vouches for the issuer's clock";
            Err(Problem::new(Code::NotAuthorised, detail, "accept the time at the issuer's machine"))
        }
    }
}

/// As long as it can be recorded.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?.trim();
    let fits = !id.is_empty() && id.len() <= leasehold_issuer_core::limits::SOURCE_BYTES;
    fits.then(|| id.to_owned())
}

/// The key that the core knows: of the caller and of what they sent, quoted or bare.
fn idempotency_key(headers: &HeaderMap, principal: Principal) -> Result<Option<IdempotencyKey>, Problem> {
    let hint = "send a new key for each new request, and the same one with its repetitions";
    let Some(sent) = headers.get(IDEMPOTENCY_KEY) else {
        return match principal {
            Principal::User(_) => Ok(None),
            Principal::ApiKey(_) => {
                Err(Problem::new(Code::InvalidRequest, "the request has no Idempotency-Key", hint))
            }
        };
    };
    let text = sent.to_str().ok().map(str::trim).map(unquoted).filter(|text| {
        (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&text.len()) && !text.contains(char::is_control)
    });
    let Some(text) = text else {
        let most = limits::IDEMPOTENCY_KEY_BYTES;
        let detail = format!("the Idempotency-Key is not 1 to {most} printable ASCII characters");
        return Err(Problem::new(Code::InvalidRequest, detail, hint));
    };
    let scope = match principal {
        Principal::User(uid) => format!("user:{uid}"),
        Principal::ApiKey(id) => id.to_string(),
    };
    let hash = Sha256::new().chain_update(scope).chain_update([0]).chain_update(text).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    Ok(Some(IdempotencyKey(key)))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &[u8], principal: Principal) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(text).unwrap());
        idempotency_key(&headers, principal)
    }

    #[test]
    fn a_key_is_the_callers_own_quoted_or_bare() {
        let (one, other) = (Principal::User(1), Principal::User(2));
        let bare = key(b"order-7", one).unwrap();
        assert!(bare.is_some());
        assert_eq!(bare, key(b"\"order-7\"", one).unwrap());
        assert_ne!(bare, key(b"order-7", other).unwrap());
        assert_ne!(bare, key(b"order-8", one).unwrap());
    }

    #[test]
    fn keys_are_bounded() {
        let one = Principal::User(1);
        let most = limits::IDEMPOTENCY_KEY_BYTES;
        for (bytes, allowed) in [(0, false), (1, true), (most - 1, true), (most, true), (most + 1, false)] {
            assert_eq!(key(&vec![b'k'; bytes], one).is_ok(), allowed, "{bytes}");
        }
        assert!(key(b"\"\"", one).is_err());
        assert!(key("schlüssel".as_bytes(), one).is_err());
    }
}
