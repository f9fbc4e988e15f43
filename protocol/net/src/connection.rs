//! HTTP/1.1 on one connection.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use crate::connect::{self, ConnectError, Timeouts};
use crate::{Address, ClientTls, limits};

/// A connection to a service, for one request after the other.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    server_key: Option<SpkiDigest>,
    timeouts: Timeouts,
    /// None once an exchange has failed: what comes next on the wire belongs to nobody.
    open: Option<SendRequest<Full<Bytes>>>,
    driver: AbortHandle,
}

/// A request got no answer. Whether it was carried out is not known.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection was closed before the request could be sent: it was not carried out.
    #[error("the connection to {0} is closed")]
    Closed(Address),
    /// The connection broke off, or what came was no HTTP.
    #[error("the connection to {address} broke off: {why}")]
    Cut {
        /// Where.
        address: Address,
        /// Why, with all causes.
        why: String,
    },
    /// No whole answer in time.
    #[error("{address} did not answer within {} ms", .after.as_millis())]
    Timeout {
        /// Where.
        address: Address,
        /// How long it was waited.
        after: Duration,
    },
    /// The answer is larger than the caller takes.
    #[error("the answer of {address} has more than {max_bytes} bytes")]
    TooLarge {
        /// Where.
        address: Address,
        /// How many it may have.
        max_bytes: usize,
    },
}

impl ExchangeError {
    /// The code of the registry.
    pub const fn code(&self) -> Code {
        match self {
            Self::Closed(_) | Self::Cut { .. } | Self::TooLarge { .. } => Code::Unreachable,
            Self::Timeout { .. } => Code::Timeout,
        }
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        Self::new(
            error.code(),
            error.to_string(),
            "check that the service runs, and what listens at the address",
        )
    }
}

impl Connection {
    /// Connects. What TLS must prove is proved when this returns.
    pub async fn open(address: &Address, tls: &ClientTls, timeouts: Timeouts) -> Result<Self, ConnectError> {
        match address {
            Address::Unix(path) => Self::unix(path, timeouts).await,
            Address::Https { host, port } => {
                let (stream, key) = connect::https(host, *port, tls, timeouts).await?;
                Self::begin(address.clone(), stream, Some(key), timeouts).await
            }
        }
    }

    /// Connects to a Unix socket. Who listens there, the file system says.
    pub async fn unix(path: &Path, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let stream = connect::unix(path, timeouts).await?;
        Self::begin(Address::Unix(path.to_owned()), stream, None, timeouts).await
    }

    /// The key that the other end has proved; none on a Unix socket.
    pub const fn server_key(&self) -> Option<SpkiDigest> {
        self.server_key
    }

    /// Where it goes.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Whether another request may be sent. A connection that failed is not used again.
    pub fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Sends a request and takes its whole answer, of at most `max_bytes`.
    pub async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let mut sender = self.open.take().ok_or_else(|| ExchangeError::Closed(self.address.clone()))?;
        request.headers_mut().entry(HOST).or_insert_with(|| host(&self.address));
        let exchange = async {
            sender.ready().await.map_err(|_| ExchangeError::Closed(self.address.clone()))?;
            let (head, body) =
                sender.send_request(request).await.map_err(|error| self.cut(&error))?.into_parts();
            let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return ExchangeError::TooLarge { address: self.address.clone(), max_bytes };
                }
                self.cut(&*error)
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let after = self.timeouts.answer;
        let answer = tokio::time::timeout(after, exchange).await;
        let answer =
            answer.map_err(|_| ExchangeError::Timeout { address: self.address.clone(), after })??;
        // Only a connection whose answer was read to its end can be used again.
        self.open = Some(sender);
        Ok(answer)
    }

    async fn begin(
        address: Address,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        server_key: Option<SpkiDigest>,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectError> {
        let begun = http1::Builder::new()
            .max_buf_size(limits::HEAD_BYTES)
            .max_headers(limits::HEADERS)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = begun.map_err(|error| ConnectError::Handshake {
            address: address.to_string(),
            why: error.to_string(),
        })?;
        // What goes wrong on it is told to the sender.
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { address, server_key, timeouts, open: Some(sender), driver })
    }

    fn cut(&self, error: &(dyn std::error::Error + 'static)) -> ExchangeError {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let why = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        ExchangeError::Cut { address: self.address.clone(), why }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn host(address: &Address) -> HeaderValue {
    let host = match address {
        Address::Unix(_) => "localhost".to_owned(),
        Address::Https { .. } => address.to_string().trim_start_matches("https://").to_owned(),
    };
    HeaderValue::try_from(host).expect("the name of a host is a header value")
}
