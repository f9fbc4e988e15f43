//! Who calls, in the words of the core.

use std::sync::Arc;

use leasehold_net::{Identity, Peer};
use leasehold_node_core::{Cause, Principal};
use leasehold_protocol::artefact::HolderProof;

use crate::api_keys::{ApiKey, Rights};

/// Who has sent a request; an extension of every request that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    peer: Peer,
    principal: Principal,
    rights: Rights,
    /// The name of the key that was shown.
    key: Option<Arc<str>>,
}

impl Caller {
    /// Somebody as the transport proved them.
    pub(super) fn of_transport(peer: Peer, rights: Rights) -> Self {
        let principal = match peer.identity {
            Identity::Uid(uid) => Principal::Uid(uid),
            Identity::TlsKey { key, .. } => Principal::TlsKey(key),
            Identity::Anonymous => Principal::Anonymous,
        };
        Self { peer, principal, rights, key: None }
    }

    /// Somebody who has shown a key.
    pub(super) fn of_key(peer: Peer, key: &ApiKey) -> Self {
        let principal = Principal::ApiKey(key.id());
        Self { peer, principal, rights: key.rights, key: Some(key.name.as_str().into()) }
    }

    /// Who asks.
    pub(crate) const fn principal(&self) -> Principal {
        self.principal
    }

    /// What they may do.
    pub(crate) const fn rights(&self) -> Rights {
        self.rights
    }

    /// How it is known that `user` asks.
    pub(crate) async fn proof(&self, user: &str) -> HolderProof {
        if self.key.as_deref() == Some(user) {
            return HolderProof::Bearer;
        }
        if self.peer.user().await == Some(user) { HolderProof::Uid } else { HolderProof::Asserted }
    }

    /// Who acts, as the asker says, else by what was proved, and why.
    pub(crate) async fn cause(&self, actor: Option<String>, reason: Option<String>) -> Cause {
        let actor = match (actor, &self.key) {
            (Some(actor), _) => actor,
            (None, Some(key)) => format!("key:{key}"),
            (None, None) => self.proved_actor().await,
        };
        Cause { actor, reason, idempotency_key: None }
    }

    async fn proved_actor(&self) -> String {
        match (self.peer.user().await, self.peer.identity) {
            (Some(user), _) => user.to_owned(),
            (None, Identity::TlsKey { key, .. }) => format!("tls:{key}"),
            (None, _) => "anonymous".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use leasehold_net::PeerAddress;
    use nix::unistd::Uid;

    use super::*;

    #[tokio::test]
    async fn only_the_user_of_the_process_is_proven() {
        let caller =
            |uid| Caller::of_transport(Peer::new(Identity::Uid(uid), PeerAddress::Unix), Rights::Seats);
        let own = leasehold_cli::os_user();
        let me = caller(Uid::current().as_raw());
        assert_eq!(me.proof(&own).await, HolderProof::Uid);
        assert_eq!(me.proof("somebody-else").await, HolderProof::Asserted);
        let nobody = caller(u32::MAX - 7);
        assert_eq!(nobody.proof("uid:4294967288").await, HolderProof::Uid);
        assert_eq!(nobody.proof(&own).await, HolderProof::Asserted);
    }

    #[tokio::test]
    async fn who_proves_nothing_is_nobody() {
        let address = PeerAddress::Tcp("127.0.0.1:1".parse().unwrap());
        let caller = Caller::of_transport(Peer::new(Identity::Anonymous, address), Rights::Seats);
        assert_eq!(caller.proof("anonymous").await, HolderProof::Asserted);
        assert_eq!(caller.cause(None, None).await.actor, "anonymous");
        assert_eq!(caller.cause(Some("ann".into()), None).await.actor, "ann");
    }
}
