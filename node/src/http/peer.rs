//! Who is at the other end of a connection, by the kernel's word.

use std::sync::Arc;

use leasehold_node_core::{Cause, Principal};
use leasehold_protocol::artefact::HolderProof;
use nix::unistd::{Uid, User};
use tokio::sync::OnceCell;

/// The other end of one connection. Its user name is looked up at most once.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    uid: u32,
    user: Arc<OnceCell<String>>,
}

impl Peer {
    /// A process of this user.
    pub(crate) fn new(uid: u32) -> Self {
        Self { uid, user: Arc::default() }
    }

    /// Who asks.
    pub(crate) const fn principal(&self) -> Principal {
        Principal::Uid(self.uid)
    }

    /// Whether the kernel confirms that `user` asks.
    pub(crate) async fn proof(&self, user: &str) -> HolderProof {
        if self.user().await == user { HolderProof::Uid } else { HolderProof::Asserted }
    }

    /// Who acts, as the asker says, else by the kernel's word, and why.
    pub(crate) async fn cause(&self, actor: Option<String>, reason: Option<String>) -> Cause {
        let actor = match actor {
            Some(actor) => actor,
            None => self.user().await.to_owned(),
        };
        Cause { actor, reason, idempotency_key: None }
    }

    async fn user(&self) -> &str {
        let uid = self.uid;
        let look_up = || async move {
            // The name service may ask the network.
            let named = tokio::task::spawn_blocking(move || user_name(uid)).await;
            named.unwrap_or_else(|_| nameless(uid))
        };
        self.user.get_or_init(look_up).await
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
    async fn only_the_user_of_the_process_is_proven() {
        let peer = Peer::new(Uid::current().as_raw());
        let own = leasehold_cli::os_user();
        assert_eq!(peer.proof(&own).await, HolderProof::Uid);
        assert_eq!(peer.proof("somebody-else").await, HolderProof::Asserted);
        let nobody = Peer::new(u32::MAX - 7);
        assert_eq!(nobody.proof("uid:4294967288").await, HolderProof::Uid);
        assert_eq!(nobody.proof(&own).await, HolderProof::Asserted);
    }
}
