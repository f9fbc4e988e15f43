//! One seat from the wish to its end.

use std::sync::Arc;

use leasehold_protocol::api::{Decision, Denial, IdempotencyKey, Seat};
use leasehold_protocol::code::{Code, exit};
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::proof::{ProofError, Step};
use leasehold_protocol::time::ClockReading;
use leasehold_protocol::trust_root::TrustRoot;

use crate::chain::{Chains, KnownChain, fault};
use crate::effect::{AddressIndex, Call, Effect, Effects, Event, RequestId};
use crate::input::{Answer, Input, Patience, Task};
use crate::limits::{ATTEMPT_MS, HAND_BACK_MS};
use crate::proven_seat::{ProvenSeat, prove};
use crate::retry::Retry;
use crate::term::{Term, elapsed_ms};

/// The state machine of one seat.
///
/// Feed it [`Input::Tick`] to begin and again at [`SeatCore::next_deadline`], each call's answer, and
/// [`Input::Release`] at the end; carry out its effects in order.
#[derive(Debug)]
pub struct SeatCore {
    trust: TrustRoot,
    addresses: usize,
    patience: Patience,
    task: Task,
    chains: Chains,
    state: State,
    /// The newest proved answer, live or not.
    seat: Option<Arc<ProvenSeat>>,
    /// Where the next call goes.
    address: usize,
    /// The address that gave the newest proved answer.
    home: usize,
    outstanding: Option<Outstanding>,
    last_id: RequestId,
    /// The lease that was granted to this very task. One that a key brought back may be somebody else's by now.
    own: Option<LeaseId>,
    /// When the seat was used last, as far as the application told.
    used: Option<ClockReading>,
    /// The node renews no more until the seat is used again.
    idle: bool,
    /// The chain of an offer was not there: a node that applied a bundle meanwhile has another one.
    chain_missed: bool,
}

#[derive(Debug)]
enum State {
    /// No seat yet.
    Asking(Asking),
    /// A live seat.
    Held { missed: bool, retry: Retry },
    /// The seat passed its STOP, or the node said that it is gone.
    Lost(Retry),
    /// The application left while a checkout was under way: what comes of it is given back.
    Abandoning,
    /// The seat is being given back because its proof failed.
    Rejecting(Box<Problem>),
    /// The seat is being given back.
    Returning(Returning),
    /// Done.
    Over,
}

#[derive(Debug)]
struct Asking {
    since: ClockReading,
    /// When a node last gave a definite answer; at first, when asking began.
    heard: ClockReading,
    retry: Retry,
    trouble: Option<Box<Problem>>,
    /// Addresses that do not know the lease, or where somebody else is.
    strangers: usize,
}

#[derive(Debug)]
struct Returning {
    lease: LeaseId,
    since: ClockReading,
    retry: Retry,
    trouble: Option<Box<Problem>>,
    strangers: usize,
}

/// What every step of one input shares.
struct Moment<'a> {
    now: &'a ClockReading,
    entropy: &'a mut Entropy,
    out: &'a mut Effects,
}

/// A call without an answer yet.
#[derive(Debug)]
struct Outstanding {
    id: RequestId,
    sent: ClockReading,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Checkout,
    Renew,
    /// A renewal with the newest ticket.
    Show,
    Prove(Box<Offer>),
    Release,
}

/// A seat that is not proved yet.
#[derive(Debug)]
struct Offer {
    seat: Seat,
    /// When the request that it answers was sent.
    sent: ClockReading,
    renewed: bool,
}

impl SeatCore {
    /// A core for one task, against a node at `addresses` (≥ 1) addresses.
    pub fn new(
        now: &ClockReading,
        trust: TrustRoot,
        addresses: usize,
        patience: Patience,
        task: Task,
    ) -> Self {
        let retry = Retry::at_once(now);
        let state = match task {
            Task::Checkout(_) | Task::Renew(_) => {
                State::Asking(Asking { since: *now, heard: *now, retry, trouble: None, strangers: 0 })
            }
            Task::Release(lease) => State::Returning(Returning::new(now, lease)),
        };
        Self {
            trust,
            addresses: addresses.max(1),
            patience,
            task,
            chains: Chains::default(),
            state,
            seat: None,
            address: 0,
            home: 0,
            outstanding: None,
            last_id: RequestId(0),
            own: None,
            used: None,
            idle: false,
            chain_missed: false,
        }
    }

    /// Decides. The state is complete when it returns; the effects are to be carried out in order.
    pub fn handle(&mut self, now: &ClockReading, entropy: &mut Entropy, input: Input, out: &mut Effects) {
        let at = &mut Moment { now, entropy, out };
        match input {
            Input::Tick => {}
            Input::Answer { to, answer } => {
                if let Some(call) = self.outstanding.take_if(|call| call.id == to) {
                    self.on_answer(at, call, answer);
                }
            }
            Input::Used => self.use_now(at),
            Input::Release => self.leave(at),
        }
        self.proceed(at);
    }

    /// `CLOCK_BOOTTIME` at which to tick, if no answer comes before; `None` where nothing is to be done without an
    /// answer. The wall clock may make things due earlier, so a driver also ticks now and then.
    pub fn next_deadline(&self) -> Option<i64> {
        let free = self.outstanding.is_none();
        match &self.state {
            State::Asking(asking) => free.then(|| {
                let timeout = asking.heard.boottime_ms.saturating_add(self.patience.timeout_ms);
                asking.retry.boottime_ms().min(timeout)
            }),
            State::Held { retry, .. } => self.term().map(|term| {
                let renewal = term.t1_boottime_ms().max(retry.boottime_ms());
                term.stop_boottime_ms().min(if free && !self.idle { renewal } else { i64::MAX })
            }),
            State::Lost(retry) => (free && !self.idle).then(|| retry.boottime_ms()),
            State::Returning(returning) => free.then(|| {
                let timeout = returning.since.boottime_ms.saturating_add(self.patience.timeout_ms);
                returning.retry.boottime_ms().min(timeout)
            }),
            State::Abandoning | State::Rejecting(_) | State::Over => None,
        }
    }

    /// The seat, if it is held and live at `now`.
    pub fn live_seat(&self, now: &ClockReading) -> Option<&ProvenSeat> {
        let held = matches!(self.state, State::Held { .. });
        self.seat.as_deref().filter(|seat| held && seat.term.is_live(now))
    }

    /// Nothing more will come.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn term(&self) -> Option<Term> {
        self.seat.as_ref().map(|seat| seat.term)
    }

    /// What is due by the clock.
    fn proceed(&mut self, at: &mut Moment<'_>) {
        if matches!(self.state, State::Held { .. }) && !self.term().is_some_and(|term| term.is_live(at.now)) {
            self.lose(at);
        }
        if self.outstanding.is_some() {
            return;
        }
        match &self.state {
            State::Asking(asking) => {
                let left_ms = self.patience.timeout_ms.saturating_sub(elapsed_ms(&asking.heard, at.now));
                if left_ms <= 0 {
                    let problem = given_up(self.patience.timeout_ms, asking.trouble.as_deref());
                    self.end(at, Event::Failed(Box::new(problem)));
                } else if asking.retry.is_due(at.now) {
                    self.ask(at);
                }
            }
            State::Held { retry, .. } => {
                let at_t1 = self.term().is_some_and(|term| term.is_at_t1(at.now));
                if at_t1 && !self.idle && retry.is_due(at.now) {
                    self.send_renewal(at);
                }
            }
            State::Lost(retry) => {
                if !self.idle && retry.is_due(at.now) {
                    self.ask(at);
                }
            }
            State::Returning(returning) => {
                let left_ms = self.patience.timeout_ms.saturating_sub(elapsed_ms(&returning.since, at.now));
                if left_ms <= 0 {
                    let problem = given_up(self.patience.timeout_ms, returning.trouble.as_deref());
                    self.end(at, Event::Failed(Box::new(problem)));
                } else if returning.retry.is_due(at.now) {
                    let call = Call::Release(returning.lease);
                    self.send(at, call, Purpose::Release, left_ms);
                }
            }
            State::Abandoning => self.end_without_checkout(at),
            State::Rejecting(problem) => {
                let problem = problem.clone();
                self.end(at, Event::Failed(problem));
            }
            State::Over => {}
        }
    }

    fn on_answer(&mut self, at: &mut Moment<'_>, call: Outstanding, answer: Answer) {
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

    /// From at.now on the seat must not be used.
    fn lose(&mut self, at: &mut Moment<'_>) {
        self.state = State::Lost(Retry::at_once(at.now));
        at.out.0.push(Effect::Event(Event::Lost));
    }

    /// A seat that was idle for too long is asked for again at once.
    fn use_now(&mut self, at: &mut Moment<'_>) {
        self.used = Some(*at.now);
        if !std::mem::take(&mut self.idle) {
            return;
        }
        if let State::Held { retry, .. } | State::Lost(retry) = &mut self.state {
            *retry = Retry::at_once(at.now);
        }
    }

    /// The application wants the seat no more.
    fn leave(&mut self, at: &mut Moment<'_>) {
        let lease = self.seat.as_ref().map(|seat| seat.seat.lease_id);
        self.state = match (&self.state, self.outstanding.as_ref().map(|call| &call.purpose), lease) {
            (State::Over | State::Abandoning | State::Rejecting(_) | State::Returning(_), ..) => return,
            (_, Some(Purpose::Checkout), _) => State::Abandoning,
            (_, Some(Purpose::Prove(offer)), _) => {
                State::Returning(Returning::new(at.now, offer.seat.lease_id))
            }
            (_, _, Some(lease)) => State::Returning(Returning::new(at.now, lease)),
            (_, _, None) => return self.end(at, Event::Released(false)),
        };
        if !matches!(self.state, State::Abandoning) {
            self.outstanding = None;
        }
    }

    /// The abandoned checkout brought no seat.
    fn end_without_checkout(&mut self, at: &mut Moment<'_>) {
        match self.seat.as_ref().map(|seat| seat.seat.lease_id) {
            Some(lease) => {
                self.state = State::Returning(Returning::new(at.now, lease));
                self.proceed(at);
            }
            None => self.end(at, Event::Released(false)),
        }
    }

    fn end(&mut self, at: &mut Moment<'_>, event: Event) {
        self.state = State::Over;
        self.outstanding = None;
        at.out.0.push(Effect::Event(event));
    }

    /// Asks for what the core was made for; the key stays the same over all attempts.
    fn ask(&mut self, at: &mut Moment<'_>) {
        match &self.task {
            Task::Checkout(request) => {
                let call = Call::Checkout(request.clone());
                self.send(at, call, Purpose::Checkout, ATTEMPT_MS);
            }
            Task::Renew(lease) => {
                let call = Call::Renew { lease: *lease, idle_ms: None };
                self.send(at, call, Purpose::Renew, ATTEMPT_MS);
            }
            Task::Release(_) => {}
        }
    }

    fn send_renewal(&mut self, at: &mut Moment<'_>) {
        if let Some(lease) = self.seat.as_ref().map(|seat| seat.seat.lease_id) {
            let idle_ms = self.used.map(|used| elapsed_ms(&used, at.now));
            self.send(at, Call::Renew { lease, idle_ms }, Purpose::Renew, ATTEMPT_MS);
        }
    }

    /// The node may have forgotten the lease: what its holder has tells it.
    fn show_ticket(&mut self, at: &mut Moment<'_>) {
        let Some(seat) = &self.seat else { return };
        let (lease, ticket, held) = (seat.seat.lease_id, seat.seat.ticket.clone(), seat.term.is_live(at.now));
        self.send(at, Call::Show { lease, ticket, held }, Purpose::Show, ATTEMPT_MS);
    }

    fn send(&mut self, at: &mut Moment<'_>, call: Call, purpose: Purpose, most_ms: i64) {
        let left_ms = match &self.state {
            State::Asking(asking) => {
                self.patience.timeout_ms.saturating_sub(elapsed_ms(&asking.heard, at.now)).max(1)
            }
            _ => ATTEMPT_MS,
        };
        let timeout_ms = most_ms.min(left_ms).min(ATTEMPT_MS);
        self.last_id = RequestId(self.last_id.0.saturating_add(1));
        let (id, address) = (self.last_id, AddressIndex(self.address));
        self.outstanding = Some(Outstanding { id, sent: *at.now, purpose });
        at.out.0.push(Effect::Send { id, address, call, timeout_ms });
    }

    fn next_address(&mut self) {
        self.address = self.address.saturating_add(1).checked_rem(self.addresses).unwrap_or(0);
    }
}

impl Returning {
    fn new(now: &ClockReading, lease: LeaseId) -> Self {
        Self { lease, since: *now, retry: Retry::at_once(now), trouble: None, strangers: 0 }
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

fn given_up(timeout_ms: i64, trouble: Option<&Problem>) -> Problem {
    let code = match trouble {
        Some(Problem { code: Code::Unreachable, .. }) => Code::Unreachable,
        _ => Code::Timeout,
    };
    let cause = trouble.map_or_else(|| "no answer".to_owned(), |problem| problem.detail.clone());
    let detail = format!("no node gave an answer within {timeout_ms} ms: {cause}");
    let hint = trouble.map_or("check the address and that the node runs", |problem| problem.hint.as_str());
    Problem::new(code, detail, hint)
}
