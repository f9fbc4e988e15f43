//! Clients of another make: TLS by hand, and what is not well-behaved.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::rig::{Authority, PATIENCE, Service};

/// The first bytes of a good handshake.
pub(crate) fn client_hello() -> Vec<u8> {
    let mut client = ClientConnection::new(Arc::new(config(b"http/1.1")), name()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// A connection after its handshake, for a protocol; none is named by no bytes.
pub(crate) async fn tls(service: &Service, protocol: &[u8]) -> TlsStream<TcpStream> {
    shake(service, config(protocol)).await.unwrap()
}

/// Whether a request with this head is answered by its route.
pub(crate) async fn is_served(service: &Service, head: &str) -> bool {
    let answer = exchange(tls(service, b"http/1.1").await, head).await;
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

pub(crate) async fn ask_http_2(stream: TlsStream<TcpStream>, path: &str) -> String {
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri: Uri = format!("https://localhost{path}").parse().unwrap();
    let answer = sender.send_request(Request::get(uri).body(Empty::new()).unwrap()).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// What a client with a certificate of `authority` is told at `/who`.
pub(crate) async fn who_by_certificate(service: &Service, authority: &Authority) -> std::io::Result<String> {
    let files = authority.certificate("ann");
    let chain = CertificateDer::pem_file_iter(&files.chain).unwrap().map(Result::unwrap).collect();
    let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    let stream = shake(service, config).await?;
    exchange(stream, "GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await
}

async fn exchange(mut stream: TlsStream<TcpStream>, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap()?;
    Ok(answer)
}

async fn shake(service: &Service, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(Arc::new(config)).connect(name(), service.silent().await).await
}

fn config(protocol: &[u8]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.alpn_protocols.extend((!protocol.is_empty()).then(|| protocol.to_vec()));
    config
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Believes every server.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("only TLS 1.3 is spoken")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
