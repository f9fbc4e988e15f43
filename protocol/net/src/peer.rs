//! Who is at the other end of a connection, as the transport proved it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasehold_protocol::bytes::SpkiDigest;
use nix::unistd::{Uid, User};
use tokio::sync::OnceCell;

/// The other end of one connection; an extension of every request on it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who it is.
    pub identity: Identity,
    /// Where it is.
    pub address: PeerAddress,
    user: Arc<OnceCell<String>>,
}

/// What the transport proved about the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The kernel says that its process runs as this user.
    Uid(u32),
    /// It owns this key. Whether the key may do anything is for the service to say.
    TlsKey {
        /// Hash of the key.
        key: SpkiDigest,
        /// Whether anybody else stands for it.
        vouching: Vouching,
    },
    /// Nothing.
    Anonymous,
}

/// Who stands for the key of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouching {
    /// A certificate of one of the authorities that the service was told.
    Authority,
    /// Nobody: a raw public key.
    Nobody,
}

/// Where the other end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// On this machine, at the other end of a Unix socket.
    Unix,
    /// At this address.
    Tcp(SocketAddr),
}

impl Peer {
    /// Somebody at the other end.
    pub fn new(identity: Identity, address: PeerAddress) -> Self {
        Self { identity, address, user: Arc::default() }
    }

    /// The name of the user that the kernel has named, looked up at most once per connection: `uid:N` for one without
    /// a name. None if it was not the kernel who said who this is.
    pub async fn user(&self) -> Option<&str> {
        let Identity::Uid(uid) = self.identity else { return None };
        let look_up = || async move {
            // The name service may ask the network.
            let named = tokio::task::spawn_blocking(move || user_name(uid)).await;
            named.unwrap_or_else(|_| nameless(uid))
        };
        Some(self.user.get_or_init(look_up).await)
    }
}

impl PeerAddress {
    /// What counts as one address where addresses are counted: a whole /64 in IPv6. None on this machine, which is not
    /// counted.
    pub fn group(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) if !self.is_local() => Some(match address.ip().to_canonical() {
                IpAddr::V4(address) => IpAddr::V4(address),
                IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            }),
            Self::Tcp(_) | Self::Unix => None,
        }
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix => true,
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }
}

fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map(|user| user.name).filter(|name| !name.is_empty()).unwrap_or_else(|| nameless(uid))
}

/// What programs call a user without a name.
fn nameless(uid: u32) -> String {
    format!("uid:{uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_users_of_this_machine_have_names() {
        let named =
            |identity| async move { Peer::new(identity, PeerAddress::Unix).user().await.map(str::to_owned) };
        assert_eq!(named(Identity::Uid(0)).await.as_deref(), Some("root"));
        assert_eq!(named(Identity::Uid(u32::MAX - 7)).await.as_deref(), Some("uid:4294967288"));
        assert_eq!(named(Identity::Anonymous).await, None);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let group = |text: &str| PeerAddress::Tcp(text.parse().unwrap()).group();
        assert_eq!(group("[2001:db8::1]:1"), group("[2001:db8::ffff:1]:2"));
        assert_ne!(group("[2001:db8::1]:1"), group("[2001:db8:0:1::1]:1"));
        assert_eq!(group("192.0.2.1:1"), group("[::ffff:192.0.2.1]:2"));
        assert_eq!((group("127.0.0.1:1"), PeerAddress::Unix.group()), (None, None));
    }

    #[test]
    fn loopback_is_local_in_every_dress() {
        for (address, local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[::ffff:192.0.2.1]:1", false),
        ] {
            assert_eq!(PeerAddress::Tcp(address.parse().unwrap()).is_local(), local, "{address}");
        }
    }
}
