//! From an address to a connection, or the reason why there is none.

use std::io;
use std::path::Path;
use std::time::Duration;

use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error as TlsError, PeerIncompatible};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::tls::{ClientTls, NotPinned, client_handshake};
use crate::{Address, limits};

/// How long a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the other end has accepted a connection.
    pub connect: Duration,
    /// For the TLS handshake after that.
    pub handshake: Duration,
    /// From sending a request to the end of its answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIMEOUT,
            handshake: limits::HANDSHAKE_TIMEOUT,
            answer: limits::ANSWER_TIMEOUT,
        }
    }
}

/// There is no connection; nothing was sent but, in TLS, a handshake.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers.
    #[error("nobody answers at {address}: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers in time.
    #[error("nobody answers at {address} within {} ms", .after.as_millis())]
    ConnectTimeout {
        /// Where.
        address: String,
        /// How long it was waited.
        after: Duration,
    },
    /// What accepted the connection did not finish the handshake in time.
    #[error("the TLS handshake with {address} did not end within {} ms", .after.as_millis())]
    HandshakeTimeout {
        /// Where.
        address: String,
        /// How long it was waited.
        after: Duration,
    },
    /// The handshake failed: what answers speaks no TLS 1.3, or refuses this client.
    #[error("the TLS handshake with {address} failed: {why}")]
    Handshake {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// It proved another key.
    #[error("what answers at {address} has the key {found}, which is not one that it must have")]
    KeyNotPinned {
        /// Where.
        address: String,
        /// The key that it has.
        found: SpkiDigest,
    },
    /// It knows no raw public keys, so it is not one of ours or something stands in between.
    #[error("what answers at {0} has no raw public key to show")]
    NoRawKey(String),
    /// Its certificate is not good for its name and the authorities that were named.
    #[error("the certificate of {address} is not trusted: {why}")]
    CertificateNotTrusted {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
}

impl ConnectError {
    /// The code of the registry.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } | Self::Handshake { .. } => Code::Unreachable,
            Self::ConnectTimeout { .. } | Self::HandshakeTimeout { .. } => Code::Timeout,
            Self::KeyNotPinned { .. } | Self::NoRawKey(_) | Self::CertificateNotTrusted { .. } => {
                Code::PeerUntrusted
            }
        }
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::ConnectTimeout { .. } => {
                "check the address and that the service runs"
            }
            Self::HandshakeTimeout { .. } | Self::Handshake { .. } => "check what listens at the address",
            Self::KeyNotPinned { .. } => "check the address and the key; somebody may be in between",
            Self::NoRawKey(_) => {
                "check the address; if a customer's certificate is expected there, name its authority"
            }
            Self::CertificateNotTrusted { .. } => "check the address, and the file of authorities",
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

/// A Unix socket.
pub(crate) async fn unix(path: &Path, timeouts: Timeouts) -> Result<UnixStream, ConnectError> {
    let address = || Address::Unix(path.to_owned()).to_string();
    in_time(UnixStream::connect(path), timeouts, address).await
}

/// TLS over TCP, and the key that the other end has proved.
pub(crate) async fn https(
    host: &str,
    port: u16,
    tls: &ClientTls,
    timeouts: Timeouts,
) -> Result<(TlsStream<TcpStream>, SpkiDigest), ConnectError> {
    let address = || Address::Https { host: host.to_owned(), port }.to_string();
    let unreachable = |source| ConnectError::Unreachable { address: address(), source };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(io::Error::other(error)))?;
    let stream = in_time(TcpStream::connect((host, port)), timeouts, address).await?;
    stream.set_nodelay(true).map_err(unreachable)?;
    match tokio::time::timeout(timeouts.handshake, client_handshake(tls, name, stream)).await {
        Ok(Ok(shaken)) => Ok(shaken),
        Ok(Err(error)) => Err(refused(address(), tls, &error)),
        Err(_) => Err(ConnectError::HandshakeTimeout { address: address(), after: timeouts.handshake }),
    }
}

async fn in_time<T>(
    connect: impl Future<Output = io::Result<T>>,
    timeouts: Timeouts,
    address: impl Fn() -> String,
) -> Result<T, ConnectError> {
    match tokio::time::timeout(timeouts.connect, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ConnectError::Unreachable { address: address(), source }),
        Err(_) => Err(ConnectError::ConnectTimeout { address: address(), after: timeouts.connect }),
    }
}

fn refused(address: String, tls: &ClientTls, error: &io::Error) -> ConnectError {
    let why = || error.to_string();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidCertificate(CertificateError::Other(other))) => match other.0.downcast_ref() {
            Some(&NotPinned(found)) => ConnectError::KeyNotPinned { address, found },
            None => ConnectError::CertificateNotTrusted { address, why: why() },
        },
        Some(TlsError::InvalidCertificate(_)) => ConnectError::CertificateNotTrusted { address, why: why() },
        Some(TlsError::PeerIncompatible(PeerIncompatible::IncorrectCertificateTypeExtension)) => {
            ConnectError::NoRawKey(address)
        }
        // Servers that know certificates only leave the extension out, as above, or say one of these.
        Some(TlsError::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::UnsupportedCertificate,
        )) if tls.wants_raw_key() => ConnectError::NoRawKey(address),
        _ => ConnectError::Handshake { address, why: why() },
    }
}
