//! How often each address, API key and node may ask, and how answers say so.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use leasehold_net::{Peer, PeerAddress, RateLimit, Refusal};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::problem::Problem;
use tokio::time::Instant;

use super::caller::Principal;
use crate::limits;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The rates of all callers. Users of this machine have none.
#[derive(Clone)]
pub(crate) struct Rates(Option<Arc<Inner>>);

struct Inner {
    per_second: NonZeroU32,
    /// Whether callers on this machine are counted, too.
    local: Counted,
    addresses: RateLimit<IpAddr>,
    api_keys: RateLimit<Principal>,
    nodes: RateLimit<NodeId>,
}

/// Whether callers on this machine are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Only those from elsewhere.
    Remote,
    /// Everybody but users at the admin socket.
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

    /// So many requests per second of each address and of each API key.
    pub(crate) fn new(per_second: NonZeroU32, local: Counted) -> Self {
        Self(Some(Arc::new(Inner {
            per_second,
            local,
            addresses: RateLimit::new(per_second),
            api_keys: RateLimit::new(per_second),
            nodes: RateLimit::new(limits::NODE_EXCHANGES_PER_SECOND),
        })))
    }

    /// Counts a request before anything is known but where it comes from: even to find out who asks has a price.
    pub(super) fn admit_address(&self, peer: &Peer) -> Result<(), TooMany> {
        let Some((inner, PeerAddress::Tcp(address))) = self.counting(peer).zip(Some(peer.address)) else {
            return Ok(());
        };
        let group = peer.address.group().unwrap_or_else(|| address.ip().to_canonical());
        let per_second = inner.per_second;
        inner.addresses.admit(group, Instant::now()).map_err(|wait| TooMany { per_second, wait })
    }

    /// Counts a request of somebody who is known, unless they are not counted.
    pub(super) fn admit(&self, principal: Principal, peer: &Peer) -> Option<Result<Admitted, TooMany>> {
        let inner = self.counting(peer)?;
        let per_second = inner.per_second;
        let admitted = inner.api_keys.admit(principal, Instant::now());
        Some(admitted.map(|()| Admitted(per_second)).map_err(|wait| TooMany { per_second, wait }))
    }

    /// Counts what a node has signed: a new request of an enrolled node is answered with a whole bundle.
    pub(super) fn admit_node(&self, node: NodeId, peer: &Peer) -> Result<(), Problem> {
        let Some(inner) = self.counting(peer) else { return Ok(()) };
        let per_second = limits::NODE_EXCHANGES_PER_SECOND;
        let admitted = inner.nodes.admit(node, Instant::now());
        admitted.map_err(|wait| TooMany { per_second, wait }.problem())
    }

    /// None for peers that are not counted.
    fn counting(&self, peer: &Peer) -> Option<&Inner> {
        let inner = self.0.as_deref()?;
        let counted = match (inner.local, &peer.address) {
            (_, PeerAddress::Unix) => false,
            (Counted::Everybody, _) => true,
            (Counted::Remote, address) => !address.is_local(),
        };
        counted.then_some(inner)
    }
}

impl TooMany {
    fn problem(&self) -> Problem {
        Problem::new(
            Code::RateLimited,
            format!("more than {} requests in a second", self.per_second),
            "wait as long as Retry-After says, then send the same request again",
        )
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
        let mut response = Refusal::from(self.problem()).into_response();
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

#[cfg(test)]
mod tests {
    use leasehold_net::Identity;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::new(Identity::Anonymous, PeerAddress::Tcp(address.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_counted_whoever_asks_and_this_machine_only_if_said() {
        let rate = NonZeroU32::new(2).unwrap();
        let rates = Rates::new(rate, Counted::Remote);
        let (one, other, local) = (peer("192.0.2.1:1"), peer("192.0.2.2:1"), peer("127.0.0.1:1"));
        let admitted =
            |rates: &Rates, peer: &Peer| (0..3).filter(|_| rates.admit_address(peer).is_ok()).count();
        assert_eq!((admitted(&rates, &one), admitted(&rates, &other), admitted(&rates, &local)), (2, 2, 3));
        assert_eq!(admitted(&Rates::new(rate, Counted::Everybody), &local), 2);
        assert_eq!(admitted(&Rates::NONE, &one), 3);
        let unix = Peer::new(Identity::Uid(1), PeerAddress::Unix);
        assert_eq!(admitted(&Rates::new(rate, Counted::Everybody), &unix), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_exchanges_so_often() {
        let rates = Rates::new(NonZeroU32::new(200).unwrap(), Counted::Remote);
        let most = limits::NODE_EXCHANGES_PER_SECOND.get();
        for number in 1..=most + 1 {
            let admitted = rates.admit_node(NodeId([1; 16]), &peer("192.0.2.1:1"));
            assert_eq!(
                admitted.map_err(|problem| problem.code).err(),
                (number > most).then_some(Code::RateLimited)
            );
        }
        assert!(rates.admit_node(NodeId([2; 16]), &peer("192.0.2.1:1")).is_ok(), "another node");
    }
}
