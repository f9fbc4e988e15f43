//! The envelope: magic, type, payload, signatures (SPEC ENV). Bytes become a [`Verified`] here and nowhere else.

mod batch;
mod seal;
mod verify;
mod wire;

pub use batch::{BatchSignature, TicketBatch};
pub use seal::{SealError, Sealed, seal};
pub use verify::{Candidate, KeyRing, Verified, VerifyError, verify};
pub use wire::{Envelope, EnvelopeError, MAGIC, SignatureEntry, container, digest_of};

use crate::bytes::hex_bytes;
use serde::{Deserialize, Serialize};

hex_bytes!(
    /// 16 random bytes made at `issuer init`: inside every signed message, never on the wire of an envelope.
    RealmId,
    16
);

/// Whether artefacts are for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Production.
    Live,
    /// For trying things: never verifies where live is expected, nor the other way round.
    Sandbox,
}

impl Mode {
    /// The byte inside signed messages.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Live => 1,
            Self::Sandbox => 2,
        }
    }
}

/// What a verifier supplies of its own: whose artefacts, and which mode, it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The vendor's realm.
    pub id: RealmId,
    /// Live or sandbox.
    pub mode: Mode,
}

/// Signature algorithm numbers of the wire.
pub(crate) mod alg {
    /// Pure Ed25519 over the message.
    pub(crate) const ED25519: u8 = 1;
    /// Ed25519 over the root of a Merkle tree of messages; lease tickets only.
    pub(crate) const ED25519_BATCH: u8 = 4;
}
