//! Bytes of an envelope, and the messages that are hashed and signed.

use sha2::{Digest as _, Sha256};

use super::{BatchSignature, Realm, alg};
use crate::artefact::Kind;
use crate::bytes::Digest;
use crate::keys::KeyId;
use crate::limits;
use crate::merkle;
use crate::pae::pae;

/// First bytes of every envelope.
pub const MAGIC: [u8; 4] = *b"\x89LH1";
const HEADER_BYTES: usize = 12;

/// The parts of an envelope, borrowed from its bytes. Nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What the payload claims to be.
    pub kind: Kind,
    /// Version of the payload's type.
    pub version: u8,
    /// Postcard bytes.
    pub payload: &'a [u8],
    /// 1 to 16 entries; none for a container.
    pub signatures: Vec<SignatureEntry>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureEntry {
    /// alg 1.
    Ed25519 {
        /// Which key.
        key_id: KeyId,
        /// Over the message.
        signature: [u8; 64],
    },
    /// alg 4.
    Batch(BatchSignature),
}

impl SignatureEntry {
    /// The key the entry names.
    pub const fn key_id(&self) -> KeyId {
        match self {
            Self::Ed25519 { key_id, .. } => *key_id,
            Self::Batch(batch) => batch.key_id,
        }
    }
}

/// Bytes are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// No bytes at all.
    #[error("it is empty")]
    Empty,
    /// The first bytes are something else's.
    #[error("it does not begin like a Leasehold artefact")]
    BadMagic,
    /// Ends before its parts do.
    #[error("it is cut short")]
    Truncated,
    /// Longer than its parts.
    #[error("there are bytes after its end")]
    TrailingBytes,
    /// Over the cap of its type.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// Flags are reserved.
    #[error("it has flags that this version does not know")]
    UnknownFlags,
    /// A type this version does not know.
    #[error("its type {0} is not known to this version")]
    UnknownKind(u16),
    /// A version of the type this version does not know.
    #[error("its version {0} is not known to this version")]
    UnknownVersion(u8),
    /// No signature, too many, or any on a container.
    #[error("it has the wrong number of signatures")]
    SignatureCount,
    /// A signature algorithm that is unknown or not for this type.
    #[error("it has a signature of an algorithm that its type does not allow")]
    Algorithm,
    /// A batch signature whose index, size or path do not fit together.
    #[error("it has a batch signature whose place in the tree is impossible")]
    BatchPlace,
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart (SPEC ENV-1 to ENV-6).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        if bytes.is_empty() {
            return Err(EnvelopeError::Empty);
        }
        let mut reader = Reader(bytes);
        if reader.take(4)? != MAGIC {
            return Err(EnvelopeError::BadMagic);
        }
        let kind_number = u16::from_le_bytes(reader.array()?);
        let [version, flags] = reader.array()?;
        let payload_bytes = u32::from_le_bytes(reader.array()?) as usize;
        let kind = Kind::from_number(kind_number).ok_or(EnvelopeError::UnknownKind(kind_number))?;
        if flags != 0 {
            return Err(EnvelopeError::UnknownFlags);
        }
        if version != kind.version() {
            return Err(EnvelopeError::UnknownVersion(version));
        }
        if bytes.len() > kind.max_bytes() {
            return Err(EnvelopeError::TooLarge { limit: kind.max_bytes() });
        }
        let payload = reader.take(payload_bytes)?;
        let [count] = reader.array()?;
        let allowed = if kind == Kind::SeatProof { 0..=0 } else { 1..=limits::SIGNATURES };
        if !allowed.contains(&usize::from(count)) {
            return Err(EnvelopeError::SignatureCount);
        }
        let signatures = (0..count).map(|_| reader.signature(kind)).collect::<Result<_, _>>()?;
        if !reader.0.is_empty() {
            return Err(EnvelopeError::TrailingBytes);
        }
        Ok(Self { kind, version, payload, signatures })
    }

    /// The bytes of an envelope; the inverse of [`Envelope::parse`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + HEADER_BYTES + 1 + 80 * self.signatures.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.kind.number().to_le_bytes());
        out.extend_from_slice(&[self.version, 0]);
        let len = u32::try_from(self.payload.len()).expect("payloads are capped far below 4 GiB");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(self.payload);
        out.push(u8::try_from(self.signatures.len()).expect("signatures are capped at 16"));
        for entry in &self.signatures {
            write_signature(&mut out, entry);
        }
        out
    }

    /// The message that algorithm `alg` signs (SPEC ENV-7).
    pub(crate) fn message(&self, alg: u8, realm: &Realm, context: &[u8]) -> Vec<u8> {
        message(self.kind, alg, realm, context, self.payload)
    }
}

/// An unsigned container around `payload`.
pub fn container(kind: Kind, payload: &[u8]) -> Vec<u8> {
    Envelope { kind, version: kind.version(), payload, signatures: Vec::new() }.to_bytes()
}

/// The id of an artefact, independent of who signed it (SPEC ENV-9).
pub fn digest_of(kind: Kind, realm: &Realm, payload: &[u8]) -> Digest {
    let name = kind.type_name();
    let parts: [&[u8]; 5] = [b"LH1-id", name.as_bytes(), &realm.id.0, &[realm.mode.byte()], payload];
    Digest(Sha256::digest(pae(&parts)).into())
}

pub(super) fn message(kind: Kind, alg: u8, realm: &Realm, context: &[u8], payload: &[u8]) -> Vec<u8> {
    let name = kind.type_name();
    pae(&[b"LH1", name.as_bytes(), &[alg], &realm.id.0, &[realm.mode.byte()], context, payload])
}

fn write_signature(out: &mut Vec<u8>, entry: &SignatureEntry) {
    match entry {
        SignatureEntry::Ed25519 { key_id, signature } => {
            out.push(alg::ED25519);
            out.extend_from_slice(&key_id.0);
            out.extend_from_slice(signature);
        }
        SignatureEntry::Batch(batch) => {
            out.push(alg::ED25519_BATCH);
            out.extend_from_slice(&batch.key_id.0);
            out.extend_from_slice(&batch.index.to_le_bytes());
            out.extend_from_slice(&batch.size.to_le_bytes());
            batch.path.iter().for_each(|hash| out.extend_from_slice(hash));
            out.extend_from_slice(&batch.signature);
        }
    }
}

/// What is left of the input.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], EnvelopeError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(EnvelopeError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(EnvelopeError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    fn signature(&mut self, kind: Kind) -> Result<SignatureEntry, EnvelopeError> {
        let [alg] = self.array()?;
        match (alg, kind == Kind::LeaseTicket) {
            (alg::ED25519, false) => {
                Ok(SignatureEntry::Ed25519 { key_id: KeyId(self.array()?), signature: self.array()? })
            }
            (alg::ED25519_BATCH, true) => self.batch().map(SignatureEntry::Batch),
            _ => Err(EnvelopeError::Algorithm),
        }
    }

    fn batch(&mut self) -> Result<BatchSignature, EnvelopeError> {
        let key_id = KeyId(self.array()?);
        let index = u16::from_le_bytes(self.array()?);
        let size = u16::from_le_bytes(self.array()?);
        if index >= size || usize::from(size) > limits::BATCH_TICKETS {
            return Err(EnvelopeError::BatchPlace);
        }
        let hashes = merkle::path_len(usize::from(index), usize::from(size));
        let path = (0..hashes).map(|_| self.array()).collect::<Result<_, _>>()?;
        Ok(BatchSignature { key_id, index, size, path, signature: self.array()? })
    }
}
