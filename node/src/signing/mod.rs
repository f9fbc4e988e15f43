//! The node's secret keys. Nothing outside of this folder sees one: the rest of the program has a [`Signer`].

mod key_file;

use std::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_net::TlsKey;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) use self::key_file::{KeyName, credential_or_new, load};

/// One Ed25519 key pair of the node. The secret half is wiped when it is dropped and never printed.
pub(crate) struct NodeKey {
    secret: SigningKey,
    public: PublicKey,
}

/// No key in this text.
#[derive(Debug, thiserror::Error)]
#[error("it holds no Ed25519 key in PKCS#8 PEM form")]
struct NotAKey;

impl NodeKey {
    /// A new key from the system's randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(Self::new(SigningKey::from_bytes(&seed)))
    }

    fn from_pem(pem: &str) -> Result<Self, NotAKey> {
        SigningKey::from_pkcs8_pem(pem).map(Self::new).map_err(|_| NotAKey)
    }

    fn to_pem(&self) -> Zeroizing<String> {
        self.secret.to_pkcs8_pem(LineEnding::LF).expect("an Ed25519 key has a PKCS#8 form")
    }

    fn new(secret: SigningKey) -> Self {
        let bytes = PublicKeyBytes(secret.verifying_key().to_bytes());
        let public =
            PublicKey::admit(bytes).expect("a public key made from its secret is in the prime-order group");
        Self { secret, public }
    }

    /// What names the key in certificates, as a TLS key.
    pub(crate) fn spki_digest(&self) -> SpkiDigest {
        self.public.bytes().spki_digest()
    }

    /// The key for TLS, whose handshakes it signs.
    pub(crate) fn tls_key(&self) -> TlsKey {
        let der = self.secret.to_pkcs8_der().expect("an Ed25519 key has a PKCS#8 form");
        TlsKey::from_pkcs8(der.as_bytes()).expect("TLS knows Ed25519 keys in PKCS#8 form")
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

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({}, [redacted])", self.public.id())
    }
}

/// Text of a key file, wiped when it is dropped.
fn wiped(mut bytes: Vec<u8>) -> Result<Zeroizing<String>, NotAKey> {
    String::from_utf8(std::mem::take(&mut bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        NotAKey
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_not_printed() {
        let key = NodeKey::generate().unwrap();
        let pem = key.to_pem();
        let read = NodeKey::from_pem(&pem).unwrap();
        assert_eq!(read.sign(b"message"), key.sign(b"message"));
        let secret = data(&pem);
        assert!(!format!("{key:?}").contains(&secret));
        assert!(NodeKey::from_pem(&pem[..pem.len() / 2]).is_err());
        assert_eq!(key.tls_key().digest(), key.spki_digest());
    }

    #[test]
    fn a_tls_key_is_named_by_the_hash_of_its_spki() {
        // The key of RFC 8032 §7.1, test 1; the hash is that of its 44 bytes of DER.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let digest = NodeKey::new(SigningKey::from_bytes(&seed)).spki_digest().to_string();
        assert_eq!(digest, "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9");
    }

    fn data(pem: &str) -> String {
        pem.lines().filter(|line| !line.starts_with('-')).collect()
    }
}
