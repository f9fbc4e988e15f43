//! Where a service is.

use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::pki_types::ServerName;

use crate::limits;

/// An address of a service: `unix:/path/to/node.sock` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket, absolute.
    Unix(PathBuf),
    /// TLS over TCP.
    Https {
        /// Name or IP address; the latter in IPv6 without brackets.
        host: String,
        /// Port; 443 if the text has none.
        port: u16,
    },
}

/// A text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither of the forms.
    #[error("{0:?} is no address: write unix:/PATH or https://HOST:PORT")]
    Form(String),
    /// A relative path depends on where the program was started.
    #[error("the socket path of {0:?} is not absolute")]
    Relative(String),
    /// Longer than the kernel takes.
    #[error("the socket path of {0:?} is longer than {max} bytes", max = limits::SOCKET_PATH_BYTES)]
    TooLong(String),
    /// Neither a name nor an IP address.
    #[error("{0:?} names no host")]
    Host(String),
    /// Nothing of a service lies elsewhere than at its root, and passwords do not belong into addresses.
    #[error("{0:?} has more than a host and a port")]
    More(String),
}

const HTTPS_PORT: u16 = 443;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(authority) = text.strip_prefix("https://") {
            return https(authority.strip_suffix('/').unwrap_or(authority), text);
        }
        let path = text.strip_prefix("unix:").filter(|path| !path.is_empty() && !path.contains('\0'));
        let path = PathBuf::from(path.ok_or_else(|| AddressError::Form(text.to_owned()))?);
        if !path.is_absolute() {
            return Err(AddressError::Relative(text.to_owned()));
        }
        if path.as_os_str().as_bytes().len() > limits::SOCKET_PATH_BYTES {
            return Err(AddressError::TooLong(text.to_owned()));
        }
        Ok(Self::Unix(path))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Https { host, port } if host.parse::<Ipv6Addr>().is_ok() => {
                write!(f, "https://[{host}]:{port}")
            }
            Self::Https { host, port } => write!(f, "https://{host}:{port}"),
        }
    }
}

fn https(authority: &str, text: &str) -> Result<Address, AddressError> {
    if authority.contains(['/', '?', '#', '@']) {
        return Err(AddressError::More(text.to_owned()));
    }
    let no_host = || AddressError::Host(text.to_owned());
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            host.parse::<Ipv6Addr>().map_err(|_| no_host())?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(no_host)?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    ServerName::try_from(host).map_err(|_| no_host())?;
    // `parse` alone would take a sign.
    let number = |port: &str| port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map_or(Some(HTTPS_PORT), number).filter(|port| *port != 0);
    let port = port.ok_or_else(|| AddressError::Form(text.to_owned()))?;
    Ok(Address::Https { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text() {
        for text in [
            "unix:/run/leasehold/node.sock",
            "https://node:7580",
            "https://node.example:7580",
            "https://192.0.2.1:7580",
            "https://[2001:db8::1]:7580",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for (text, whole) in [("https://node/", "https://node:443"), ("https://[::1]", "https://[::1]:443")] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), whole);
        }
    }

    #[test]
    fn the_path_is_bounded() {
        for (bytes, allowed) in [(106, true), (107, true), (108, false)] {
            let text = format!("unix:/{}", "s".repeat(bytes - 1));
            assert_eq!(text.parse::<Address>().is_ok(), allowed, "{bytes}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_why() {
        let form = |text: &str| AddressError::Form(text.to_owned());
        let host = |text: &str| AddressError::Host(text.to_owned());
        let more = |text: &str| AddressError::More(text.to_owned());
        for (text, error) in [
            ("unix:node.sock", AddressError::Relative("unix:node.sock".into())),
            ("", form("")),
            ("unix:", form("unix:")),
            ("unix:/a\0b", form("unix:/a\0b")),
            ("/run/node.sock", form("/run/node.sock")),
            ("http://node", form("http://node")),
            ("https://", host("https://")),
            ("https://no host", host("https://no host")),
            ("https://[node]:1", host("https://[node]:1")),
            ("https://[::1]1", host("https://[::1]1")),
            ("https://::1:1", host("https://::1:1")),
            ("https://node:0", form("https://node:0")),
            ("https://node:+1", form("https://node:+1")),
            ("https://node:65536", form("https://node:65536")),
            ("https://node:", form("https://node:")),
            ("https://node/v1", more("https://node/v1")),
            ("https://ann:secret@node", more("https://ann:secret@node")),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
    }
}
