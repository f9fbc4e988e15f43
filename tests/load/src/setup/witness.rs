//! Checks that answers are what an application would believe: tickets, proved up to the vendor's root.

use anyhow::{Context as _, Result, bail, ensure};
use leasehold_protocol::api::{ChainAnswer, Decision, Seat};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::Chain;
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::proof::VerifiedChain;
use leasehold_protocol::trust_root::TrustRoot;

use crate::drive::{Generator, Place};

/// Knows the chains of one node.
pub(crate) struct Witness<'a> {
    generator: &'a Generator,
    place: &'a Place,
    root: TrustRoot,
    chains: Vec<VerifiedChain>,
}

impl<'a> Witness<'a> {
    pub(crate) const fn new(generator: &'a Generator, place: &'a Place, root: TrustRoot) -> Self {
        Self { generator, place, root, chains: Vec::new() }
    }

    /// The answer holds a seat, and its ticket proves it.
    pub(crate) fn check(&mut self, answer: &[u8]) -> Result<()> {
        let decision: Decision = serde_json::from_slice(answer)?;
        let Decision::Allow(seat) = decision else { bail!("no seat: {decision:?}") };
        let ticket = unarmour(seat.ticket.as_bytes())?;
        let proved = self.chain(&seat)?.verify_ticket(&ticket)?.ticket;
        ensure!(
            proved.lease == seat.lease_id && proved.epoch == seat.epoch,
            "the ticket is of another lease than the answer: {proved:?}"
        );
        Ok(())
    }

    fn chain(&mut self, seat: &Seat) -> Result<&VerifiedChain> {
        let known = self.chains.iter().position(|chain| chain.digest() == seat.chain);
        let index = known.unwrap_or(self.chains.len());
        if known.is_none() {
            let chain = chain(self.generator, self.place, seat)?;
            self.chains.push(VerifiedChain::verify(&self.root, &chain)?);
        }
        Ok(&self.chains[index])
    }
}

/// The chain that the seat names, as the node shows it.
pub(crate) fn chain(generator: &Generator, place: &Place, seat: &Seat) -> Result<Chain> {
    let shown = generator.get(place, &format!("/v1/proof/{}", seat.chain))?;
    let ChainAnswer { roots, grant, pool, allocation, certificate } =
        serde_json::from_slice(&shown).context("no chain")?;
    let bytes = |text: &String| unarmour(text.as_bytes()).map(Bytes);
    Ok(Chain {
        roots: roots.iter().map(bytes).collect::<Result<_, _>>()?,
        grant: bytes(&grant)?,
        pool: bytes(&pool)?,
        allocation: bytes(&allocation)?,
        certificate: bytes(&certificate)?,
    })
}
