//! Opening a node's request or receipt: signed with the node's own key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::artefact::{JoinProof, Kind, Receipt, Request};
use crate::bytes::{Digest, SpkiDigest};
use crate::canonical;
use crate::envelope::{Envelope, KeyRing, Realm, Verified, VerifyError, verify};
use crate::keys::{PublicKey, PublicKeyBytes};
use crate::pae::pae;

/// Verifies a request with the sign key inside it: proof of possession, not yet of who possesses it (SPEC REQ-2).
pub fn open_request(bytes: &[u8], realm: Realm) -> Result<Verified<Request>, VerifyError> {
    let envelope = Envelope::parse(bytes)?;
    if envelope.kind != Kind::Request {
        return Err(VerifyError::WrongKind { expected: Kind::Request, found: envelope.kind });
    }
    let claimed: Request = canonical::decode(envelope.payload)?;
    let key = PublicKey::admit(claimed.sign_key)
        .map_err(|_| crate::artefact::Malformed { field: "sign_key", rule: "is weak or not canonical" })?;
    verify(bytes, &KeyRing::of_one(realm, key))
}

/// Verifies a receipt with the sign key of the node it names. Which node that is, the caller looks up.
pub fn open_receipt(
    bytes: &[u8],
    realm: Realm,
    sign_key_of: impl FnOnce(&Receipt) -> Option<PublicKey>,
) -> Result<Verified<Receipt>, VerifyError> {
    let envelope = Envelope::parse(bytes)?;
    if envelope.kind != Kind::Receipt {
        return Err(VerifyError::WrongKind { expected: Kind::Receipt, found: envelope.kind });
    }
    let claimed: Receipt = canonical::decode(envelope.payload)?;
    let nobody = || KeyRing::new(realm, 1, 1, Vec::new());
    let ring = sign_key_of(&claimed).map_or_else(nobody, |key| KeyRing::of_one(realm, key));
    verify(bytes, &ring)
}

/// The secret of a join code: 128 random bits that are told to one customer once.
#[derive(Clone, Copy)]
pub struct JoinSecret(pub [u8; 16]);

impl JoinSecret {
    /// Names the code without telling it.
    pub fn join_id(&self) -> [u8; 16] {
        let hash = Sha256::new().chain_update(b"LH1-join-id").chain_update(self.0).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        id
    }

    /// Proves knowledge of the code for these keys of a node.
    pub fn prove(&self, sign_key: PublicKeyBytes, tls_keys: &[SpkiDigest]) -> JoinProof {
        let mac = self.mac(sign_key, tls_keys).finalize().into_bytes();
        JoinProof { join_id: self.join_id(), mac: Digest(mac.into()) }
    }

    /// Whether `proof` was made with this code for these keys; in constant time.
    pub fn accepts(&self, proof: &JoinProof, sign_key: PublicKeyBytes, tls_keys: &[SpkiDigest]) -> bool {
        proof.join_id == self.join_id() && self.mac(sign_key, tls_keys).verify_slice(&proof.mac.0).is_ok()
    }

    fn mac(&self, sign_key: PublicKeyBytes, tls_keys: &[SpkiDigest]) -> Hmac<Sha256> {
        let mut parts: Vec<&[u8]> = vec![b"LH1-join", &sign_key.0];
        parts.extend(tls_keys.iter().map(|key| key.0.as_slice()));
        let mut mac = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&pae(&parts));
        mac
    }
}

impl std::fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinSecret([redacted])")
    }
}
