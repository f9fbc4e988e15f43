//! Chains that verified under the trust root, remembered by digest.

use std::sync::Arc;

use leasehold_protocol::api::ChainAnswer;
use leasehold_protocol::armour::{ArmourError, unarmour};
use leasehold_protocol::artefact::Chain;
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::proof::{ProofError, ProofFault, Step, VerifiedChain};
use leasehold_protocol::trust_root::TrustRoot;

use crate::limits::CHAINS;

/// A chain as it came and as it verified.
#[derive(Debug)]
pub(crate) struct KnownChain {
    pub(crate) envelopes: Chain,
    pub(crate) verified: VerifiedChain,
}

/// The chains of the last few rows, newest last.
#[derive(Debug, Default)]
pub(crate) struct Chains(Vec<Arc<KnownChain>>);

impl Chains {
    pub(crate) fn get(&self, digest: Digest) -> Option<Arc<KnownChain>> {
        self.0.iter().find(|chain| chain.verified.digest() == digest).cloned()
    }

    /// Verifies the answer to the question for `digest` and remembers it.
    pub(crate) fn learn(
        &mut self,
        root: &TrustRoot,
        digest: Digest,
        answer: &ChainAnswer,
    ) -> Result<Arc<KnownChain>, ProofError> {
        let envelopes = envelopes(answer)?;
        if envelopes.digest() != digest {
            return Err(fault(Step::Container, "the node shows another chain than it named"));
        }
        let verified = VerifiedChain::verify(root, &envelopes)?;
        let chain = Arc::new(KnownChain { envelopes, verified });
        if self.0.len() >= CHAINS {
            self.0.remove(0);
        }
        self.0.push(Arc::clone(&chain));
        Ok(chain)
    }
}

fn envelopes(answer: &ChainAnswer) -> Result<Chain, ProofError> {
    let ChainAnswer { roots, grant, pool, allocation, certificate } = answer;
    Ok(Chain {
        roots: roots.iter().map(|root| envelope(root, Step::Root)).collect::<Result<_, _>>()?,
        grant: envelope(grant, Step::Grant)?,
        pool: envelope(pool, Step::Pool)?,
        allocation: envelope(allocation, Step::Allocation)?,
        certificate: envelope(certificate, Step::Certificate)?,
    })
}

/// An envelope out of its text form.
pub(crate) fn envelope(text: &str, step: Step) -> Result<Bytes, ProofError> {
    unarmour(text.as_bytes()).map(Bytes).map_err(|error| match error {
        ArmourError::Envelope(error) => ProofError { step, fault: ProofFault::Bytes(error.into()) },
        _ => fault(step, "its text form is damaged"),
    })
}

pub(crate) const fn fault(step: Step, what: &'static str) -> ProofError {
    ProofError { step, fault: ProofFault::Mismatch(what) }
}
