//! HTTP/1.1 to one address of a node: one connection, kept.

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use leasehold_client_core::{Answer, Call};
use leasehold_protocol::api::ReleaseAnswer;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::Address;
use crate::limits::{ANSWER_BYTES, HEAD_BYTES};

/// A connection to one address, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Address,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) const fn new(address: Address) -> Self {
        Self { address, open: None }
    }

    /// Carries one call of the core to the node. Whatever fails is an answer, too.
    pub(crate) async fn call(&mut self, call: &Call) -> Answer {
        let answer = match call {
            Call::Checkout(request) => {
                let body = serde_json::to_vec(request).expect("a checkout is JSON");
                let decision = self.ask(Method::POST, "/v1/leases", Some(body)).await;
                decision.map(|decision| Answer::Decision(Box::new(decision)))
            }
            Call::Renew(lease) => {
                let decision = self.ask(Method::POST, &format!("/v1/leases/{lease}/renew"), None).await;
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
        answer.unwrap_or_else(|problem| Answer::Problem(Box::new(problem)))
    }

    /// One exchange: a document of the expected type, or a problem.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Problem> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Problem::new(Code::Internal, error.to_string(), "report this"))?;
        let mut sender = self.sender().await?;
        let response = sender.send_request(request).await.map_err(|error| self.cut(&error))?;
        let (status, body) = self.receive(response).await?;
        // Only a connection whose answer was read to its end can be used again.
        self.open = Some(sender);
        self.understand(status, &body)
    }

    async fn sender(&mut self) -> Result<SendRequest<Full<Bytes>>, Problem> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        let stream = UnixStream::connect(self.address.socket()).await.map_err(|error| {
            let detail = format!("nobody answers at {}: {error}", self.address);
            Problem::new(Code::Unreachable, detail, "check the address and that the node runs")
        })?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.cut(&error))?;
        // It ends with the sender; what goes wrong on it is told to the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn receive(&self, response: Response<Incoming>) -> Result<(StatusCode, Bytes), Problem> {
        let status = response.status();
        match Limited::new(response.into_body(), ANSWER_BYTES).collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.garbled(&format!("it has more than {ANSWER_BYTES} bytes")))
            }
            Err(error) => Err(self.cut(&*error)),
        }
    }

    fn understand<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, Problem> {
        if status.is_success() {
            return serde_json::from_slice(body).map_err(|error| self.garbled(&error.to_string()));
        }
        let problem = serde_json::from_slice::<Problem>(body)
            .map_err(|_| self.garbled(&format!("HTTP {} without a problem document", status.as_u16())))?;
        // The core judges by the status, so it must be that of the exchange.
        Err(Problem { status: status.as_u16(), ..problem })
    }

    fn cut(&self, error: &dyn std::error::Error) -> Problem {
        let detail = format!("the connection to {} broke off: {error}", self.address);
        Problem::new(Code::Unreachable, detail, "check that the node runs")
    }

    /// Garbled is not refused: somebody else may be listening there.
    fn garbled(&self, why: &str) -> Problem {
        let detail = format!("what answers at {} is no node: {why}", self.address);
        Problem::new(Code::Unreachable, detail, "check what listens at the address")
    }
}
