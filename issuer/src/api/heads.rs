//! Sealed heads, kept so that a poll costs no signature.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use leasehold_protocol::artefact::Head;
use leasehold_protocol::ids::AccountId;

use crate::limits;

/// The last head of each account that somebody asked for. A head that is not here is signed again, to the same bytes.
#[derive(Clone, Default)]
pub(super) struct Heads(Arc<Mutex<BTreeMap<AccountId, Sealed>>>);

type Sealed = (Head, Vec<u8>);

impl Heads {
    /// The bytes of exactly this head.
    pub(super) fn find(&self, head: &Head) -> Option<Vec<u8>> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.get(&head.account).filter(|(kept, _)| kept == head).map(|(_, bytes)| bytes.clone())
    }

    pub(super) fn keep(&self, head: Head, bytes: Vec<u8>) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= limits::KEPT_HEADS && !heads.contains_key(&head.account) {
            // Any other will do: it is signed again when it is asked for.
            heads.pop_first();
        }
        heads.insert(head.account, (head, bytes));
    }
}
