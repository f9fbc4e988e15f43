//! Who calls, as the transport proved it, in the words of the core.

use leasehold_net::{Identity, Peer};
use leasehold_node_core::{Cause, Principal};
use leasehold_protocol::artefact::HolderProof;
use leasehold_protocol::code::Code;

use leasehold_net::Refusal;

/// Who asks.
pub(crate) fn principal(peer: &Peer) -> Result<Principal, Refusal> {
    match peer.identity {
        Identity::Uid(uid) => Ok(Principal::Uid(uid)),
        Identity::TlsKey { .. } | Identity::Anonymous => Err(Refusal::new(
            Code::Unauthenticated,
            "the node does not know this caller",
            "use its Unix socket",
        )),
    }
}

/// Whether the transport confirms that `user` asks.
pub(crate) async fn proof(peer: &Peer, user: &str) -> HolderProof {
    if peer.user().await == Some(user) { HolderProof::Uid } else { HolderProof::Asserted }
}

/// Who acts, as the asker says, else by the transport's word, and why.
pub(crate) async fn cause(peer: &Peer, actor: Option<String>, reason: Option<String>) -> Cause {
    let actor = match actor {
        Some(actor) => actor,
        None => peer.user().await.unwrap_or("anonymous").to_owned(),
    };
    Cause { actor, reason, idempotency_key: None }
}

#[cfg(test)]
mod tests {
    use leasehold_net::PeerAddress;
    use nix::unistd::Uid;

    use super::*;

    #[tokio::test]
    async fn only_the_user_of_the_process_is_proven() {
        let peer = |uid| Peer::new(Identity::Uid(uid), PeerAddress::Unix);
        let own = leasehold_cli::os_user();
        let me = peer(Uid::current().as_raw());
        assert_eq!(proof(&me, &own).await, HolderProof::Uid);
        assert_eq!(proof(&me, "somebody-else").await, HolderProof::Asserted);
        let nobody = peer(u32::MAX - 7);
        assert_eq!(proof(&nobody, "uid:4294967288").await, HolderProof::Uid);
        assert_eq!(proof(&nobody, &own).await, HolderProof::Asserted);
    }
}
