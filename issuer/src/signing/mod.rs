//! The only holder of secret keys. They come out of one encrypted file, are wiped from memory when dropped, and never
//! print; what leaves this module is signatures, public keys and join codes.

mod api_secret;
mod bundle;
mod key_file;

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use leasehold_cli::{Failure, Passphrase};
use leasehold_issuer_core::IssuedJoin;
use leasehold_net::TlsKey;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Mode;
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::request::JoinSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::api::PageKey;
use crate::entropy::random;

pub(crate) use api_secret::{ApiSecret, prefix};
pub(crate) use bundle::seal_bundle;

/// PKCS#8 of an Ed25519 key before the secret itself (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The secret keys of an issuer.
pub(crate) struct Keys {
    /// Signs roots.
    root: LocalKey,
    /// Holds all other roles.
    online: LocalKey,
    /// Of the issuer's service.
    tls: LocalKey,
    /// Join codes are derived from it.
    join: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// New keys.
    pub(crate) fn generate() -> Result<Self, Failure> {
        let secret = || random::<32>().map(Zeroizing::new);
        Ok(Self {
            root: LocalKey::new(&*secret()?)?,
            online: LocalKey::new(&*secret()?)?,
            tls: LocalKey::new(&*secret()?)?,
            join: secret()?,
        })
    }

    /// The keys in the encrypted file at `path`.
    pub(crate) fn unlock(path: &Path, passphrase: &Passphrase) -> Result<Self, Failure> {
        key_file::read(path, passphrase)
    }

    /// Writes the keys to a new encrypted file.
    pub(crate) fn store(&self, path: &Path, passphrase: &Passphrase, kdf_cost: u8) -> Result<(), Failure> {
        key_file::write(path, self, passphrase, kdf_cost)
    }

    /// Signs roots.
    pub(crate) const fn root(&self) -> &LocalKey {
        &self.root
    }

    /// Holds all other roles.
    pub(crate) const fn online(&self) -> &LocalKey {
        &self.online
    }

    /// Of the issuer's service.
    pub(crate) fn tls_public_key(&self) -> PublicKey {
        self.tls.public_key()
    }

    /// The same with its secret, for the service.
    pub(crate) fn tls_key(&self) -> Result<TlsKey, Failure> {
        let der = Zeroizing::new([&PKCS8_PREFIX[..], &self.tls.secret_bytes()[..]].concat());
        TlsKey::from_pkcs8(&der).map_err(|error| {
            Failure::new(
                Code::Internal,
                format!("the TLS key is unfit: {error}"),
                "put a copy of the key file back",
            )
        })
    }

    /// A new join code for a node.
    pub(crate) fn new_join(&self) -> Result<IssuedJoin, Failure> {
        let nonce = random()?;
        Ok(IssuedJoin { nonce, join_id: self.join_secret(nonce).join_id() })
    }

    /// The secret of the join code that was issued with `nonce`: HMAC-SHA256 of the join key, 16 bytes.
    pub(crate) fn join_secret(&self, nonce: [u8; 16]) -> JoinSecret {
        let mut secret = [0; 16];
        secret.copy_from_slice(&self.derive(b"LH1-join-secret", &nonce)[..16]);
        JoinSecret(secret)
    }

    /// The secret of the API key that was issued with `nonce`: HMAC-SHA256 of the join key. Nobody needs to keep it.
    pub(crate) fn api_secret(&self, mode: Mode, nonce: [u8; 16]) -> ApiSecret {
        ApiSecret::new(mode, &self.derive(b"LH1-api-key", &nonce))
    }

    /// What page tokens are sealed with.
    pub(crate) fn page_key(&self) -> PageKey {
        PageKey::new(self.derive(b"LH1-page-token", &[]))
    }

    /// The join code as it is told to a customer.
    pub(crate) fn join_code(&self, nonce: [u8; 16]) -> JoinCode {
        let issuer_key = self.tls.public_key().bytes().spki_digest();
        JoinCode { secret: self.join_secret(nonce), issuer_key }
    }

    fn derive(&self, purpose: &[u8], nonce: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.join).expect("HMAC takes keys of any length");
        mac.update(purpose);
        mac.update(nonce);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

/// One secret key in memory; wiped when dropped.
pub(crate) struct LocalKey {
    secret: SigningKey,
    public: PublicKey,
}

impl LocalKey {
    fn new(secret: &[u8; 32]) -> Result<Self, Failure> {
        let secret = SigningKey::from_bytes(secret);
        let public =
            PublicKey::admit(PublicKeyBytes(secret.verifying_key().to_bytes())).map_err(|error| {
                Failure::new(
                    Code::Internal,
                    format!("a secret key is unfit: {error}"),
                    "run the command again",
                )
            })?;
        Ok(Self { secret, public })
    }

    fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }
}

impl Signer for LocalKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        let signature = self.secret.try_sign(message).map_err(|error| SignerFailed(error.to_string()))?;
        Ok(signature.to_bytes())
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({}, [redacted])", self.public.id())
    }
}
