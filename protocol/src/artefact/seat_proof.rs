//! Type 18: the seat proof, an unsigned container of everything that proves a seat.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Extensions, Kind, Malformed, ensure};
use crate::bytes::{Bytes, Digest};
use crate::canonical::{self, CodecError};
use crate::envelope::{Envelope, EnvelopeError, container};
use crate::limits;
use crate::pae::pae;

/// A ticket with the chain that leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatProof {
    /// Everything but the ticket.
    pub chain: Chain,
    /// The lease ticket's envelope.
    pub ticket: Bytes,
    /// Later fields.
    pub ext: Extensions,
}

/// What leads from a trust root to the node that signed a ticket: envelopes verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Roots after the verifier's own, ascending; those it has are skipped.
    pub roots: Vec<Bytes>,
    /// The grant version its pool was cut from.
    pub grant: Bytes,
    /// The pool version its allocation was cut from.
    pub pool: Bytes,
    /// The allocation the ticket names.
    pub allocation: Bytes,
    /// The certificate of the node that serves it.
    pub certificate: Bytes,
}

/// Bytes are no seat proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofBytesError {
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An envelope of something else.
    #[error("it is a {0}, not a proof")]
    Not(Kind),
    /// Its payload is not canonical.
    #[error(transparent)]
    Payload(#[from] CodecError),
    /// Its payload breaks a rule.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Chain {
    /// Names the chain: SHA-256 over the PAE of its envelopes (SPEC PROOF-2).
    pub fn digest(&self) -> Digest {
        let roots = self.roots.iter().map(|root| root.0.as_slice());
        let rest = [&self.grant, &self.pool, &self.allocation, &self.certificate].map(|b| b.0.as_slice());
        let parts: Vec<&[u8]> = std::iter::once(b"LH1-chain".as_slice()).chain(roots).chain(rest).collect();
        Digest(Sha256::digest(pae(&parts)).into())
    }
}

impl SeatProof {
    /// The container's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        container(Kind::SeatProof, &canonical::encode(self))
    }

    /// Takes a container apart; nothing in it is verified yet.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofBytesError> {
        let envelope = Envelope::parse(bytes)?;
        if envelope.kind != Kind::SeatProof {
            return Err(ProofBytesError::Not(envelope.kind));
        }
        let proof: Self = canonical::decode(envelope.payload)?;
        ensure(proof.chain.roots.len() <= limits::SHORT_LIST, "roots", "has too many entries")?;
        proof.ext.check()?;
        Ok(proof)
    }
}
