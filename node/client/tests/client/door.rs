//! How a server shows its key, and what is heard through its door.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use leasehold_protocol::bytes::SpkiDigest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData as _};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server's key and the form in which it shows it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) key: SpkiDigest,
    pub(crate) config: Arc<ServerConfig>,
}

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Door {
    /// As nodes do.
    pub(crate) fn raw() -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = secret(&pair);
        let shown = CertificateDer::from(pair.subject_public_key_info());
        let shown = AlwaysResolvesServerRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![shown], key)));
        Self::new(&pair, Arc::new(shown), None)
    }

    /// As other servers do, with a certificate of their own making.
    pub(crate) fn self_made() -> Self {
        let pair = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names()).unwrap().self_signed(&pair).unwrap();
        Self::new(&pair, certified(certificate.der().clone(), &pair), None)
    }

    /// With a certificate for this host that an authority signed.
    pub(crate) fn signed_by(authority: &Authority, names: Vec<String>, clients: Option<&Authority>) -> Self {
        let pair = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&pair, &authority.0).unwrap();
        Self::new(&pair, certified(certificate.der().clone(), &pair), clients)
    }

    fn new(pair: &KeyPair, shown: Arc<dyn ResolvesServerCert>, clients: Option<&Authority>) -> Self {
        let clients = clients.map_or_else(
            || Arc::new(NoClientAuth) as _,
            |authority| {
                let mut store = RootCertStore::empty();
                store.add(authority.0.der().clone()).unwrap();
                let provider = Arc::new(default_provider());
                WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build().unwrap()
            },
        );
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let key = SpkiDigest(Sha256::digest(pair.subject_public_key_info()).into());
        Self { key, config: Arc::new(config) }
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).unwrap();
    }

    /// A certificate for a client, and its secret key.
    pub(crate) fn write_client(&self, chain: &Path, key: &Path) {
        let pair = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names()).unwrap().signed_by(&pair, &self.0).unwrap();
        std::fs::write(chain, certificate.pem()).unwrap();
        std::fs::write(key, pair.serialize_pem()).unwrap();
    }
}

/// Where test servers are.
pub(crate) fn names() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

fn certified(certificate: CertificateDer<'static>, pair: &KeyPair) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], secret(pair))))
}

fn secret(pair: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
    any_supported_type(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()))).unwrap()
}

/// A stream that remembers all that was read from it.
pub(crate) struct Recorded<S> {
    pub(crate) stream: S,
    pub(crate) heard: Arc<Mutex<Vec<u8>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.heard.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
