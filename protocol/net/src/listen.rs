//! Sockets to listen on, and why there is none.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::net::{TcpListener, TcpSocket};

use crate::limits;

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The kernel has no room for the path.
    #[error("the socket path {} has {bytes} bytes, more than {}", .path.display(), limits::SOCKET_PATH_BYTES)]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Something else lies at the path.
    #[error("{} exists and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// Another process listens there.
    #[error("another process listens at {0}")]
    InUse(String),
    /// The socket cannot be made.
    #[error("cannot listen at {place}: {source}")]
    CannotMake {
        /// Path or address.
        place: String,
        /// Why.
        source: io::Error,
    },
}

impl ListenError {
    /// The code of the registry.
    pub const fn code(&self) -> Code {
        match self {
            Self::PathTooLong { .. } => Code::ConfigInvalid,
            Self::InUse(_) => Code::Busy,
            Self::NoSocket(_) | Self::CannotMake { .. } => Code::CannotCreate,
        }
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::PathTooLong { .. } => "choose a shorter data directory, or a shorter --socket",
            Self::NoSocket(_) => "move it away, or choose another --socket",
            Self::InUse(_) => "stop it, or choose another --socket or --listen",
            Self::CannotMake { .. } => "check that this user may listen there",
        }
    }

    pub(crate) fn cannot_make(path: &Path, source: io::Error) -> Self {
        Self::CannotMake { place: path.display().to_string(), source }
    }
}

impl From<ListenError> for Problem {
    fn from(error: ListenError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

/// Listens at a TCP address; port 0 takes a free one. To be called inside of a runtime.
pub fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // The connections of the process before may still be closing.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(limits::BACKLOG)
    };
    bind().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address.to_string()),
        _ => ListenError::CannotMake { place: address.to_string(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_one_listener() {
        let first = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(bind_tcp(address).unwrap_err().code(), Code::Busy);
        drop(first);
        bind_tcp(address).unwrap();
        // TEST-NET-1 is no address of this machine.
        assert_eq!(bind_tcp("192.0.2.1:0".parse().unwrap()).unwrap_err().code(), Code::CannotCreate);
    }
}
