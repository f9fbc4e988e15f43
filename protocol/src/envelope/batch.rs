//! Batch signatures: one Ed25519 signature over a Merkle tree of up to 64 lease tickets (SPEC BATCH).

use super::wire::{Envelope, SignatureEntry, message};
use super::{Realm, alg};
use crate::armour;
use crate::artefact::{Kind, LeaseTicket};
use crate::canonical;
use crate::keys::{KeyId, Signer, SignerFailed};
use crate::limits;
use crate::merkle::{self, Hash, Tree};
use crate::pae::pae;

/// A ticket's place in its tree, and the signature over the tree's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSignature {
    /// Which key signed the root.
    pub key_id: KeyId,
    /// The ticket's leaf.
    pub index: u16,
    /// Leaves of the tree, ≤ 64.
    pub size: u16,
    /// From the leaf upwards.
    pub path: Vec<Hash>,
    /// Over the root.
    pub signature: [u8; 64],
}

/// The tickets of one tree, in record order, under one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketBatch {
    key_id: KeyId,
    paths: Vec<Vec<Hash>>,
    signature: [u8; 64],
}

impl TicketBatch {
    /// The leaf of one ticket: SHA-256(0x00 ‖ M).
    pub fn leaf(realm: &Realm, ticket: &LeaseTicket) -> Hash {
        leaf(realm, &canonical::encode(ticket))
    }

    /// Signs the tree over `leaves` (1 to 64).
    pub fn sign(realm: &Realm, leaves: &[Hash], signer: &dyn Signer) -> Result<Self, SignerFailed> {
        let count =
            u16::try_from(leaves.len()).ok().filter(|_| (1..=limits::BATCH_TICKETS).contains(&leaves.len()));
        let size = count.ok_or_else(|| SignerFailed("a batch holds 1 to 64 tickets".into()))?;
        let Tree { root, paths } = Tree::new(leaves);
        let signature = signer.sign(&root_message(realm, size, &root))?;
        Ok(Self { key_id: signer.public_key().id(), paths, signature })
    }

    /// One that was signed before.
    pub fn signed(key_id: KeyId, leaves: &[Hash], signature: [u8; 64]) -> Self {
        Self { key_id, paths: Tree::new(leaves).paths, signature }
    }

    /// How many tickets there are: never none.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Over the tree's root.
    pub const fn signature(&self) -> [u8; 64] {
        self.signature
    }

    /// The envelope of the ticket that is leaf `index` as one line of text; none if there is no such leaf.
    pub fn line(&self, ticket: &LeaseTicket, index: u16) -> Option<String> {
        Some(armour::line(Kind::LeaseTicket, &self.envelope(ticket, index)?))
    }

    /// The envelope of the ticket that is leaf `index`, the same bytes each time; none if there is no such leaf.
    pub fn envelope(&self, ticket: &LeaseTicket, index: u16) -> Option<Vec<u8>> {
        let batch = BatchSignature {
            key_id: self.key_id,
            index,
            size: u16::try_from(self.paths.len()).unwrap_or(u16::MAX),
            path: self.paths.get(usize::from(index))?.clone(),
            signature: self.signature,
        };
        let payload = canonical::encode(ticket);
        let kind = Kind::LeaseTicket;
        let signatures = vec![SignatureEntry::Batch(batch)];
        Some(Envelope { kind, version: kind.version(), payload: &payload, signatures }.to_bytes())
    }
}

/// What the key must have signed for `payload` to be in the tree; `None` if the path does not fit.
pub(super) fn signed_message(realm: &Realm, payload: &[u8], batch: &BatchSignature) -> Option<Vec<u8>> {
    let (index, size) = (usize::from(batch.index), usize::from(batch.size));
    let root = merkle::root_from_path(leaf(realm, payload), index, size, &batch.path)?;
    Some(root_message(realm, batch.size, &root))
}

fn leaf(realm: &Realm, payload: &[u8]) -> Hash {
    merkle::leaf_hash(&message(Kind::LeaseTicket, alg::ED25519_BATCH, realm, b"", payload))
}

fn root_message(realm: &Realm, size: u16, root: &Hash) -> Vec<u8> {
    let alg = [alg::ED25519_BATCH];
    pae(&[b"LH1", b"lease-batch", &alg, &realm.id.0, &[realm.mode.byte()], b"", &size.to_le_bytes(), root])
}
