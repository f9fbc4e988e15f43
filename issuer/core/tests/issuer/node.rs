//! The node's side of an exchange: its key, and the requests it makes.

use leasehold_protocol::artefact::{Extensions, Have, Issue, JournalTail, Ratchet, Request, Wants};
use leasehold_protocol::bytes::{Digest, Nonce, SpkiDigest};
use leasehold_protocol::envelope::{Verified, seal};
use leasehold_protocol::ids::{AccountId, NodeId, RequestId};
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::request::{JoinSecret, open_request};

use crate::rig::{REALM, START, TestKey};

/// A node that is not ours to trust.
pub(crate) struct TestNode {
    key: TestKey,
    requests: u8,
    pub(crate) tls_keys: Vec<SpkiDigest>,
    pub(crate) known_as: Option<(AccountId, NodeId)>,
}

impl TestNode {
    pub(crate) fn new(number: u8) -> Self {
        let tls_keys = vec![SpkiDigest([number; 32])];
        Self { key: TestKey::new(number), requests: 0, tls_keys, known_as: None }
    }

    /// Another request, with the join code if one is given.
    pub(crate) fn request(&mut self, join: Option<JoinSecret>) -> Verified<Request> {
        self.requests += 1;
        let sign_key = self.key.public_key().bytes();
        let request = Request {
            issue: Issue {
                id: RequestId([self.requests; 16]),
                serial: u64::from(self.requests),
                issued_at: START,
            },
            account: self.known_as.map(|(account, _)| account),
            node: self.known_as.map(|(_, node)| node),
            name: "plant".to_owned(),
            generation: u32::from(self.known_as.is_some()),
            sign_key,
            tls_keys: self.tls_keys.clone(),
            join: join.map(|secret| secret.prove(sign_key, &self.tls_keys)),
            nonce: Nonce([self.requests; 32]),
            have: Have::default(),
            ratchet: Ratchet { counter: 0, tip: Digest([0; 32]) },
            report_seq: 0,
            released: Vec::new(),
            usage: Vec::new(),
            journal: JournalTail { seq: 1, chain: Digest([0; 32]) },
            wants: Wants::ALL,
            ext: Extensions::NONE,
        };
        open_request(&seal(&REALM, &request, &[&self.key]).unwrap().envelope, REALM).unwrap()
    }
}
