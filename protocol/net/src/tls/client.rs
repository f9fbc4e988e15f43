//! Whom a client believes, and who it is itself.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{
    AlwaysResolvesClientRawPublicKeys, Resumption, VerifierBuilderError, WebPkiServerVerifier,
};
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server_files::authorities;
use super::verifier::ServerByKey;
use super::{CertificateFiles, HTTP_1, TlsFileError, TlsKey, VERSIONS, provider, spki_digest};

/// Which key a server must prove before anything is sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerKey {
    /// One of these, as a raw public key.
    Pinned(BTreeSet<SpkiDigest>),
    /// That of a certificate for its name from an authority in this file (PEM).
    Authority(PathBuf),
    /// Any, as a raw public key: the caller asks [`crate::Connection::server_key`] and sends nothing that matters
    /// before it knows whose key that is.
    Any,
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    form: Form,
}

/// There can be no client that believes so.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// The file of authorities.
    #[error(transparent)]
    File(#[from] TlsFileError),
    /// Its certificates are no authorities.
    #[error("cannot use {}: {source}", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

impl From<ClientTlsError> for Problem {
    fn from(error: ClientTlsError) -> Self {
        let hint = "give a file with the certificates of the authorities, in PEM form";
        Self::new(Code::ConfigInvalid, error.to_string(), hint)
    }
}

/// How the server shows its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Certificate,
    Raw,
}

impl ClientTls {
    /// A client that believes `server`, and proves `own` if it has a key.
    pub fn new(server: &ServerKey, own: Option<&TlsKey>) -> Result<Self, ClientTlsError> {
        let (verifier, form) = verifier(server)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .expect("the provider knows TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match own {
            Some(own) => {
                config.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own.raw())))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        // A resumed session proves no key.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), form })
    }

    /// The same, but with a certificate to show to a service that asks for one.
    pub fn with_certificate(mut self, files: &CertificateFiles) -> Result<Self, TlsFileError> {
        Arc::make_mut(&mut self.config).client_auth_cert_resolver =
            Arc::new(SingleCertAndKey::from(files.load()?));
        Ok(self)
    }

    /// Whether only a raw public key is believed.
    pub(crate) fn wants_raw_key(&self) -> bool {
        self.form == Form::Raw
    }
}

fn verifier(server: &ServerKey) -> Result<(Arc<dyn ServerCertVerifier>, Form), ClientTlsError> {
    let by_key = |pins| Arc::new(ServerByKey { pins, provider: provider() });
    Ok(match server {
        ServerKey::Pinned(pins) => (by_key(Some(pins.clone())), Form::Raw),
        ServerKey::Any => (by_key(None), Form::Raw),
        ServerKey::Authority(path) => {
            let verifier = WebPkiServerVerifier::builder_with_provider(authorities(path)?, provider())
                .build()
                .map_err(|source| ClientTlsError::Authorities { path: path.clone(), source })?;
            (verifier, Form::Certificate)
        }
    })
}

/// The handshake, and the key that the server has proved in it.
pub(crate) async fn handshake(
    tls: &ClientTls,
    name: ServerName<'static>,
    stream: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, SpkiDigest)> {
    let stream = TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let shown = shown.ok_or_else(|| io::Error::other("the server has shown no key"))?;
    let key = match tls.form {
        Form::Raw => spki_digest(shown),
        Form::Certificate => {
            let certificate = ParsedCertificate::try_from(shown).map_err(io::Error::other)?;
            spki_digest(&certificate.subject_public_key_info())
        }
    };
    Ok((stream, key))
}
