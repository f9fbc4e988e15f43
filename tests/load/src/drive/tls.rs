//! TLS as an SDK or a node speaks it, but with any server: raw public keys, TLS 1.3, no resumption.
//!
//! Whether the server is the node that it should be, the verified tickets of its answers show.

use std::sync::{Arc, LazyLock};

use anyhow::Result;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::keys::PublicKeyBytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The secret of the one key that all nodes show which this program plays.
const NODE_SECRET: [u8; 32] = [0x4e; 32];
/// PKCS#8 of an Ed25519 key before the secret itself (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    /// Somebody without a key.
    Application,
    /// Somebody who shows the key of all nodes.
    Node,
}

pub(super) async fn handshake(stream: TcpStream, client: Client) -> Result<TlsStream<TcpStream>> {
    static APPLICATION: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| config(Client::Application));
    static NODE: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| config(Client::Node));
    let config = match client {
        Client::Application => &APPLICATION,
        Client::Node => &NODE,
    };
    let name = ServerName::try_from("127.0.0.1").expect("an address is a name");
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
}

/// The key of all nodes, as certificates name it.
pub(crate) fn node_key() -> SpkiDigest {
    let public = ed25519_dalek::SigningKey::from_bytes(&NODE_SECRET).verifying_key();
    PublicKeyBytes(public.to_bytes()).spki_digest()
}

fn config(client: Client) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyRawKey { provider }));
    let mut config = match client {
        Client::Application => config.with_no_client_auth(),
        Client::Node => {
            let shown = AlwaysResolvesClientRawPublicKeys::new(Arc::new(node_identity()));
            config.with_client_cert_resolver(Arc::new(shown))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn node_identity() -> CertifiedKey {
    let der = [PKCS8_PREFIX.as_slice(), &NODE_SECRET].concat();
    let secret = any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).expect("any 32 bytes are a secret key");
    let public = secret.public_key().expect("the provider knows the public half").to_vec();
    CertifiedKey::new(vec![CertificateDer::from(public)], secret)
}

/// Has a server prove the key that it shows, and does not ask whose that is.
#[derive(Debug)]
struct AnyRawKey {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyRawKey {
    fn verify_server_cert(
        &self,
        _key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
