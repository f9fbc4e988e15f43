//! Who believes whom.

use std::sync::Arc;

use leasehold_net::{Address, ClientTls, ConnectError, Connection, ServerFiles, ServerKey, Timeouts, TlsKey};
use leasehold_protocol::code::Code;
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::rig::{Authority, PATIENCE, PATIENT, Service, ask, key};
use crate::wire;

#[tokio::test]
async fn a_pinned_key_is_believed_and_the_client_is_nobody() {
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let mut connection = service.connect(&service.pinned(), None).await.unwrap();
    assert_eq!(connection.server_key(), Some(service.key.digest()));
    assert_eq!(ask(&mut connection, "/who").await, "Anonymous");
    assert_eq!(ask(&mut connection, "/version").await, "HTTP/1.1", "the connection is kept");
}

#[tokio::test]
async fn keys_are_proved_both_ways() {
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let own = key();
    let mut connection = service.connect(&service.pinned(), Some(&own)).await.unwrap();
    let who = format!("TlsKey {{ key: {:?}, vouching: Nobody }}", own.digest());
    assert_eq!(ask(&mut connection, "/who").await, who);
}

#[tokio::test]
async fn another_key_is_refused_before_anything_can_be_sent() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let found = TlsKey::from_pkcs8(&pair.serialize_der()).unwrap().digest();
    let secret = any_eddsa_type(&PrivatePkcs8KeyDer::from(pair.serialize_der())).unwrap();
    let shown = secret.public_key().unwrap().to_vec().into();
    let raw = AlwaysResolvesServerRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![shown], secret)));
    let stranger = Stranger::serve(server_config().with_cert_resolver(Arc::new(raw))).await;

    let refused = stranger.connect(&ServerKey::Pinned([key().digest()].into())).await;
    assert!(
        matches!(refused, ConnectError::KeyNotPinned { found: shown, .. } if shown == found),
        "{refused}"
    );
    assert_eq!(refused.code(), Code::PeerUntrusted);
    assert!(stranger.shaken.await.unwrap().is_err(), "no handshake, so not a byte of a request");
}

#[tokio::test]
async fn a_good_certificate_proves_no_key_of_ours() {
    let authority = Authority::new();
    let files = authority.certificate("localhost");
    for server in [ServerKey::Any, ServerKey::Pinned([key().digest()].into())] {
        let chain = CertificateDer::pem_file_iter(&files.chain).unwrap().map(Result::unwrap).collect();
        let secret = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let stranger = Stranger::serve(server_config().with_single_cert(chain, secret).unwrap()).await;
        let refused = stranger.connect(&server).await;
        assert!(matches!(refused, ConnectError::NoRawKey(_)), "{refused}");
        assert_eq!(refused.code(), Code::PeerUntrusted);
        assert!(stranger.shaken.await.unwrap().is_err(), "no handshake, so not a byte of a request");
    }
}

/// Somebody who answers in the place of a service.
struct Stranger {
    address: Address,
    shaken: JoinHandle<std::io::Result<()>>,
}

impl Stranger {
    async fn serve(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address =
            Address::Https { host: "localhost".into(), port: listener.local_addr().unwrap().port() };
        let shaken = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(|_| ())
        });
        Self { address, shaken }
    }

    async fn connect(&self, server: &ServerKey) -> ConnectError {
        let tls = ClientTls::new(server, None).unwrap();
        Connection::open(&self.address, &tls, Timeouts::default()).await.unwrap_err()
    }
}

fn server_config() -> ConfigBuilder<ServerConfig, WantsServerCert> {
    ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]).with_no_client_auth()
}

#[tokio::test]
async fn any_key_is_captured_for_the_caller_to_judge() {
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let connection = service.connect(&ServerKey::Any, None).await.unwrap();
    assert_eq!(connection.server_key(), Some(service.key.digest()));
}

#[tokio::test]
async fn a_certificate_needs_its_authority_and_its_name() {
    let (authority, other) = (Authority::new(), Authority::new());
    let files = |name| ServerFiles { certificate: Some(authority.certificate(name)), client_ca: None };
    let service = Service::start(&files("localhost"), PATIENT);
    let mut connection = service.connect(&ServerKey::Authority(authority.file()), None).await.unwrap();
    assert_eq!(ask(&mut connection, "/who").await, "Anonymous");
    assert_ne!(connection.server_key(), Some(service.key.digest()));
    // Who knows the key itself needs no certificate.
    assert!(service.connect(&service.pinned(), None).await.is_ok());

    let elsewhere = Service::start(&files("elsewhere.example"), PATIENT);
    let self_made = Service::start(&ServerFiles::default(), PATIENT);
    for (service, ca) in [(&service, &other), (&elsewhere, &authority), (&self_made, &authority)] {
        let refused = service.connect(&ServerKey::Authority(ca.file()), None).await.unwrap_err();
        assert!(matches!(refused, ConnectError::CertificateNotTrusted { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_needs_the_authority_of_the_service() {
    let (authority, other) = (Authority::new(), Authority::new());
    let files = ServerFiles { certificate: None, client_ca: Some(authority.file()) };
    let service = Service::start(&files, PATIENT);
    let who = wire::who_by_certificate(&service, &authority).await.unwrap();
    assert!(who.contains("vouching: Authority"), "{who}");
    // In TLS 1.3 a client learns of a refusal with the first answer.
    assert!(wire::who_by_certificate(&service, &other).await.is_err());
    let mut without = service.connect(&service.pinned(), None).await.unwrap();
    assert_eq!(ask(&mut without, "/who").await, "Anonymous", "a certificate is offered, not required");
    let own = key();
    let mut by_key = service.connect(&service.pinned(), Some(&own)).await.unwrap();
    assert!(ask(&mut by_key, "/who").await.contains("vouching: Nobody"), "and a key without one is a key");
}

#[tokio::test]
async fn nothing_below_tls_1_3_is_spoken() {
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let mut stream = service.silent().await;
    // A ClientHello of TLS 1.2: version, random, no session, one suite, no compression, no extensions.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert and the end: {answer:?}");
}
