//! Where a node is.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::limits::SOCKET_PATH_BYTES;

/// An address of a node: `unix:/path/to/node.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(PathBuf);

/// A text is no address that this version can connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither of the forms.
    #[error("{0:?} is no address of a node: write unix:/PATH")]
    Form(String),
    /// A relative path depends on where the program was started.
    #[error("the socket path of {0:?} is not absolute")]
    Relative(String),
    /// Longer than the kernel takes.
    #[error("the socket path of {0:?} is longer than {SOCKET_PATH_BYTES} bytes")]
    TooLong(String),
    /// TLS.
    #[error("{0:?} needs TLS, which this version does not have: use the node's Unix socket")]
    Tls(String),
}

impl Address {
    /// The path of the socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let owned = || text.to_owned();
        if text.starts_with("https://") {
            return Err(AddressError::Tls(owned()));
        }
        let path = text.strip_prefix("unix:").filter(|path| !path.is_empty() && !path.contains('\0'));
        let path = PathBuf::from(path.ok_or_else(|| AddressError::Form(owned()))?);
        if !path.is_absolute() {
            return Err(AddressError::Relative(owned()));
        }
        if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES {
            return Err(AddressError::TooLong(owned()));
        }
        Ok(Self(path))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_are_addresses() {
        let address: Address = "unix:/run/leasehold/node.sock".parse().unwrap();
        assert_eq!(address.socket(), Path::new("/run/leasehold/node.sock"));
        assert_eq!(address.to_string(), "unix:/run/leasehold/node.sock");
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
        let owned = str::to_owned;
        for (text, error) in [
            ("https://node:7580", AddressError::Tls(owned("https://node:7580"))),
            ("unix:node.sock", AddressError::Relative(owned("unix:node.sock"))),
            ("", AddressError::Form(String::new())),
            ("unix:", AddressError::Form(owned("unix:"))),
            ("/run/node.sock", AddressError::Form(owned("/run/node.sock"))),
            ("http://node", AddressError::Form(owned("http://node"))),
            ("unix:/a\0b", AddressError::Form(owned("unix:/a\0b"))),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
    }
}
