//! Commands that go through a running daemon's admin socket.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use http_body_util::Full;
use leasehold_cli::{Failure, not_owner};
use leasehold_net::{ConnectError, Connection, ExchangeError, Timeouts, unix_socket};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::data_dir::DataDir;
use crate::limits;

/// A daemon that runs on the data directory: one connection, for one request.
pub(crate) struct Admin {
    runtime: Runtime,
    connection: Connection,
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
        if unix_socket::check_path(&path).is_err() {
            // No daemon can listen there.
            return Ok(None);
        }
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| lost(&error.to_string()))?;
        let timeouts = Timeouts { answer: limits::DAEMON_TIMEOUT, ..Timeouts::default() };
        match runtime.block_on(Connection::unix(&path, timeouts)) {
            Ok(connection) => Ok(Some(Self { runtime, connection })),
            Err(ConnectError::Unreachable { source, .. })
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(ConnectError::Unreachable { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Err(not_owner(dir.path(), &source))
            }
            Err(ConnectError::Unreachable { source, .. }) => Err(Failure::cannot_read(&path, &source)),
            Err(error) => Err(Problem::from(error).into()),
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

    fn call<T: DeserializeOwned>(
        mut self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<T, Failure> {
        let exchange = self.connection.exchange(request(method, path, content), limits::DAEMON_ANSWER_BYTES);
        let answer = self.runtime.block_on(exchange).map_err(|error| match error {
            ExchangeError::Timeout { after, .. } => timed_out(after),
            error => lost(&error.to_string()),
        })?;
        let (status, body) = (answer.status(), answer.into_body());
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| lost(&format!("its answer is garbled: {error}")));
        }
        let problem: Problem = serde_json::from_slice(&body)
            .map_err(|_| lost(&format!("it answered {status} without saying why")))?;
        Err(problem.into())
    }
}

fn request(method: Method, path: &str, content: Content) -> Request<Full<Bytes>> {
    let (media_type, body) = match content {
        Content::None => (None, Vec::new()),
        Content::Json(body) => (Some("application/json"), body),
        Content::Artefact(body) => (Some("application/octet-stream"), body),
    };
    let mut request = Request::builder().method(method).uri(path);
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
