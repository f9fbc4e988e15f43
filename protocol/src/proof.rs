//! Verification of a seat with nothing but a trust root: root → grant ⊇ pool ⊇ allocation → certificate → ticket.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::artefact::{
    Allocation, Chain, Grant, Kind, LeaseTicket, NodeCertificate, Pool, ProofBytesError, SeatProof,
};
use crate::bytes::Digest;
use crate::code::Code;
use crate::envelope::{Envelope, KeyRing, Verified, VerifyError, verify};
use crate::time::UnixMs;
use crate::trust_root::{RootError, TrustRoot};

/// Where verification of a proof stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The file is no proof.
    Container,
    /// A bare ticket: nothing leads to it.
    ChainMissing,
    /// The roots after the verifier's own.
    Root,
    /// The grant.
    Grant,
    /// The pool, and that it is of the grant.
    Pool,
    /// The allocation, and that it is of the pool.
    Allocation,
    /// The node certificate, and that the allocation is its node's.
    Certificate,
    /// The lease ticket, and that it is within the allocation.
    Ticket,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why a proof is invalid: the step that failed, and what was wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof fails at step {step}: {fault}")]
pub struct ProofError {
    /// Where.
    pub step: Step,
    /// What.
    pub fault: ProofFault,
}

/// What is wrong at a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// Not a container.
    #[error(transparent)]
    Bytes(#[from] ProofBytesError),
    /// The chain of roots breaks.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A signature or its artefact.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Two artefacts do not fit together.
    #[error("{0}")]
    Mismatch(&'static str),
}

impl ProofError {
    /// The registry's code: malformed files are told from forged ones.
    pub const fn code(&self) -> Code {
        match self.step {
            Step::Container => Code::Malformed,
            _ => Code::ProofInvalid,
        }
    }
}

/// A chain that verified: good for every ticket of its allocation.
#[derive(Clone, Debug)]
pub struct VerifiedChain {
    digest: Digest,
    grant: Verified<Grant>,
    pool: Verified<Pool>,
    allocation: Verified<Allocation>,
    ticket_ring: KeyRing,
}

/// A proved seat.
#[derive(Clone, Debug)]
pub struct ProvedSeat {
    /// The ticket.
    pub ticket: Verified<LeaseTicket>,
    /// The allocation's end.
    pub not_after: UnixMs,
}

/// Verifies a whole proof (SPEC PROOF). `at` decides nothing here: ask [`ProvedSeat::is_live`].
pub fn verify_proof(root: &TrustRoot, bytes: &[u8]) -> Result<(VerifiedChain, ProvedSeat), ProofError> {
    if Envelope::parse(bytes).is_ok_and(|e| e.kind == Kind::LeaseTicket) {
        let fault = ProofFault::Mismatch("a bare ticket proves nothing without its chain");
        return Err(ProofError { step: Step::ChainMissing, fault });
    }
    let proof = SeatProof::from_bytes(bytes).map_err(at(Step::Container))?;
    let chain = VerifiedChain::verify(root, &proof.chain)?;
    let seat = chain.verify_ticket(&proof.ticket.0)?;
    Ok((chain, seat))
}

impl VerifiedChain {
    /// Verifies everything but the ticket.
    pub fn verify(root: &TrustRoot, chain: &Chain) -> Result<Self, ProofError> {
        let root = root.follow(chain.roots.iter().map(|r| r.0.as_slice())).map_err(at(Step::Root))?;
        let grant: Verified<Grant> =
            verify(&chain.grant.0, &root.ring(Kind::Grant)).map_err(at(Step::Grant))?;
        let pool: Verified<Pool> = verify(&chain.pool.0, &root.ring(Kind::Pool)).map_err(at(Step::Pool))?;
        check_pool(&pool, &grant).map_err(mismatch(Step::Pool))?;
        let allocation: Verified<Allocation> =
            verify(&chain.allocation.0, &root.ring(Kind::Allocation)).map_err(at(Step::Allocation))?;
        check_allocation(&allocation, &pool).map_err(mismatch(Step::Allocation))?;
        let certificate: Verified<NodeCertificate> =
            verify(&chain.certificate.0, &root.ring(Kind::NodeCertificate)).map_err(at(Step::Certificate))?;
        check_certificate(&certificate, &allocation).map_err(mismatch(Step::Certificate))?;
        let ticket_ring = KeyRing::of_one(root.realm(), certificate.sign_key());
        Ok(Self { digest: chain.digest(), grant, pool, allocation, ticket_ring })
    }

    /// Verifies a ticket under this chain.
    pub fn verify_ticket(&self, bytes: &[u8]) -> Result<ProvedSeat, ProofError> {
        let ticket: Verified<LeaseTicket> = verify(bytes, &self.ticket_ring).map_err(at(Step::Ticket))?;
        self.check_ticket(&ticket).map_err(mismatch(Step::Ticket))?;
        Ok(ProvedSeat { ticket, not_after: self.allocation.not_after })
    }

    /// Names the chain, to be found again.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The grant it begins with.
    pub const fn grant(&self) -> &Verified<Grant> {
        &self.grant
    }

    /// The pool.
    pub const fn pool(&self) -> &Verified<Pool> {
        &self.pool
    }

    /// The allocation it ends with.
    pub const fn allocation(&self) -> &Verified<Allocation> {
        &self.allocation
    }

    fn check_ticket(&self, ticket: &LeaseTicket) -> Result<(), &'static str> {
        let row = &self.allocation;
        let slots_fit = match self.pool.slot_count() {
            Some(_) => ticket.slots.len() == ticket.count && row.slots.contains_all(&ticket.slots),
            None => ticket.slots.is_empty(),
        };
        let ttl_ms = i64::from(ticket.ttl_ms);
        let features = ticket.features.iter().all(|feature| self.grant.features.contains(feature));
        // Nobody knew how late it was: only rows with a budget for that are served then (SPEC PROOF-4).
        let bounded = ticket.issued.hi != UnixMs::MAX || (row.fixed && row.suspect_budget_ms > 0);
        let unended = ticket.issued.floor < row.not_after
            && (ticket.issued.hi == UnixMs::MAX || ticket.issued.hi.plus(ttl_ms) <= row.not_after);
        require(ticket.allocation == row.digest(), "the ticket names another allocation")?;
        require(ticket.generation == row.generation, "the ticket is of another generation of the node")?;
        require(slots_fit, "the ticket's slots are not the allocation's")?;
        require(features, "the ticket names a feature that the grant lacks")?;
        require(ttl_ms <= self.pool.ttl.max_ms, "the ticket lives longer than the pool allows")?;
        require(
            bounded,
            "the ticket was issued without knowing the time, for which the allocation has no budget",
        )?;
        require(unended, "the ticket lives beyond the end of the allocation")
    }
}

impl ProvedSeat {
    /// Whether the seat is live at `at`: floor ≤ at < min(hi + ttl, the allocation's end) (SPEC PROOF-5).
    pub fn is_live(&self, at: UnixMs) -> bool {
        let end = self.ticket.issued.hi.plus(i64::from(self.ticket.ttl_ms)).min(self.not_after);
        self.ticket.issued.floor <= at && at < end
    }
}

fn check_pool(pool: &Pool, grant: &Verified<Grant>) -> Result<(), &'static str> {
    require(pool.grant == grant.issue.id, "the pool is of another grant")?;
    require(pool.grant_digest == grant.digest(), "the pool was cut from another version of the grant")?;
    require(pool.account == grant.account, "pool and grant are of different accounts")
}

fn check_allocation(row: &Allocation, pool: &Verified<Pool>) -> Result<(), &'static str> {
    let within = match (pool.slot_count(), row.slots.ranges().last()) {
        (Some(count), Some(last)) => last.end() <= count,
        (Some(_) | None, None) => true,
        (None, Some(_)) => false,
    };
    require(row.pool == pool.issue.id, "the allocation is of another pool")?;
    require(row.pool_digest == pool.digest(), "the allocation was cut from another version of the pool")?;
    require(row.account == pool.account, "allocation and pool are of different accounts")?;
    require(within, "the allocation holds slots that the pool has not")
}

pub(crate) fn check_certificate(certificate: &NodeCertificate, row: &Allocation) -> Result<(), &'static str> {
    let signed_at = row.issue.issued_at;
    require(certificate.node == row.node, "the certificate is another node's")?;
    require(certificate.account == row.account, "certificate and allocation are of different accounts")?;
    require(certificate.sign_key.id() == row.sign_key, "the allocation is for another key of the node")?;
    require(
        certificate.generation == row.generation,
        "the allocation is for another generation of the node",
    )?;
    require(
        certificate.not_before <= signed_at && signed_at <= certificate.not_after,
        "the allocation was signed outside the certificate's time",
    )?;
    let seats = certificate.caps.max_seats.is_none_or(|max| row.slots.len() <= max);
    require(seats, "the allocation is larger than the certificate allows")
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn at<E: Into<ProofFault>>(step: Step) -> impl Fn(E) -> ProofError {
    move |error| ProofError { step, fault: error.into() }
}

fn mismatch(step: Step) -> impl Fn(&'static str) -> ProofError {
    move |what| ProofError { step, fault: ProofFault::Mismatch(what) }
}
