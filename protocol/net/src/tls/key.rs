//! A key that identifies its owner in TLS.

use std::fmt;
use std::sync::Arc;

use leasehold_protocol::bytes::SpkiDigest;
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::spki_digest;

/// An Ed25519 key pair; the secret half is with the provider and never printed.
#[derive(Clone)]
pub struct TlsKey {
    secret: Arc<dyn SigningKey>,
    public: SubjectPublicKeyInfoDer<'static>,
}

/// No key in these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no Ed25519 key in PKCS#8 form")]
pub struct NotATlsKey;

impl TlsKey {
    /// A key in PKCS#8 DER form.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NotATlsKey> {
        let secret = any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).map_err(|_| NotATlsKey)?;
        let public = secret.public_key().ok_or(NotATlsKey)?.into_owned();
        Ok(Self { secret, public })
    }

    /// What names the key.
    pub fn digest(&self) -> SpkiDigest {
        spki_digest(&self.public)
    }

    /// The key as it is shown to who knows raw public keys.
    pub(super) fn raw(&self) -> Arc<CertifiedKey> {
        let shown = CertificateDer::from(self.public.to_vec());
        Arc::new(CertifiedKey::new(vec![shown], Arc::clone(&self.secret)))
    }

    /// The key in a certificate of its own making, the same for the same key. It says nothing but the key: it names
    /// nobody and never ends, because who believes it knows the key.
    pub(super) fn self_made(&self) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "leasehold");
        let certificate = params.self_signed(self)?;
        Ok(Arc::new(CertifiedKey::new(vec![certificate.into()], Arc::clone(&self.secret))))
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsKey({}, [redacted])", self.digest())
    }
}

impl PublicKeyData for TlsKey {
    fn der_bytes(&self) -> &[u8] {
        // The key is the last 32 bytes of its SPKI (RFC 8410 §4).
        self.public.split_at(self.public.len().saturating_sub(32)).1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer =
            self.secret.choose_scheme(&[SignatureScheme::ED25519]).ok_or(rcgen::Error::RemoteKeyError)?;
        signer.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_and_no_secret_is_printed() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let der = pair.serialize_der();
        let key = TlsKey::from_pkcs8(&der).unwrap();
        assert_eq!(format!("{key:?}"), format!("TlsKey({}, [redacted])", key.digest()));
        assert_eq!(key.der_bytes(), pair.der_bytes());
        assert_eq!(TlsKey::from_pkcs8(&der[..der.len() - 1]).unwrap_err(), NotATlsKey);
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(TlsKey::from_pkcs8(&other.serialize_der()).unwrap_err(), NotATlsKey);
    }

    #[test]
    fn the_certificate_of_a_key_is_always_the_same() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = TlsKey::from_pkcs8(&pair.serialize_der()).unwrap();
        assert_eq!(key.self_made().unwrap().cert, key.self_made().unwrap().cert);
        key.self_made().unwrap().keys_match().unwrap();
    }
}
