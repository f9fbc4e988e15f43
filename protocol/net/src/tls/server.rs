//! Who a service is, in TLS, and the handshake that shows it.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    Acceptor, AlwaysResolvesServerRawPublicKeys, CertificateType, ClientHello, NoClientAuth,
    NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::server_files::{ServerFiles, TlsFileError, authorities};
use super::verifier::ClientByKey;
use super::{HTTP_1, HTTP_2, TlsKey, VERSIONS, provider, spki_digest};
use crate::{Identity, Vouching};

/// The identity of a service. A reload holds for every connection that begins after it.
#[derive(Debug)]
pub struct ServerTls {
    current: ArcSwap<Configs>,
}

/// A connection after its handshake.
pub(crate) struct Accepted {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) protocol: Protocol,
    pub(crate) identity: Identity,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl ServerTls {
    /// A service with this key, and what files say beside.
    pub fn new(key: &TlsKey, files: &ServerFiles) -> Result<Self, TlsFileError> {
        Ok(Self { current: ArcSwap::from_pointee(Configs::new(key, files)?) })
    }

    /// Takes on a new identity. If that fails, the service stays what it was.
    pub fn reload(&self, key: &TlsKey, files: &ServerFiles) -> Result<(), TlsFileError> {
        self.current.store(Arc::new(Configs::new(key, files)?));
        Ok(())
    }

    /// The handshake. Its end is the caller's to bound, from before the first byte on.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Accepted> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let forms = Forms::offered(&start.client_hello());
        let config = self.current.load().of(forms);
        let stream = start.into_stream(config).await?;
        let (_, connection) = stream.get_ref();
        let protocol =
            if connection.alpn_protocol() == Some(HTTP_2) { Protocol::Http2 } else { Protocol::Http1 };
        let identity = identity(connection, forms.client)?;
        Ok(Accepted { stream, protocol, identity })
    }
}

/// How a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Certificate,
    Raw,
}

/// How each side shows its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forms {
    server: Form,
    client: Form,
}

impl Forms {
    /// Raw wherever the client knows that.
    fn offered(hello: &ClientHello<'_>) -> Self {
        let form = |offered: Option<&[CertificateType]>| match offered {
            Some(offered) if offered.contains(&CertificateType::RawPublicKey) => Form::Raw,
            _ => Form::Certificate,
        };
        Self { server: form(hello.server_cert_types()), client: form(hello.client_cert_types()) }
    }
}

/// One configuration for each pair of forms, because the library wants one that knows no other.
#[derive(Debug)]
struct Configs {
    raw_raw: Arc<ServerConfig>,
    raw_certificate: Arc<ServerConfig>,
    certificate_raw: Arc<ServerConfig>,
    certificate_certificate: Arc<ServerConfig>,
}

impl Configs {
    fn new(key: &TlsKey, files: &ServerFiles) -> Result<Self, TlsFileError> {
        let shown = match &files.certificate {
            Some(certificate) => certificate.load()?,
            None => key.self_made().map_err(|error| TlsFileError::OwnKey(error.to_string()))?,
        };
        let certificate = || Arc::new(SingleCertAndKey::from(Arc::clone(&shown)));
        let raw = || Arc::new(AlwaysResolvesServerRawPublicKeys::new(key.raw()));
        let by_certificate = client_verifier(files)?;
        let by_key: Arc<dyn ClientCertVerifier> = Arc::new(ClientByKey { provider: provider() });
        Ok(Self {
            raw_raw: config(raw(), Arc::clone(&by_key)),
            raw_certificate: config(raw(), Arc::clone(&by_certificate)),
            certificate_raw: config(certificate(), by_key),
            certificate_certificate: config(certificate(), by_certificate),
        })
    }

    fn of(&self, forms: Forms) -> Arc<ServerConfig> {
        Arc::clone(match (forms.server, forms.client) {
            (Form::Raw, Form::Raw) => &self.raw_raw,
            (Form::Raw, Form::Certificate) => &self.raw_certificate,
            (Form::Certificate, Form::Raw) => &self.certificate_raw,
            (Form::Certificate, Form::Certificate) => &self.certificate_certificate,
        })
    }
}

fn config(shown: Arc<dyn ResolvesServerCert>, clients: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .expect("the provider knows TLS 1.3")
        .with_client_cert_verifier(clients)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    // A resumed session would live on under an identity, or an authority, that a reload has taken away.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

impl ServerFiles {
    /// Whether a service could use them.
    pub fn check(&self) -> Result<(), TlsFileError> {
        if let Some(certificate) = &self.certificate {
            certificate.load()?;
        }
        client_verifier(self).map(drop)
    }
}

/// Asks for certificates of the authorities that the service was told; a client may do without.
fn client_verifier(files: &ServerFiles) -> Result<Arc<dyn ClientCertVerifier>, TlsFileError> {
    let Some(path) = &files.client_ca else { return Ok(Arc::new(NoClientAuth)) };
    WebPkiClientVerifier::builder_with_provider(authorities(path)?, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsFileError::Unusable { path: path.clone(), why: error.to_string() })
}

fn identity(connection: &ServerConnection, form: Form) -> io::Result<Identity> {
    let Some(shown) = connection.peer_certificates().and_then(<[_]>::first) else {
        return Ok(Identity::Anonymous);
    };
    Ok(match form {
        Form::Raw => Identity::TlsKey { key: spki_digest(shown), vouching: Vouching::Nobody },
        Form::Certificate => {
            let certificate = ParsedCertificate::try_from(shown).map_err(io::Error::other)?;
            let key = spki_digest(&certificate.subject_public_key_info());
            Identity::TlsKey { key, vouching: Vouching::Authority }
        }
    })
}
