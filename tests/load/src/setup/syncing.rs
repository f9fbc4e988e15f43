//! Nodes as their issuer sees them: each sends a signed request, is answered by a signed bundle, and goes on from that.

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_protocol::artefact::{
    Answers, Bundle, Extensions, Have, Issue, JournalTail, Kind, Ratchet, Request, Wants,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::bytes::{Digest, Nonce};
use leasehold_protocol::canonical;
use leasehold_protocol::envelope::{Envelope, Realm, digest_of, seal};
use leasehold_protocol::ids::RequestId;
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use sha2::{Digest as _, Sha256};

use super::fresh_key;
use crate::drive::http::Answer;
use crate::drive::{Operation, Talk, node_key};

/// A node that exchanges all the time; its first exchange enrols it.
pub(crate) struct Syncing {
    key: NodeKey,
    realm: Realm,
    /// What it asks next, ready but for what is new in each request.
    request: Request,
    /// The request that waits for its answer.
    asked: Digest,
    /// The last answer; empty before the first one.
    bundle: Vec<u8>,
}

impl Syncing {
    /// A registered node. Its key is that of its name, so that the same node can be had again.
    pub(super) fn new(realm: Realm, name: String, join: &JoinCode) -> Self {
        let key = NodeKey::of(&name);
        let (sign_key, tls_keys) = (key.public.bytes(), vec![node_key()]);
        let request = Request {
            issue: Issue { id: RequestId([0; 16]), serial: 0, issued_at: UnixMs::default() },
            account: None,
            node: None,
            name,
            generation: 0,
            sign_key,
            join: Some(join.secret.prove(sign_key, &tls_keys)),
            tls_keys,
            nonce: Nonce([0; 32]),
            have: Have { root_version: 1, head_version: 0, bundle: None },
            ratchet: Ratchet { counter: 0, tip: Digest([0; 32]) },
            report_seq: 0,
            released: Vec::new(),
            usage: Vec::new(),
            journal: JournalTail { seq: 0, chain: Digest([0; 32]) },
            wants: Wants::ALL,
            recovery: None,
            presented: None,
            ext: Extensions::NONE,
        };
        Self { key, realm, request, asked: Digest([0; 32]), bundle: Vec::new() }
    }

    /// The last bundle is what a node would believe.
    pub(crate) fn verify(&self, root: &TrustRoot) -> Result<()> {
        let opened = open_bundle(root, &self.bundle).context("an answer is no bundle to believe")?;
        ensure!(opened.certificate.sign_key == self.request.sign_key, "a bundle is another node's");
        ensure!(opened.allocations.len() == 1, "a bundle has {} rows", opened.allocations.len());
        Ok(())
    }

    /// Size of the last bundle.
    pub(crate) const fn bundle_bytes(&self) -> usize {
        self.bundle.len()
    }

    /// Goes on from this answer. Who signed it is looked at in the end, and of the last one only: this program shares the
    /// cores with the issuer.
    fn take(&mut self, answer: &[u8]) -> Result<()> {
        let envelope = Envelope::parse(answer)?;
        ensure!(envelope.kind == Kind::Bundle, "a {} instead of a bundle", envelope.kind);
        let bundle: Bundle = canonical::decode(envelope.payload)?;
        ensure!(bundle.answers == Answers::Request(self.asked), "a bundle for another request");
        let digest = digest_of(Kind::Bundle, &self.realm, envelope.payload);
        let request = &mut self.request;
        (request.account, request.node, request.join) = (Some(bundle.account), Some(bundle.node), None);
        (request.generation, request.ratchet) = (bundle.generation, bundle.ratchet);
        request.have.bundle = Some(digest);
        self.bundle.clear();
        self.bundle.extend_from_slice(answer);
        Ok(())
    }
}

impl Talk for Syncing {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if closing {
            return None;
        }
        let now = leasehold_clock::wall().expect("the machine knows the time");
        let serial = self.request.report_seq + 1;
        let number = fresh_key().to_be_bytes();
        self.request.issue = Issue { id: RequestId(number), serial, issued_at: now };
        (self.request.report_seq, self.request.nonce) = (serial, Nonce(Sha256::digest(number).into()));
        let sealed = seal(&self.realm, &self.request, &[&self.key]).expect("a request can be signed");
        self.asked = sealed.digest;
        let enrolled = self.request.node.is_some();
        let (path, operation) =
            if enrolled { ("sync", Operation::Sync) } else { ("enroll", Operation::Step) };
        let length = sealed.envelope.len();
        let head = format!(
            "POST /v1/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
             content-length: {length}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&sealed.envelope);
        Some(operation)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        self.take(answer.ok()?)?;
        Ok(Some(answer.bytes))
    }
}

struct NodeKey {
    secret: SigningKey,
    public: PublicKey,
}

impl NodeKey {
    fn of(name: &str) -> Self {
        let secret = SigningKey::from_bytes(&Sha256::digest(name).into());
        let public = PublicKeyBytes(secret.verifying_key().to_bytes());
        let public = PublicKey::admit(public).expect("a public key made from its secret is a good one");
        Self { secret, public }
    }
}

impl Signer for NodeKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.secret.sign(message).to_bytes())
    }
}
