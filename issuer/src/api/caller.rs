//! Who asks: a user of this machine, or whoever holds an API key.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use leasehold_issuer_core::{ApiKey, Issuer, Role};
use leasehold_net::{Identity, Peer, Refusal};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Mode;
use leasehold_protocol::ids::{AccountId, ApiKeyId};
use leasehold_protocol::problem::Problem;
use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};

use super::Service;
use super::permission::{self, Action};
use crate::signing::prefix;

/// Who asks, and how far they reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) principal: Principal,
    /// The name that audits show unless the caller gives another.
    pub(crate) name: String,
    role: Role,
    /// The account whose subtree is all that there is for them; none for everything.
    pub(crate) subtree: Option<AccountId>,
}

/// Who somebody is proven to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Principal {
    /// A user of this machine, who may do everything with the state anyway.
    User(u32),
    /// The holder of an API key.
    ApiKey(ApiKeyId),
}

impl Caller {
    /// Refuses what the caller may not do.
    pub(crate) fn may(&self, action: Action) -> Result<(), Problem> {
        permission::check(self.role, action)
    }

    /// Whether what belongs to `account` exists for the caller.
    pub(crate) fn sees(&self, issuer: &Issuer, account: AccountId) -> bool {
        self.subtree.is_none_or(|root| issuer.is_within(account, root))
    }

    /// Somebody who needs no key of the API, because what they send is signed.
    pub(super) fn everything() -> Self {
        Self::user(Uid::effective().as_raw(), "node".to_owned())
    }

    fn user(uid: u32, name: String) -> Self {
        Self { principal: Principal::User(uid), name, role: Role::Owner, subtree: None }
    }

    fn holder(key: &ApiKey) -> Self {
        Self {
            principal: Principal::ApiKey(key.id),
            name: key.id.to_string(),
            role: key.role,
            subtree: key.account,
        }
    }
}

/// Finds out who asks, once per request. Nobody is refused here: some requests need no name.
pub(super) async fn identify(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    if let Some(Err(refused)) = peer.as_ref().map(|peer| service.rates.admit_address(peer)) {
        return refused.into_response();
    }
    let caller = authenticate(&service, peer.as_ref(), request.headers()).await;
    let admitted = match (&caller, &peer) {
        (Ok(caller), Some(peer)) => service.rates.admit(caller.principal, peer),
        _ => None,
    };
    if let Some(Err(refused)) = admitted {
        return refused.into_response();
    }
    request.extensions_mut().insert(Identified(caller));
    let mut response = next.run(request).await;
    if let Some(Ok(rate)) = admitted {
        rate.show(response.headers_mut());
    }
    if response.status() == axum::http::StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[derive(Clone)]
struct Identified(Result<Caller, Problem>);

impl FromRequestParts<Service> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _service: &Service) -> Result<Self, Refusal> {
        let identified = parts.extensions.get::<Identified>().cloned();
        let Identified(caller) = identified.ok_or_else(|| unauthenticated("nobody said who asks"))?;
        Ok(caller?)
    }
}

async fn authenticate(
    service: &Service,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    if let Some(peer) = peer
        && let (Identity::Uid(uid), Some(name)) = (peer.identity, peer.user().await)
    {
        return Ok(Caller::user(uid, name.to_owned()));
    }
    let bearer = headers.get(AUTHORIZATION).ok_or_else(|| unauthenticated("the request has no API key"))?;
    let secret = bearer.to_str().ok().and_then(|text| {
        let (scheme, secret) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim().to_owned())
    });
    let secret = secret.ok_or_else(|| unauthenticated("the Authorization header is not `Bearer KEY`"))?;
    let digest = Digest(Sha256::digest(secret.as_bytes()).into());
    let find = move |issuer: &Issuer| {
        check_mode(issuer, &secret)?;
        let key = issuer.api_key_of(digest).ok_or_else(|| unauthenticated("the API key opens nothing"))?;
        Ok(Caller::holder(key))
    };
    service.writer.look(move |durable| find(durable.issuer)).await?
}

/// A key of a sandbox that comes to a live issuer, or the reverse, is told so.
fn check_mode(issuer: &Issuer, secret: &str) -> Result<(), Problem> {
    let mode = issuer.trust_root().map(|trust| trust.realm().mode);
    let other = match mode {
        Some(Mode::Live) => secret.starts_with(prefix(Mode::Sandbox)),
        Some(Mode::Sandbox) => secret.starts_with(prefix(Mode::Live)),
        None => false,
    };
    if !other {
        return Ok(());
    }
    let hint = "use a key that was made here";
    Err(Problem::new(Code::WrongEnvironment, "the API key is of another kind of environment", hint))
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail, "send `Authorization: Bearer KEY` with an active API key")
}
