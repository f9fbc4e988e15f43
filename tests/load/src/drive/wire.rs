//! Where a server listens, and connections to it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{self, Client};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP without TLS. Nothing of ours listens so; a peer does.
    Tcp(SocketAddr),
    /// TLS 1.3 with whatever raw key the server shows.
    Tls(SocketAddr),
    /// The same, as a node that shows its own key.
    TlsOfNode(SocketAddr),
}

/// A connection, whatever carries it.
pub(crate) type Wire = Pin<Box<dyn ByteStream>>;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

impl Place {
    pub(crate) async fn connect(&self) -> Result<Wire> {
        let wire: Result<Wire> = match self {
            Self::Unix(path) => UnixStream::connect(path).await.map(boxed).map_err(Into::into),
            Self::Tcp(address) => tcp(*address).await.map(boxed),
            Self::Tls(address) => secured(*address, Client::Application).await,
            Self::TlsOfNode(address) => secured(*address, Client::Node).await,
        };
        wire.with_context(|| format!("cannot connect to {self}"))
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secured(address: SocketAddr, client: Client) -> Result<Wire> {
    tls::handshake(tcp(address).await?, client).await.map(boxed)
}

fn boxed(stream: impl ByteStream + 'static) -> Wire {
    Box::pin(stream)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) | Self::TlsOfNode(address) => write!(f, "https://{address}"),
        }
    }
}
