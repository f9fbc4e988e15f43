//! HTTP/1.1 to one address of a node: one connection, kept, and used only when it is known who is there.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use leasehold_client_core::{Answer, Call, ConnectionKey, NotProven, prove_node};
use leasehold_net::{Address, ConnectError, ExchangeError, Timeouts};
use leasehold_protocol::api::{IdentityAnswer, ReleaseAnswer, RenewRequest};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::de::DeserializeOwned;

use crate::limits::{ANSWER_BYTES, IDENTITY_BYTES};
use crate::reach::Reach;

/// A connection to one address, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Connection {
    reach: Arc<Reach>,
    /// Which of its addresses.
    index: usize,
    open: Option<Proven>,
}

/// An open connection to whoever proved to be a node of the vendor; on a Unix socket to whoever owns it.
#[derive(Debug)]
struct Proven(leasehold_net::Connection);

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing was asked: whoever is there did not prove to be a node of the vendor.
    Unproven(Problem),
    /// Nobody answered, or the node refused.
    Problem(Problem),
}

impl Connection {
    pub(crate) const fn new(reach: Arc<Reach>, index: usize) -> Self {
        Self { reach, index, open: None }
    }

    /// Carries one call of the core to the node. Whatever fails is an answer, too.
    pub(crate) async fn call(&mut self, call: &Call) -> Answer {
        let answer = match call {
            Call::Checkout(request) => {
                let body = serde_json::to_vec(request).expect("a checkout is JSON");
                let decision = self.ask(Method::POST, "/v1/leases", Some(body)).await;
                decision.map(|decision| Answer::Decision(Box::new(decision)))
            }
            Call::Renew { lease, idle_ms } => {
                let body = idle_ms.map(|ms| RenewRequest { idle_ms: Some(ms), ..RenewRequest::default() });
                let body = body.map(|body| serde_json::to_vec(&body).expect("a renewal is JSON"));
                let decision = self.ask(Method::POST, &format!("/v1/leases/{lease}/renew"), body).await;
                decision.map(|decision| Answer::Decision(Box::new(decision)))
            }
            Call::Show { lease, ticket, held } => {
                let shown = RenewRequest { idle_ms: None, ticket: Some(ticket.clone()), held: *held };
                let body = serde_json::to_vec(&shown).expect("a ticket is JSON");
                let decision = self.ask(Method::POST, &format!("/v1/leases/{lease}/renew"), Some(body)).await;
                decision.map(|decision| Answer::Decision(Box::new(decision)))
            }
            Call::Release(lease) => {
                let released = self.ask(Method::DELETE, &format!("/v1/leases/{lease}"), None).await;
                released.map(|ReleaseAnswer { released }| Answer::Released(released))
            }
            Call::Chain(digest) => {
                let chain = self.ask(Method::GET, &format!("/v1/proof/{digest}"), None).await;
                chain.map(|chain| Answer::Chain(Box::new(chain)))
            }
        };
        answer.unwrap_or_else(|trouble| match trouble {
            Trouble::Unproven(problem) => Answer::Unproven(Box::new(problem)),
            Trouble::Problem(problem) => Answer::Problem(Box::new(problem)),
        })
    }

    /// One exchange: a document of the expected type, or the reason why there is none.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Trouble> {
        let request = self.request(method, path, body)?;
        let response = self.exchange(request).await?;
        Ok(self.understand(&response)?)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        // On a Unix socket the kernel says who asks.
        if let (Some(bearer), Address::Https { .. }) = (&self.reach.bearer, self.address()) {
            request = request.header(AUTHORIZATION, bearer.header());
        }
        request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Problem::new(Code::Internal, error.to_string(), "report this"))
    }

    /// Sends a request to the node, on the connection that is open or on a new one.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Trouble> {
        if let Some(Proven(mut open)) = self.open.take().filter(|Proven(open)| open.is_open()) {
            match open.exchange(request.clone(), ANSWER_BYTES).await {
                // The node closed it meanwhile, and has not seen the request.
                Err(ExchangeError::Closed(_)) => {}
                Err(error) => return Err(Trouble::Problem(error.into())),
                Ok(response) => {
                    self.open = Some(Proven(open));
                    return Ok(response);
                }
            }
        }
        let Proven(mut open) = self.connect().await?;
        let response = open.exchange(request, ANSWER_BYTES).await.map_err(Problem::from)?;
        self.open = Some(Proven(open));
        Ok(response)
    }

    /// Connects, and asks for the proof unless this very key gave it before.
    async fn connect(&self) -> Result<Proven, Trouble> {
        let address = self.address();
        tracing::debug!(%address, "connecting");
        let opened = leasehold_net::Connection::open(address, &self.reach.tls, Timeouts::default()).await;
        let mut open = opened.map_err(trouble)?;
        if let Some(key) = open.server_key()
            && !self.reach.knows(self.index, key)
        {
            self.prove(&mut open, key).await?;
            self.reach.learn(self.index, key);
        }
        Ok(Proven(open))
    }

    /// The first request of a connection, and the only one until its answer proved who is there (SPEC §7.7). It says
    /// nothing about who asks.
    async fn prove(&self, open: &mut leasehold_net::Connection, key: SpkiDigest) -> Result<(), Trouble> {
        let trust = self.reach.trust.as_ref().ok_or_else(|| no_root(self.address()))?;
        let question = Request::get("/v1/identity").body(Full::default());
        let question =
            question.map_err(|error| Problem::new(Code::Internal, error.to_string(), "report this"))?;
        let response = open.exchange(question, IDENTITY_BYTES).await.map_err(Problem::from)?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Trouble::Problem(self.refusal(&response)));
        }
        let vouched = self.reach.vouched;
        let key = if vouched { ConnectionKey::Vouched } else { ConnectionKey::Proven(key) };
        let proved = match serde_json::from_slice::<IdentityAnswer>(response.body()) {
            Ok(identity) if status.is_success() => prove_node(trust, &identity, key),
            _ => Err(NotProven::NoIdentity { status: status.as_u16() }),
        };
        match proved {
            Ok(certificate) => {
                tracing::debug!(address = %self.address(), node = %certificate.node, %key, "proved");
                Ok(())
            }
            Err(error) => Err(Trouble::Unproven(error.problem(&self.address().to_string()))),
        }
    }

    fn address(&self) -> &Address {
        &self.reach.addresses[self.index]
    }

    fn understand<T: DeserializeOwned>(&self, response: &Response<Bytes>) -> Result<T, Problem> {
        if response.status().is_success() {
            return serde_json::from_slice(response.body()).map_err(|error| self.garbled(&error.to_string()));
        }
        Err(self.refusal(response))
    }

    fn refusal(&self, response: &Response<Bytes>) -> Problem {
        let status = response.status().as_u16();
        match serde_json::from_slice::<Problem>(response.body()) {
            // The core judges by the status, so it must be that of the exchange.
            Ok(problem) => Problem { status, ..problem },
            Err(_) => self.garbled(&format!("HTTP {status} without a problem document")),
        }
    }

    /// Garbled is not refused: somebody else may be listening there.
    fn garbled(&self, why: &str) -> Problem {
        let detail = format!("what answers at {} is no node: {why}", self.address());
        Problem::new(Code::Unreachable, detail, "check what listens at the address")
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Whoever completes no handshake as it must is as little a node as whoever proves nothing after it.
fn trouble(error: ConnectError) -> Trouble {
    let untrusted = error.code() == Code::PeerUntrusted;
    let problem = Problem::from(error);
    if untrusted { Trouble::Unproven(problem.with("step", "connection")) } else { Trouble::Problem(problem) }
}

fn no_root(address: &Address) -> Problem {
    let detail = format!("without a trust root nothing proves that {address} is a node");
    Problem::new(Code::TrustRootMissing, detail, "add --trust FILE: the vendor's trust-root.lh")
}
