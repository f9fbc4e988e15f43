//! What each answer, or its lack, comes to.

use std::sync::Arc;

use leasehold_protocol::api::{Decision, Denial, IdempotencyKey, Seat};
use leasehold_protocol::code::{Code, exit};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::proof::{ProofError, Step};

use super::{Asking, Moment, Offer, Outstanding, Purpose, Returning, SeatCore, State};
use crate::chain::{KnownChain, fault};
use crate::effect::{Call, Effect, Event};
use crate::input::{Answer, Task};
use crate::limits::{ATTEMPT_MS, HAND_BACK_MS};
use crate::proven_seat::{ProvenSeat, prove};
use crate::retry::Retry;
use crate::term::{Term, elapsed_ms};

impl SeatCore {
    pub(super) fn on_answer(&mut self, at: &mut Moment<'_>, call: Outstanding, answer: Answer) {
        match (call.purpose, answer) {
            (_, Answer::Unproven(problem)) => self.on_stranger(at, problem),
            (Purpose::Checkout | Purpose::Renew | Purpose::Show, Answer::Decision(decision))
                if matches!(self.state, State::Abandoning) =>
            {
                if let Decision::Allow(seat) = *decision {
                    self.state = State::Returning(Returning::new(at.now, seat.lease_id));
                }
            }
            (purpose @ (Purpose::Checkout | Purpose::Renew | Purpose::Show), Answer::Decision(decision)) => {
                match *decision {
                    Decision::Allow(seat) => {
                        let renewed = !matches!(purpose, Purpose::Checkout);
                        if seat.age_ms == 0 && !renewed {
                            self.own = Some(seat.lease_id);
                        }
                        let offer = Offer { seat, sent: call.sent, renewed };
                        self.consider(at, Box::new(offer));
                    }
                    Decision::Deny(denial) => self.on_denied(at, denial),
                }
            }
            (Purpose::Prove(offer), Answer::Chain(chain)) => {
                match self.chains.learn(&self.trust, offer.seat.chain, &chain) {
                    Ok(chain) => self.judge(at, *offer, chain),
                    Err(error) => self.on_forged(at, &offer.seat, &error),
                }
            }
            (Purpose::Prove(_), Answer::Problem(problem))
                if problem.code == Code::NotFound && !self.chain_missed =>
            {
                self.chain_missed = true;
                self.on_unknown(at, problem);
            }
            (Purpose::Prove(offer), Answer::Problem(problem)) if !is_unknown(&problem) => {
                let error = fault(Step::ChainMissing, "the node does not show the chain it named");
                self.on_forged(at, &offer.seat, &error);
            }
            (Purpose::Release, Answer::Released(released)) => self.on_released(at, released),
            (Purpose::Renew, Answer::Problem(problem))
                if problem.code == Code::TicketNeeded && self.seat.is_some() =>
            {
                self.show_ticket(at);
            }
            (_, Answer::Problem(problem)) if is_unknown(&problem) => {
                self.on_unknown(at, problem);
            }
            (_, Answer::Problem(problem)) => self.on_refused(at, problem),
            (_, Answer::Decision(_) | Answer::Chain(_) | Answer::Released(_)) => {
                let detail = "the answer belongs to another call";
                let problem = Problem::new(Code::Unreachable, detail, "check what listens at the address");
                self.on_unknown(at, Box::new(problem));
            }
        }
    }

    /// A seat was offered: it counts only with its chain.
    fn consider(&mut self, at: &mut Moment<'_>, offer: Box<Offer>) {
        if let Some(chain) = self.chains.get(offer.seat.chain) {
            return self.judge(at, *offer, chain);
        }
        let call = Call::Chain(offer.seat.chain);
        self.send(at, call, Purpose::Prove(offer), ATTEMPT_MS);
    }

    fn judge(&mut self, at: &mut Moment<'_>, offer: Offer, chain: Arc<KnownChain>) {
        let asked = match &self.task {
            Task::Checkout(request) => Some(&**request),
            Task::Renew(_) | Task::Release(_) => None,
        };
        let (ticket, proved) = match prove(&chain, asked, &offer.seat) {
            Ok(proved) => proved,
            Err(error) => return self.on_forged(at, &offer.seat, &error),
        };
        let mut term = Term::new(offer.sent, i64::from(proved.ticket.ttl_ms), offer.seat.age_ms, at.entropy);
        // The same ticket again promises nothing new.
        if let Some(known) = self.seat.as_ref().filter(|known| known.ticket == ticket) {
            term = known.term.sooner(term, at.now);
        }
        let seat = ProvenSeat::new(offer.seat, term, ticket, chain);
        if term.is_live(at.now) {
            return self.hold(at, seat);
        }
        if offer.renewed {
            let problem =
                Problem::new(Code::Timeout, "the renewal was answered too late", "check the node's load");
            return self.on_unknown(at, Box::new(problem));
        }
        self.seat = Some(Arc::new(seat));
        self.send_renewal(at);
    }

    fn hold(&mut self, at: &mut Moment<'_>, seat: ProvenSeat) {
        let shown = Box::new(seat.clone());
        self.chain_missed = false;
        self.seat = Some(Arc::new(seat));
        self.home = self.address;
        let before =
            std::mem::replace(&mut self.state, State::Held { missed: false, retry: Retry::at_once(at.now) });
        let event = match before {
            State::Held { .. } => Event::Renewed(shown),
            State::Lost(_) => Event::Regained(shown),
            _ => Event::Acquired(shown),
        };
        at.out.0.push(Effect::Event(event));
    }

    fn on_denied(&mut self, at: &mut Moment<'_>, denial: Denial) {
        match &mut self.state {
            State::Asking(asking) => {
                let left_ms = self.patience.wait_ms.saturating_sub(elapsed_ms(&asking.since, at.now));
                if denial.code.exit() != exit::NO_SEAT || left_ms <= 0 {
                    return self.end(at, Event::Denied(Box::new(denial)));
                }
                asking.heard = *at.now;
                asking.trouble = None;
                // The last question is asked when the waiting ends.
                asking.retry = asking.retry.after_failure(at.now, 1, at.entropy).within(left_ms);
            }
            State::Held { .. } | State::Lost(_) => {
                self.idle = denial.code == Code::IdleTimeout;
                let problem = Problem::new(denial.code, denial.detail, denial.hint);
                self.on_missed(at, Box::new(problem));
            }
            _ => {}
        }
    }

    /// No seat is believed in without proof. One granted to this task is given back, for an honest node with a fault
    /// would keep it counted; one that the key brought back may be in use by whoever got it first.
    fn on_forged(&mut self, at: &mut Moment<'_>, seat: &Seat, error: &ProofError) {
        let detail = format!("the node's seat is refused: {error}");
        let hint = "check that the trust root is of the vendor whose node this is";
        let problem = Problem::new(Code::ProofInvalid, detail, hint).with("step", error.step.to_string());
        match (&self.state, &self.task) {
            (State::Asking(_), Task::Checkout(_)) if self.own == Some(seat.lease_id) => {
                self.state = State::Rejecting(Box::new(problem));
                self.send(at, Call::Release(seat.lease_id), Purpose::Release, HAND_BACK_MS);
            }
            (State::Asking(_), _) => self.end(at, Event::Failed(Box::new(problem))),
            _ => self.on_missed(at, Box::new(problem)),
        }
    }

    /// The node said definitely that it does not do what was asked.
    fn on_refused(&mut self, at: &mut Moment<'_>, problem: Box<Problem>) {
        let unknown_here = matches!(problem.code, Code::LeaseUnknown | Code::NotFound | Code::TicketNeeded);
        let gone = matches!(problem.code, Code::LeaseLost | Code::LeaseEnded);
        let at_home = self.address == self.home;
        match &mut self.state {
            State::Asking(asking) => {
                asking.strangers = asking.strangers.saturating_add(usize::from(unknown_here));
                if !unknown_here || asking.strangers >= self.addresses {
                    return self.end(at, Event::Failed(Box::new(without_ticket(*problem))));
                }
                asking.heard = *at.now;
                asking.retry = Retry::at_once(at.now);
                self.next_address();
            }
            // Another node does not know the lease: that says nothing about it.
            State::Held { .. } if gone || (unknown_here && at_home) => self.lose(at),
            State::Lost(_) if gone => self.begin_anew(at, problem),
            State::Held { .. } | State::Lost(_) => self.on_missed(at, problem),
            State::Returning(_) => self.end(at, Event::Failed(problem)),
            State::Abandoning | State::Rejecting(_) | State::Over => {}
        }
    }

    /// Somebody else is at the address. That says nothing about the seat: the node may be at another address. If
    /// somebody else is wherever one looks, asking is in vain.
    fn on_stranger(&mut self, at: &mut Moment<'_>, problem: Box<Problem>) {
        match &mut self.state {
            State::Asking(Asking { retry, trouble, strangers, .. })
            | State::Returning(Returning { retry, trouble, strangers, .. }) => {
                *strangers = strangers.saturating_add(1);
                if *strangers >= self.addresses {
                    return self.end(at, Event::Failed(problem));
                }
                *retry = retry.after_failure(at.now, self.addresses, at.entropy);
                *trouble = Some(problem);
                self.next_address();
            }
            State::Held { .. } | State::Lost(_) => self.on_missed(at, problem),
            State::Abandoning | State::Rejecting(_) | State::Over => {}
        }
    }

    /// Timeouts, cut connections, overload: nothing is known, so nothing changes but the next attempt.
    fn on_unknown(&mut self, at: &mut Moment<'_>, problem: Box<Problem>) {
        match &mut self.state {
            State::Asking(Asking { retry, trouble, .. })
            | State::Returning(Returning { retry, trouble, .. }) => {
                *retry = retry.after_failure(at.now, self.addresses, at.entropy);
                *trouble = Some(problem);
                self.next_address();
            }
            State::Held { .. } | State::Lost(_) => self.on_missed(at, problem),
            State::Abandoning | State::Rejecting(_) | State::Over => {}
        }
    }

    /// A renewal, or an attempt to get the seat again, came to nothing.
    fn on_missed(&mut self, at: &mut Moment<'_>, cause: Box<Problem>) {
        let at_t2 = self.term().is_none_or(|term| term.is_at_t2(at.now));
        let addresses = if at_t2 { self.addresses } else { 1 };
        match &mut self.state {
            State::Held { missed, retry } => {
                *retry = retry.after_failure(at.now, addresses, at.entropy);
                if !std::mem::replace(missed, true) {
                    let stop_in_ms = self.seat.as_ref().map_or(0, |seat| seat.term.stop_in_ms(at.now));
                    at.out.0.push(Effect::Event(Event::Warning { cause, stop_in_ms }));
                }
            }
            State::Lost(retry) => *retry = retry.after_failure(at.now, addresses, at.entropy),
            _ => return,
        }
        if at_t2 {
            self.next_address();
        }
    }

    fn on_released(&mut self, at: &mut Moment<'_>, released: bool) {
        let State::Returning(returning) = &mut self.state else { return };
        returning.strangers = returning.strangers.saturating_add(1);
        if released || returning.strangers >= self.addresses {
            return self.end(at, Event::Released(released));
        }
        returning.retry = returning.retry.after_failure(at.now, self.addresses, at.entropy);
        self.next_address();
    }

    /// The lease is gone for good, and its key with it: the next seat has a key of its own.
    fn begin_anew(&mut self, at: &mut Moment<'_>, problem: Box<Problem>) {
        match &mut self.task {
            Task::Checkout(request) => {
                request.key = IdempotencyKey(at.entropy.draw());
                let State::Lost(retry) = &mut self.state else { return };
                *retry = retry.after_failure(at.now, self.addresses, at.entropy);
            }
            Task::Renew(_) | Task::Release(_) => self.end(at, Event::Failed(problem)),
        }
    }
}

/// Who has no ticket to show has no lease there.
fn without_ticket(problem: Problem) -> Problem {
    if problem.code != Code::TicketNeeded {
        return problem;
    }
    Problem::new(Code::LeaseUnknown, problem.detail, problem.hint)
}

/// Down is not denied: no answer, overload and faults of the node say nothing about the seat.
const fn is_unknown(problem: &Problem) -> bool {
    matches!(problem.status, 408 | 429 | 500..)
}
