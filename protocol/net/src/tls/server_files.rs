//! Certificates and authorities that customers keep in files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;
use crate::limits;

/// What a service takes from files beside its own key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// Shown to clients that do not know raw public keys, instead of a self-made certificate.
    pub certificate: Option<CertificateFiles>,
    /// Authorities (PEM) whose certificates make clients known; none: certificates of clients are not asked for.
    pub client_ca: Option<PathBuf>,
}

/// A certificate that somebody else has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those between it and its authority, PEM, in this order.
    pub chain: PathBuf,
    /// Its secret key, PEM.
    pub key: PathBuf,
}

/// A file that TLS cannot use.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It cannot be read, or is too large.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds nothing of what it should.
    #[error("{} holds no {what} in PEM form", .path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// It holds something that is not usable.
    #[error("cannot use {}: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, in the words of the TLS library.
        why: String,
    },
    /// The node's own key makes no certificate.
    #[error("cannot use the service's own TLS key: {0}")]
    OwnKey(String),
}

impl From<TlsFileError> for Problem {
    fn from(error: TlsFileError) -> Self {
        let hint = "give files in PEM form: the chain beginning with the certificate itself, and its own key";
        Self::new(Code::ConfigInvalid, error.to_string(), hint)
    }
}

impl CertificateFiles {
    /// The certificate with its key, which fit each other.
    pub(super) fn load(&self) -> Result<Arc<CertifiedKey>, TlsFileError> {
        let chain = certificates(&self.chain)?;
        let text = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| TlsFileError::Nothing { path: self.key.clone(), what: "secret key" })?;
        let key = CertifiedKey::from_der(chain, key, &provider());
        key.map(Arc::new).map_err(|error| unusable(&self.key, &error))
    }
}

/// The authorities of a file.
pub(super) fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsFileError> {
    let found = certificates(path)?;
    if found.len() > limits::AUTHORITIES {
        let why = format!("it holds more than {} certificates", limits::AUTHORITIES);
        return Err(unusable(path, &why));
    }
    let mut store = RootCertStore::empty();
    for authority in found {
        store.add(authority).map_err(|error| unusable(path, &error))?;
    }
    Ok(Arc::new(store))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsFileError::Nothing { path: path.to_owned(), what: "certificate" })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(limits::CERTIFICATE_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > limits::CERTIFICATE_FILE_BYTES {
            let why = format!("it has more than {} bytes", limits::CERTIFICATE_FILE_BYTES);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    };
    read().map_err(|source| TlsFileError::Unreadable { path: path.to_owned(), source })
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> TlsFileError {
    TlsFileError::Unusable { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_needs_its_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let files = CertificateFiles { chain: dir.path().join("chain.pem"), key: dir.path().join("key.pem") };
        let (certificate, key) = pair();
        fs::write(&files.chain, &certificate).unwrap();
        fs::write(&files.key, &key).unwrap();
        assert!(files.load().is_ok());
        fs::write(&files.key, pair().1).unwrap();
        assert!(matches!(files.load(), Err(TlsFileError::Unusable { .. })));
        fs::write(&files.key, &certificate).unwrap();
        assert!(matches!(files.load(), Err(TlsFileError::Nothing { .. })));
        fs::write(&files.chain, &key).unwrap();
        assert!(matches!(files.load(), Err(TlsFileError::Nothing { .. })));
        fs::remove_file(&files.chain).unwrap();
        assert!(matches!(files.load(), Err(TlsFileError::Unreadable { .. })));
    }

    #[test]
    fn files_and_authorities_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let (certificate, _) = pair();
        for (count, allowed) in
            [(limits::AUTHORITIES - 1, true), (limits::AUTHORITIES, true), (limits::AUTHORITIES + 1, false)]
        {
            fs::write(&path, certificate.repeat(count)).unwrap();
            assert_eq!(authorities(&path).is_ok(), allowed, "{count}");
        }
        for (bytes, allowed) in [
            (limits::CERTIFICATE_FILE_BYTES - 1, true),
            (limits::CERTIFICATE_FILE_BYTES, true),
            (limits::CERTIFICATE_FILE_BYTES + 1, false),
        ] {
            let padding = "\n".repeat(bytes - certificate.len());
            fs::write(&path, format!("{certificate}{padding}")).unwrap();
            assert_eq!(authorities(&path).is_ok(), allowed, "{bytes}");
        }
    }
}
