//! How a node is reached, what it must prove, and what this application proves to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use leasehold_net::{Address, CertificateFiles, ClientTls, ServerKey};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;

use crate::BearerKey;

/// What is the same for every connection of a client.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) addresses: Vec<Address>,
    /// Who must have certified the node; without it, Unix sockets alone can be asked.
    pub(crate) trust: Option<TrustRoot>,
    pub(crate) tls: ClientTls,
    /// An authority of the customer's vouches for the keys of connections.
    pub(crate) vouched: bool,
    pub(crate) bearer: Option<BearerKey>,
    /// By the number of an address: the key that was proved there last.
    proven: Mutex<BTreeMap<usize, SpkiDigest>>,
}

/// Whom to believe beside the trust root, and who to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<CertificateFiles>,
    pub(crate) bearer: Option<BearerKey>,
}

impl Reach {
    pub(crate) fn new(
        addresses: Vec<Address>,
        trust: Option<TrustRoot>,
        options: TlsOptions,
    ) -> Result<Self, Problem> {
        if addresses.is_empty() {
            return Err(Problem::new(Code::ConfigInvalid, "no address of a node is configured", "name one"));
        }
        let TlsOptions { ca, certificate, bearer } = options;
        let vouched = ca.is_some();
        // The key is captured; what it is worth, the node's identity says.
        let server = ca.map_or(ServerKey::Any, ServerKey::Authority);
        let mut tls = ClientTls::new(&server, None)?;
        if let Some(certificate) = certificate {
            tls = tls.with_certificate(&certificate)?;
        }
        Ok(Self { addresses, trust, tls, vouched, bearer, proven: Mutex::default() })
    }

    /// Whether the key was proved to be a node's at this address before.
    pub(crate) fn knows(&self, address: usize, key: SpkiDigest) -> bool {
        self.proven().get(&address) == Some(&key)
    }

    /// The key was proved: further connections to the address that are made with it need no second proof.
    pub(crate) fn learn(&self, address: usize, key: SpkiDigest) {
        self.proven().insert(address, key);
    }

    fn proven(&self) -> MutexGuard<'_, BTreeMap<usize, SpkiDigest>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
