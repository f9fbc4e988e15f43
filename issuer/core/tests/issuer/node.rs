//! The node's side of an exchange: its key, and the requests it makes.

use std::collections::BTreeSet;

use leasehold_protocol::artefact::{
    Allocation, Extensions, Have, Issue, JournalTail, Ratchet, Receipt, Recovery, Released, Request, Wants,
};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::bytes::{Bytes, Digest, Nonce, SpkiDigest};
use leasehold_protocol::envelope::{Verified, seal};
use leasehold_protocol::ids::{AccountId, NodeId, ReceiptId, RequestId};
use leasehold_protocol::keys::{PublicKey, Signer as _};
use leasehold_protocol::request::{JoinSecret, open_receipt, open_request};
use leasehold_protocol::slots::SlotSet;

use crate::rig::{REALM, START, TestKey};

/// A node that is not ours to trust.
#[derive(Clone)]
pub(crate) struct TestNode {
    key: TestKey,
    requests: u8,
    pub(crate) tls_keys: Vec<SpkiDigest>,
    pub(crate) known_as: Option<(AccountId, NodeId)>,
    pub(crate) released: Vec<Released>,
    applied: Option<Digest>,
    /// The newest head and the exchanges that it applied.
    head_version: u64,
    exchanges: u64,
    pub(crate) generation: u32,
    pub(crate) journal: JournalTail,
    /// Everything of the issuer's that it stands on.
    stands_on: BTreeSet<Vec<u8>>,
    pub(crate) presents: bool,
    pub(crate) recovery: Option<Recovery>,
    /// The slots that it serves.
    pub(crate) serves: SlotSet,
}

impl TestNode {
    pub(crate) fn new(number: u8) -> Self {
        let tls_keys = vec![SpkiDigest([number; 32])];
        Self {
            key: TestKey::new(number),
            requests: 0,
            tls_keys,
            known_as: None,
            released: Vec::new(),
            applied: None,
            head_version: 0,
            exchanges: 0,
            generation: 0,
            journal: JournalTail { seq: 1, chain: Digest([0; 32]) },
            stands_on: BTreeSet::new(),
            presents: false,
            recovery: None,
            serves: SlotSet::EMPTY,
        }
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
            generation: if self.known_as.is_some() { self.generation.max(1) } else { 0 },
            sign_key,
            tls_keys: self.tls_keys.clone(),
            join: join.map(|secret| secret.prove(sign_key, &self.tls_keys)),
            nonce: Nonce([self.requests; 32]),
            have: Have { bundle: self.applied, head_version: self.head_version, root_version: 1 },
            ratchet: Ratchet { counter: self.exchanges, tip: Digest([0; 32]) },
            report_seq: u64::from(self.requests),
            released: self.released.clone(),
            usage: Vec::new(),
            journal: self.journal,
            wants: Wants::ALL,
            recovery: self.recovery,
            presented: self.presents.then(|| self.stands_on.iter().cloned().map(Bytes).collect()),
            ext: Extensions::NONE,
        };
        open_request(&seal(&REALM, &request, &[&self.key]).unwrap().envelope, REALM).unwrap()
    }

    /// Somebody else who says the same.
    pub(crate) fn with_key(&self, number: u8) -> Self {
        Self { key: TestKey::new(number), ..self.clone() }
    }

    /// Applies a bundle.
    pub(crate) fn take(&mut self, opened: &OpenedBundle) {
        self.known_as = Some((opened.bundle.account, opened.bundle.node));
        self.applied = Some(opened.bundle.digest());
        self.head_version = opened.head.version;
        self.exchanges = opened.bundle.ratchet.counter;
        self.generation = opened.bundle.generation;
        self.journal.seq += 1;
        self.serves = opened.allocations.iter().flat_map(|row| row.slots.iter()).collect();
        let envelopes = opened.grants.iter().map(Verified::envelope);
        let envelopes = envelopes.chain(opened.pools.iter().map(Verified::envelope));
        let envelopes = envelopes.chain(opened.allocations.iter().map(Verified::envelope));
        let envelopes = envelopes.chain([opened.certificate.envelope()]);
        self.stands_on = envelopes.map(<[u8]>::to_vec).collect();
    }

    /// Applies a bundle that a courier brings, unless it is older than what was applied.
    pub(crate) fn take_if_newer(&mut self, opened: &OpenedBundle) {
        if self.head_version <= opened.head.version {
            self.take(opened);
        }
    }

    /// Gives slots of a row back with the next report.
    pub(crate) fn release(&mut self, row: &Verified<Allocation>, slots: SlotSet) {
        let report_seq = u64::from(self.requests) + 1;
        self.released = vec![Released { allocation: row.digest(), slots, report_seq }];
    }

    /// A receipt for the bundle applied last.
    pub(crate) fn receipt(
        &mut self,
        sign_key_of: impl FnOnce(&Receipt) -> Option<PublicKey>,
    ) -> Verified<Receipt> {
        self.requests += 1;
        let (account, node) = self.known_as.unwrap();
        let receipt = Receipt {
            issue: Issue {
                id: ReceiptId([self.requests; 16]),
                serial: u64::from(self.requests),
                issued_at: START,
            },
            account,
            node,
            generation: self.generation,
            bundle: self.applied.unwrap(),
            ratchet: Ratchet { counter: self.exchanges, tip: Digest([0; 32]) },
            report_seq: u64::from(self.requests),
            released: self.released.clone(),
            journal: self.journal,
            ext: Extensions::NONE,
        };
        let envelope = seal(&REALM, &receipt, &[&self.key]).unwrap().envelope;
        open_receipt(&envelope, REALM, sign_key_of).unwrap()
    }
}
