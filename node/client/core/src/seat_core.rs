//! One seat from the wish to its end.

mod answers;

use std::sync::Arc;

use leasehold_protocol::api::Seat;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::ClockReading;
use leasehold_protocol::trust_root::TrustRoot;

use crate::chain::Chains;
use crate::effect::{AddressIndex, Call, Effect, Effects, Event, RequestId};
use crate::input::{Input, Patience, Task};
use crate::limits::ATTEMPT_MS;
use crate::proven_seat::ProvenSeat;
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

    /// From now on the seat must not be used.
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
