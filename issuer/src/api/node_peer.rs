//! Nodes at the other end of a connection: known by the TLS keys of their certificates, and counted one by one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use leasehold_issuer_core::Issuer;
use leasehold_net::{Identity, Peer, Refusal};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::problem::Problem;

use super::{Rates, Service};

/// Who brings what a node has signed.
pub(super) struct NodePeer {
    peer: Peer,
    rates: Rates,
}

impl NodePeer {
    /// Refuses what the node that signed it does not bring itself, or brings too often (SPEC §9.2). A node that is not
    /// enrolled yet is known by the keys that it names. Users of this machine bring what they like.
    pub(super) fn admit(
        &self,
        issuer: &Issuer,
        sign_key: PublicKeyBytes,
        named: &[SpkiDigest],
    ) -> Result<(), Problem> {
        let certificate = issuer.certificate_of(sign_key);
        let keys = certificate.map_or(named, |certificate| &certificate.tls_keys);
        match self.peer.identity {
            Identity::Uid(_) => return Ok(()),
            Identity::TlsKey { key, .. } if keys.contains(&key) => {}
            Identity::TlsKey { .. } => {
                return Err(refused("the connection shows the TLS key of another node"));
            }
            Identity::Anonymous => return Err(refused("the connection shows no TLS key")),
        }
        certificate.map_or(Ok(()), |certificate| self.rates.admit_node(certificate.node, &self.peer))
    }
}

impl FromRequestParts<Service> for NodePeer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refusal> {
        match parts.extensions.get::<Peer>().cloned() {
            Some(peer) => Ok(Self { peer, rates: service.rates.clone() }),
            None => Err(refused("nobody said who is at the other end").into()),
        }
    }
}

fn refused(detail: &str) -> Problem {
    let hint = "let the node that signed it connect with its own TLS key, or carry it over as a file";
    Problem::new(Code::NotAuthorised, detail, hint)
}
