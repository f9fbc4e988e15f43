//! TLS 1.3 with public keys that stand for themselves, and with certificates where a customer has them.
//!
//! A peer that offers raw public keys (RFC 7250) gets one; any other gets a certificate. Every signature of a handshake
//! is checked by the provider's algorithms, whatever else is or is not believed.

mod client;
mod key;
mod server;
mod server_files;
mod verifier;

use std::sync::{Arc, LazyLock};

use leasehold_protocol::bytes::SpkiDigest;
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use sha2::{Digest as _, Sha256};

pub(crate) use self::client::handshake as client_handshake;
pub use self::client::{ClientTls, ClientTlsError, ServerKey};
pub use self::key::{NotATlsKey, TlsKey};
pub use self::server::ServerTls;
pub(crate) use self::server::{Accepted, Protocol};
pub use self::server_files::{CertificateFiles, ServerFiles, TlsFileError};
pub(crate) use self::verifier::NotPinned;

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// The one provider of this program.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// What names a key: the hash of its `SubjectPublicKeyInfo`.
fn spki_digest(spki: &[u8]) -> SpkiDigest {
    SpkiDigest(Sha256::digest(spki).into())
}
