//! Who may come in by which door: the one place that turns a transport's proof into a [`Caller`].

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use leasehold_net::{HttpService, Identity, Peer, RateLimit, Refusal, Vouching};
use leasehold_node_core::Principal;
use leasehold_protocol::code::Code;
use tokio::time::Instant;

use super::caller::Caller;
use crate::api_keys::{KeyRing, Rights};

/// By which socket callers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The data socket: users of this machine.
    Data,
    /// The admin socket: whom the file system lets in may do everything.
    Admin,
    /// TCP.
    Network(Anonymous),
}

/// What callers of the network may do who prove nothing, or a key that nobody vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    /// Take seats, if they are on this machine.
    OnThisMachine,
    /// Take seats, wherever they are.
    Everywhere,
}

/// The door of one listener, and what is known of those who come.
#[derive(Debug)]
pub(crate) struct Access {
    door: Door,
    keys: Arc<KeyRing>,
    rate: RateLimit<Asker>,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Known(Principal),
    Address(IpAddr),
}

impl Access {
    pub(crate) fn new(door: Door, keys: Arc<KeyRing>, requests_per_second: NonZeroU32) -> Self {
        Self { door, keys, rate: RateLimit::new(requests_per_second) }
    }

    /// Who comes, or why not.
    fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match self.door {
            Door::Data => Ok(Caller::of_transport(peer, Rights::Seats)),
            Door::Admin => Ok(Caller::of_transport(peer, Rights::Admin)),
            Door::Network(anonymous) => self.admit_from_network(peer, headers, anonymous).ok_or_else(unknown),
        }
    }

    fn admit_from_network(&self, peer: Peer, headers: &HeaderMap, anonymous: Anonymous) -> Option<Caller> {
        // Who shows a key wants to be known by it: a wrong one is no way to be anonymous.
        if let Some(shown) = headers.get(AUTHORIZATION) {
            let key = self.keys.find(bearer(shown.to_str().ok()?)?)?;
            return Some(Caller::of_key(peer, &key));
        }
        let welcome = match peer.identity {
            Identity::Uid(_) | Identity::TlsKey { vouching: Vouching::Authority, .. } => true,
            Identity::TlsKey { vouching: Vouching::Nobody, .. } | Identity::Anonymous => {
                anonymous == Anonymous::Everywhere || peer.address.is_local()
            }
        };
        welcome.then(|| Caller::of_transport(peer, Rights::Seats))
    }

    /// Counts a request, except of this machine. Who is not known is counted by address.
    fn count(&self, peer: &Peer, known: Option<&Caller>) -> Result<(), Refusal> {
        let Some(address) = peer.address.group() else { return Ok(()) };
        let vouched = matches!(peer.identity, Identity::TlsKey { vouching: Vouching::Authority, .. });
        let asker = match known.map(Caller::principal) {
            Some(known @ Principal::ApiKey(_)) => Asker::Known(known),
            Some(known) if vouched => Asker::Known(known),
            // A key that nobody vouches for is made in no time.
            _ => Asker::Address(address),
        };
        self.rate.admit(asker, Instant::now()).map_err(|wait| {
            let detail =
                format!("more requests than this caller may make; the next in {} ms", wait.as_millis());
            Refusal::new(Code::RateLimited, detail, "ask less often, or raise limits.requests_per_second")
        })
    }
}

/// Routes behind a door. Each request is counted, also one that is refused.
///
/// The door is around the routers: a layer inside of one costs a request several allocations.
#[derive(Clone)]
pub(crate) struct Guarded {
    access: Arc<Access>,
    known: Router,
    open: Router,
}

impl Guarded {
    /// `known` is for those whom `access` admits, who come with their [`Caller`]; `open`, at the paths [`OPEN`], for
    /// everybody.
    pub(super) const fn new(access: Arc<Access>, known: Router, open: Router) -> Self {
        Self { access, known, open }
    }

    /// Lets a request through with its [`Caller`], or refuses it.
    fn admit(&self, request: &mut Request) -> Result<(), Refusal> {
        let peer = request.extensions().get::<Peer>().cloned().ok_or_else(unknown)?;
        let caller = self.access.admit(peer.clone(), request.headers());
        self.access.count(&peer, caller.as_ref().ok())?;
        request.extensions_mut().insert(caller?);
        Ok(())
    }

    /// Lets a request through, whoever sent it.
    fn count(&self, request: &Request) -> Result<(), Refusal> {
        request.extensions().get::<Peer>().map_or(Ok(()), |peer| self.access.count(peer, None))
    }
}

/// Where everybody may ask.
pub(super) const OPEN: [&str; 3] = ["/v1/identity", "/livez", "/readyz"];

impl HttpService for Guarded {
    async fn answer(&self, mut request: Request) -> Response {
        let (let_in, routes) = if OPEN.contains(&request.uri().path()) {
            (self.count(&request), &self.open)
        } else {
            (self.admit(&mut request), &self.known)
        };
        match let_in {
            Ok(()) => routes.answer(request).await,
            Err(refusal) => refusal.into_response(),
        }
    }
}

/// A caller who may do everything.
pub(super) struct Administrator(pub(super) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Extension(caller) =
            Extension::<Caller>::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        if caller.rights() == Rights::Admin {
            return Ok(Self(caller));
        }
        let hint = "use the node's admin socket, or an admin key: `leasehold-node key add --admin`";
        Err(Refusal::new(Code::NotAuthorised, "this is for administrators of the node", hint))
    }
}

fn bearer(shown: &str) -> Option<&str> {
    let (scheme, key) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn unknown() -> Refusal {
    let hint = "show a key of `leasehold-node key add`, or a certificate of the node's client_ca";
    Refusal::new(Code::Unauthenticated, "the node does not know who asks", hint)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use leasehold_net::PeerAddress;
    use leasehold_protocol::bytes::SpkiDigest;

    use super::*;
    use crate::api_keys;
    use crate::data_dir::DataDir;

    const FAR: &str = "192.0.2.1:1";
    const NEAR: &str = "127.0.0.1:1";
    const DIGEST: SpkiDigest = SpkiDigest([7; 32]);

    fn peer(identity: Identity, address: &str) -> Peer {
        Peer::new(identity, PeerAddress::Tcp(address.parse().unwrap()))
    }

    fn key(vouching: Vouching) -> Identity {
        Identity::TlsKey { key: DIGEST, vouching }
    }

    fn shown(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())])
    }

    #[test]
    fn the_network_lets_in_who_is_known_and_who_is_near() {
        let dir = tempfile::tempdir().unwrap();
        let dir = DataDir::new(dir.path());
        let (stored, text) = api_keys::add(&dir, "ann", Rights::Admin).unwrap();
        let keys = Arc::new(KeyRing::load(&dir).unwrap());
        let access = |anonymous| Access::new(Door::Network(anonymous), Arc::clone(&keys), NonZeroU32::MIN);
        let (strict, open) = (access(Anonymous::OnThisMachine), access(Anonymous::Everywhere));
        let none = HeaderMap::new();
        let principal = |access: &Access, peer, headers: &HeaderMap| {
            access.admit(peer, headers).ok().map(|caller| caller.principal())
        };
        let (tls, nobody) = (Some(Principal::TlsKey(DIGEST)), Some(Principal::Anonymous));
        for (identity, near, far, far_if_open) in [
            (Identity::Anonymous, nobody, None, nobody),
            (key(Vouching::Nobody), tls, None, tls),
            (key(Vouching::Authority), tls, tls, tls),
        ] {
            assert_eq!(principal(&strict, peer(identity, NEAR), &none), near, "{identity:?}");
            assert_eq!(principal(&strict, peer(identity, FAR), &none), far, "{identity:?}");
            assert_eq!(principal(&open, peer(identity, FAR), &none), far_if_open, "{identity:?}");
        }
        for text in [format!("Bearer {}", *text), format!("bearer  {}", *text)] {
            let caller = strict.admit(peer(Identity::Anonymous, FAR), &shown(&text)).unwrap();
            assert_eq!(
                (caller.principal(), caller.rights()),
                (Principal::ApiKey(stored.id()), Rights::Admin)
            );
        }
        for wrong in ["Bearer lhk_wrong", "Bearer", "Basic YTpi", text.as_str(), ""] {
            for address in [NEAR, FAR] {
                let refused = open.admit(peer(Identity::Anonymous, address), &shown(wrong)).unwrap_err();
                assert_eq!(refused.0.code, Code::Unauthenticated, "{wrong}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_identity_has_its_rate_and_this_machine_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyRing::load(&DataDir::new(dir.path())).unwrap());
        let access = Access::new(Door::Network(Anonymous::Everywhere), keys, NonZeroU32::new(3).unwrap());
        let counted = |identity, address: &str| {
            let peer = peer(identity, address);
            let caller = access.admit(peer.clone(), &HeaderMap::new()).unwrap();
            (0..10).filter(|_| access.count(&peer, Some(&caller)).is_ok()).count()
        };
        assert_eq!(counted(Identity::Anonymous, NEAR), 10);
        assert_eq!(counted(Identity::Anonymous, FAR), 3);
        assert_eq!(counted(Identity::Anonymous, "192.0.2.1:2"), 0, "the address is who asks, not the port");
        assert_eq!(counted(Identity::Anonymous, "192.0.2.2:1"), 3);
        assert_eq!(counted(key(Vouching::Nobody), FAR), 0, "a key of its own making is nobody new");
        assert_eq!(counted(key(Vouching::Authority), FAR), 3, "one that is vouched for is");
        assert_eq!(counted(key(Vouching::Authority), "192.0.2.9:1"), 0, "wherever it comes from");
    }

    #[tokio::test(start_paused = true)]
    async fn what_everybody_may_ask_and_what_is_refused_is_counted_by_address() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyRing::load(&DataDir::new(dir.path())).unwrap());
        let door = Door::Network(Anonymous::OnThisMachine);
        let access = Arc::new(Access::new(door, keys, NonZeroU32::new(3).unwrap()));
        let answer = || async { "here" };
        let known = Router::new().route("/known", get(answer));
        let routes = Guarded::new(access, known, Router::new().route("/livez", get(answer)));
        let mut answers = Vec::new();
        for (path, address) in [
            ("/livez", FAR),
            ("/known", FAR),
            ("/livez", FAR),
            ("/livez", FAR),
            ("/known", FAR),
            ("/livez", "192.0.2.2:1"),
            ("/livez", NEAR),
        ] {
            let request = axum::http::Request::get(path).extension(peer(Identity::Anonymous, address));
            let request = request.body(axum::body::Body::empty()).unwrap();
            answers.push(routes.answer(request).await.status().as_u16());
        }
        assert_eq!(answers, [200, 401, 200, 429, 429, 200, 200]);
    }
}
