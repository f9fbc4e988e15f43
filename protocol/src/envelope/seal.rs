//! Making signed envelopes.

use super::wire::{Envelope, SignatureEntry, digest_of};
use super::{Realm, alg};
use crate::artefact::{Artefact, Malformed};
use crate::bytes::Digest;
use crate::canonical;
use crate::keys::{Signer, SignerFailed};

/// A signed envelope and the id of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What goes on the wire.
    pub envelope: Vec<u8>,
    /// Names the artefact, whoever signed it.
    pub digest: Digest,
}

/// An artefact could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Verifiers would refuse it.
    #[error("the artefact is not well formed: {0}")]
    Malformed(#[from] Malformed),
    /// Verifiers would refuse it for its size.
    #[error("the artefact takes {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The cap of its type.
        limit: usize,
    },
    /// The key's holder failed.
    #[error(transparent)]
    Signer(#[from] SignerFailed),
}

/// Signs `artefact` with every signer, one Ed25519 signature each.
pub fn seal<T: Artefact>(realm: &Realm, artefact: &T, signers: &[&dyn Signer]) -> Result<Sealed, SealError> {
    artefact.check()?;
    let payload = canonical::encode(artefact);
    let mut envelope =
        Envelope { kind: T::KIND, version: T::KIND.version(), payload: &payload, signatures: Vec::new() };
    let message = envelope.message(alg::ED25519, realm, b"");
    for signer in signers {
        let signature = signer.sign(&message)?;
        envelope.signatures.push(SignatureEntry::Ed25519 { key_id: signer.public_key().id(), signature });
    }
    let bytes = envelope.to_bytes();
    let limit = T::KIND.max_bytes();
    if bytes.len() > limit {
        return Err(SealError::TooLarge { bytes: bytes.len(), limit });
    }
    Ok(Sealed { digest: digest_of(T::KIND, realm, &payload), envelope: bytes })
}
