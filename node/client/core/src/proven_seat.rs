//! A seat that is proved, and the comparison of what the node says with what is signed.

use std::sync::Arc;

use leasehold_protocol::api::{CheckoutRequest, Seat};
use leasehold_protocol::artefact::{Extensions, LeaseTicket, SeatProof};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::code::exit;
use leasehold_protocol::proof::{ProofError, ProvedSeat, Step};
use leasehold_protocol::slots::SlotSet;

use crate::chain::{KnownChain, envelope, fault};
use crate::term::Term;

/// A seat whose ticket verified from the trust root down, and the time for which it may be used.
#[derive(Clone, Debug)]
pub struct ProvenSeat {
    /// What the node said; every field that matters agrees with the signed ticket.
    pub seat: Seat,
    /// When its use must end.
    pub term: Term,
    pub(crate) ticket: Bytes,
    chain: Arc<KnownChain>,
}

impl ProvenSeat {
    /// Everything that proves the seat, as one container that verifies with nothing but the trust root.
    pub fn proof(&self) -> SeatProof {
        SeatProof { chain: self.chain.envelopes.clone(), ticket: self.ticket.clone(), ext: Extensions::NONE }
    }

    pub(crate) const fn new(seat: Seat, term: Term, ticket: Bytes, chain: Arc<KnownChain>) -> Self {
        Self { seat, term, ticket, chain }
    }
}

/// Verifies the ticket of `seat` under `chain` and that it says what the node says and the application asked.
pub(crate) fn prove(
    chain: &KnownChain,
    asked: Option<&CheckoutRequest>,
    seat: &Seat,
) -> Result<(Bytes, ProvedSeat), ProofError> {
    let bytes = envelope(&seat.ticket, Step::Ticket)?;
    let proved = chain.verified.verify_ticket(&bytes.0)?;
    check_answer(chain, &proved.ticket, seat)?;
    if let Some(asked) = asked {
        check_wish(&proved.ticket, seat, asked)?;
    }
    Ok((bytes, proved))
}

fn check_answer(chain: &KnownChain, ticket: &LeaseTicket, seat: &Seat) -> Result<(), ProofError> {
    let slots: SlotSet = seat.slot.into_iter().chain(seat.slots.iter().flatten().copied()).collect();
    require(seat.code.exit() == exit::DONE, "the answer allows with a code that does not allow")?;
    require(ticket.lease == seat.lease_id, "the ticket is of another lease than the answer")?;
    require(ticket.epoch == seat.epoch, "the ticket has another epoch than the answer")?;
    require(ticket.slots == slots, "the ticket has other slots than the answer")?;
    require(i64::from(ticket.ttl_ms) == seat.ttl_ms, "the ticket lives for another time than the answer")?;
    require(ticket.features == seat.features, "the ticket has other features than the answer")?;
    require(ticket.holder.to_string() == seat.holder, "the ticket has another holder than the answer")?;
    require(chain.verified.pool().issue.id == seat.pool_id, "the ticket is of another pool than the answer")?;
    require(chain.verified.grant().sku == seat.product, "the ticket is of another product than the answer")
}

fn check_wish(ticket: &LeaseTicket, seat: &Seat, asked: &CheckoutRequest) -> Result<(), ProofError> {
    let features = asked.features.iter().all(|feature| ticket.features.contains(feature));
    let holder = ticket.holder.user == asked.holder.user && ticket.holder.host == asked.holder.host;
    require(
        asked.product.as_ref().is_none_or(|sku| *sku == seat.product),
        "the ticket is of another product than asked",
    )?;
    require(asked.pool.is_none_or(|pool| pool == seat.pool_id), "the ticket is of another pool than asked")?;
    require(features, "the ticket lacks a feature that was asked for")?;
    require(ticket.count == asked.count, "the ticket is for another number of seats than asked")?;
    require(holder, "the ticket is for another holder than asked")
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), ProofError> {
    if holds { Ok(()) } else { Err(fault(Step::Ticket, otherwise)) }
}
