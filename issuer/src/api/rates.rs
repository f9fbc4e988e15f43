//! How often each API key may ask, and how answers say so.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use leasehold_net::{Peer, PeerAddress, RateLimit, Refusal};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::time::Instant;

use super::caller::Principal;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The rates of all callers. Users of this machine have none.
#[derive(Clone)]
pub(crate) struct Rates(Option<Arc<Inner>>);

struct Inner {
    per_second: NonZeroU32,
    /// Whether callers on this machine are counted, too.
    local: Counted,
    limit: RateLimit<Principal>,
}

/// Whether callers on this machine are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Only those from elsewhere.
    Remote,
    /// Everybody with an API key.
    Everybody,
}

/// A request that was admitted.
pub(super) struct Admitted(NonZeroU32);

/// A request that was one too many.
pub(super) struct TooMany {
    per_second: NonZeroU32,
    wait: Duration,
}

impl Rates {
    /// No bounds.
    pub(crate) const NONE: Self = Self(None);

    /// So many requests per second of each API key.
    pub(crate) fn new(per_second: NonZeroU32, local: Counted) -> Self {
        Self(Some(Arc::new(Inner { per_second, local, limit: RateLimit::new(per_second) })))
    }

    /// Counts a request, unless its caller is not counted.
    pub(super) fn admit(&self, principal: Principal, peer: &Peer) -> Option<Result<Admitted, TooMany>> {
        let Self(Some(inner)) = self else { return None };
        let counted = match (inner.local, &peer.address) {
            (_, PeerAddress::Unix) => false,
            (Counted::Everybody, _) => true,
            (Counted::Remote, address) => !address.is_local(),
        };
        let admitted = counted.then(|| inner.limit.admit(principal, Instant::now()))?;
        let per_second = inner.per_second;
        Some(admitted.map(|()| Admitted(per_second)).map_err(|wait| TooMany { per_second, wait }))
    }
}

impl Admitted {
    /// Says the rate in the answer.
    pub(super) fn show(&self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, policy(self.0));
    }
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        let seconds = self.wait.as_millis().div_ceil(1000).max(1);
        let problem = Problem::new(
            Code::RateLimited,
            format!("more than {} requests in a second", self.per_second),
            "wait as long as Retry-After says, then send the same request again",
        );
        let mut response = Refusal::from(problem).into_response();
        let headers = response.headers_mut();
        headers.insert(RATE_LIMIT_POLICY, policy(self.per_second));
        if let Ok(left) = HeaderValue::from_str(&format!("\"requests\";r=0;t={seconds}")) {
            headers.insert(RATE_LIMIT, left);
        }
        response
    }
}

fn policy(per_second: NonZeroU32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"requests\";q={per_second};w=1"))
        .expect("digits and ASCII are a header value")
}
