//! The issuer's side of an exchange, as a node reaches it: TLS 1.3 with raw public keys, both sides known by their keys.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use leasehold_net::{Address, ClientTls, ClientTlsError, ConnectError, Connection, ExchangeError, ServerKey};
use leasehold_net::{Timeouts, TlsKey};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::limits::{ENVELOPE_BYTES, LARGE_ENVELOPE_BYTES};
use leasehold_protocol::problem::Problem;

use crate::limits;

/// A way to one issuer. The connection is kept between exchanges and made anew when it is lost.
pub(crate) struct Issuer {
    address: Address,
    tls: ClientTls,
    connection: Option<Connection>,
}

/// Why an exchange came to nothing. None of these takes a right away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContactError {
    /// Nobody there, or not who it must be.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No whole answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The issuer says no.
    #[error("the issuer refuses: {}", .0.detail)]
    Refused(Box<Problem>),
    /// The answer is none of those there can be.
    #[error("the answer of {address} makes no sense: {why}")]
    Garbled {
        /// Where.
        address: Address,
        /// Why.
        why: String,
    },
}

impl ContactError {
    /// Whether the issuer has answered, and would answer the same request in the same way again.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(problem) if !problem.retryable)
    }

    /// The code of the registry.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Connect(error) => error.code(),
            Self::Exchange(error) => error.code(),
            Self::Refused(problem) => problem.code,
            Self::Garbled { .. } => Code::Unreachable,
        }
    }
}

impl From<ContactError> for Problem {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::Connect(error) => error.into(),
            ContactError::Exchange(error) => error.into(),
            ContactError::Refused(problem) => *problem,
            ContactError::Garbled { .. } => {
                Self::new(error.code(), error.to_string(), "check what listens at the issuer's address")
            }
        }
    }
}

/// What a poll brought.
pub(crate) enum Polled {
    /// The head that the node has still stands.
    Unchanged,
    /// Another head: an envelope that nobody verified yet.
    Head(Bytes),
}

impl Issuer {
    /// An issuer that proves one of `keys`, seen by a node with the key `own`.
    pub(crate) fn new(
        address: Address,
        keys: BTreeSet<SpkiDigest>,
        own: &TlsKey,
    ) -> Result<Self, ClientTlsError> {
        let tls = ClientTls::new(&ServerKey::Pinned(keys), Some(own))?;
        Ok(Self { address, tls, connection: None })
    }

    /// Makes sure that somebody is there, who is the issuer.
    pub(crate) async fn reach(&mut self) -> Result<(), ContactError> {
        if !self.connection.as_ref().is_some_and(Connection::is_open) {
            self.connection = Some(self.connect().await?);
        }
        Ok(())
    }

    /// The first exchange: a request with a join proof, answered by a bundle.
    pub(crate) async fn enroll(&mut self, request: Vec<u8>) -> Result<Bytes, ContactError> {
        self.post("/v1/enroll", request, LARGE_ENVELOPE_BYTES).await
    }

    /// A later exchange: a request, answered by a bundle.
    pub(crate) async fn sync(&mut self, request: Vec<u8>) -> Result<Bytes, ContactError> {
        self.post("/v1/sync", request, LARGE_ENVELOPE_BYTES).await
    }

    /// Tells what was applied and is given back.
    pub(crate) async fn receipt(&mut self, receipt: Vec<u8>) -> Result<(), ContactError> {
        self.post("/v1/receipts", receipt, limits::ISSUER_ANSWER_BYTES).await.map(|_| ())
    }

    /// Asks for the account's head, and waits up to `wait` for another one than that of `version`.
    pub(crate) async fn poll(
        &mut self,
        account: AccountId,
        version: u64,
        wait: Duration,
    ) -> Result<Polled, ContactError> {
        let path = format!("/v1/accounts/{account}/head?wait_ms={}", wait.as_millis());
        let etag = HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header");
        let request = Request::get(path).header(IF_NONE_MATCH, etag.clone());
        let request = request.body(Full::default()).expect("the paths of this program are valid");
        let answer = self.exchange(request, ENVELOPE_BYTES).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED => Ok(Polled::Unchanged),
            // A cache that does not know conditions.
            StatusCode::OK if answer.headers().get(ETAG) == Some(&etag) => Ok(Polled::Unchanged),
            StatusCode::OK => Ok(Polled::Head(answer.into_body())),
            _ => Err(self.refusal(&answer)),
        }
    }

    async fn post(
        &mut self,
        path: &'static str,
        envelope: Vec<u8>,
        max_bytes: usize,
    ) -> Result<Bytes, ContactError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(Full::from(envelope))
            .expect("the paths of this program are valid");
        let answer = self.exchange(request, max_bytes).await?;
        if answer.status().is_success() { Ok(answer.into_body()) } else { Err(self.refusal(&answer)) }
    }

    /// A connection that was closed meanwhile carried nothing out: it is made anew once.
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, ContactError> {
        if let Some(mut connection) = self.connection.take().filter(Connection::is_open) {
            match connection.exchange(request.clone(), max_bytes).await {
                Err(ExchangeError::Closed(_)) => {}
                answer => return self.keep(connection, answer),
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.exchange(request, max_bytes).await;
        self.keep(connection, answer)
    }

    async fn connect(&self) -> Result<Connection, ConnectError> {
        let timeouts = Timeouts { answer: limits::ISSUER_ANSWER_TIMEOUT, ..Timeouts::default() };
        Connection::open(&self.address, &self.tls, timeouts).await
    }

    fn keep(
        &mut self,
        connection: Connection,
        answer: Result<Response<Bytes>, ExchangeError>,
    ) -> Result<Response<Bytes>, ContactError> {
        self.connection = answer.is_ok().then_some(connection);
        Ok(answer?)
    }

    fn refusal(&self, answer: &Response<Bytes>) -> ContactError {
        let status = answer.status();
        match serde_json::from_slice(answer.body()) {
            Ok(problem) if status.is_client_error() || status.is_server_error() => {
                ContactError::Refused(Box::new(problem))
            }
            _ => {
                let why = format!("status {status} without saying why");
                ContactError::Garbled { address: self.address.clone(), why }
            }
        }
    }
}
