//! Commands that go through a running daemon's admin socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use leasehold_cli::Failure;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::de::DeserializeOwned;

use crate::data_dir::DataDir;
use crate::{limits, socket};

/// A daemon that runs on the data directory: one connection, for one request.
pub(crate) struct Admin {
    stream: UnixStream,
}

/// What is sent along.
pub(crate) enum Content {
    /// Nothing.
    None,
    /// A document.
    Json(Vec<u8>),
    /// An artefact.
    Artefact(Vec<u8>),
}

impl Admin {
    /// The daemon, if one runs.
    pub(crate) fn find(dir: &DataDir) -> Result<Option<Self>, Failure> {
        let path = dir.admin_socket();
        if socket::check_path(&path).is_err() {
            // No daemon can listen there.
            return Ok(None);
        }
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Some(Self { stream })),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::cannot_read(&path, &error)),
        }
    }

    /// Asks for something that is only read.
    pub(crate) fn get<T: DeserializeOwned>(self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, Content::None)
    }

    /// Has something done.
    pub(crate) fn post<T: DeserializeOwned>(self, path: &str, content: Content) -> Result<T, Failure> {
        self.call(Method::POST, path, content)
    }

    fn call<T: DeserializeOwned>(self, method: Method, path: &str, content: Content) -> Result<T, Failure> {
        let request = request(method, path, content);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| lost(&error.to_string()))?;
        let exchange = self.exchange(request);
        let answered =
            runtime.block_on(async { tokio::time::timeout(limits::DAEMON_TIMEOUT, exchange).await });
        let (status, body) = answered.map_err(|_| timed_out(limits::DAEMON_TIMEOUT))??;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| lost(&format!("its answer is garbled: {error}")));
        }
        let problem: Problem = serde_json::from_slice(&body)
            .map_err(|_| lost(&format!("it answered {status} without saying why")))?;
        Err(problem.into())
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let exchange = async {
            self.stream.set_nonblocking(true)?;
            let stream = tokio::net::UnixStream::from_std(self.stream)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the exchange, at the latest when the runtime does.
            tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, limits::DAEMON_ANSWER_BYTES).collect().await?;
            Ok((head.status, body.to_bytes()))
        };
        exchange.await.map_err(|error: Box<dyn std::error::Error + Send + Sync>| lost(&error.to_string()))
    }
}

fn request(method: Method, path: &str, content: Content) -> Request<Full<Bytes>> {
    let (media_type, body) = match content {
        Content::None => (None, Vec::new()),
        Content::Json(body) => (Some("application/json"), body),
        Content::Artefact(body) => (Some("application/octet-stream"), body),
    };
    let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    if let Some(media_type) = media_type {
        request = request.header(CONTENT_TYPE, media_type);
    }
    request.body(Full::from(body)).expect("the paths of this program are valid")
}

fn lost(why: &str) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("the running daemon did not answer: {why}"),
        "see its log and the state with `leasehold-node status`, then try again",
    )
}

fn timed_out(after: Duration) -> Failure {
    let detail = format!("the running daemon did not answer within {} s", after.as_secs());
    Failure::new(Code::Timeout, detail, "see its log; what was asked may still be carried out")
}
