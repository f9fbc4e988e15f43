//! A client as far as the node's promises reach: what it asks, and what it believes by its own clocks and STOP.

use leasehold_node_core::Checkout;
use leasehold_protocol::api::{IdempotencyKey, stop_in_ms};
use leasehold_protocol::artefact::{Holder, HolderProof};
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::ClockReading;

use crate::faults::ClientPlan;
use crate::host_clock::{HostClock, TrueUs};
use crate::rng::Rng;

/// Names one sending of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt(pub(crate) u64);

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Checkout(Checkout),
    Renew(LeaseId),
    Release(LeaseId),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Seat(Seat),
    Denied,
    Refused,
    Released,
}

/// A seat as an answer tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) lease: LeaseId,
    pub(crate) epoch: u64,
    pub(crate) pool: PoolId,
    pub(crate) slots: SlotSet,
    pub(crate) ttl_ms: i64,
    pub(crate) age_ms: i64,
}

/// A client machine with one application.
#[derive(Debug)]
pub(crate) struct Client {
    plan: ClientPlan,
    name: String,
    rng: Rng,
    clock: HostClock,
    state: State,
    key: IdempotencyKey,
    next_attempt: u64,
    /// Sendings of the present request that may still be answered, and when each left.
    open: Vec<(Attempt, ClockReading)>,
    /// When it next does something by itself.
    pub(crate) wakes_at: TrueUs,
    /// Nothing reaches it, and nothing of it reaches anybody, before this.
    pub(crate) cut_off_until: TrueUs,
}

#[derive(Debug)]
enum State {
    Idle,
    Asking,
    Holding(Held),
    Releasing(LeaseId),
}

#[derive(Debug)]
struct Held {
    seat: Seat,
    /// When the request whose answer this is was sent.
    sent: ClockReading,
    /// BOOTTIME at which the application has done its work.
    done_ms: i64,
}

impl Client {
    pub(crate) fn new(number: usize, plan: ClientPlan, mut rng: Rng) -> Self {
        let clock = HostClock::new(plan.clock, TrueUs(0), &mut rng);
        Self {
            plan,
            name: format!("user-{number}"),
            key: IdempotencyKey(rng.bytes()),
            wakes_at: TrueUs(rng.between(1, 20_000_000)),
            rng,
            clock,
            state: State::Idle,
            next_attempt: 0,
            open: Vec::new(),
            cut_off_until: TrueUs(0),
        }
    }

    /// The seat it would use now: STOP has not come by whichever of its clocks says more.
    pub(crate) fn believes(&mut self, now: TrueUs) -> Option<&Seat> {
        let reading = self.clock.read(now);
        match &self.state {
            State::Holding(held) if held.stop_in_ms(&reading) > 0 => Some(&held.seat),
            _ => None,
        }
    }

    /// Does what is due, and says what to send.
    pub(crate) fn wake(&mut self, now: TrueUs) -> Option<(Attempt, Request)> {
        let reading = self.clock.read(now);
        let pause_ms = self.rng.between(500, 8_000);
        self.wakes_at = now.plus(self.clock.true_span_us(pause_ms));
        match &self.state {
            State::Idle => {
                self.become_idle();
                self.state = State::Asking;
            }
            State::Asking if self.rng.chance(50) => self.become_idle(),
            State::Releasing(_) if self.rng.chance(300) => self.become_idle(),
            State::Asking | State::Releasing(_) => {}
            State::Holding(held) => {
                let (lease, done) = (held.seat.lease, held.done_ms <= reading.boottime_ms);
                match held.stop_in_ms(&reading) {
                    // After STOP a renewal may still bring it back.
                    stop_in_ms if stop_in_ms <= 0 && self.rng.chance(300) => {}
                    stop_in_ms if stop_in_ms <= 0 => self.ask_again(),
                    _ if self.rng.chance(20) => self.ask_again(),
                    _ if done => self.enter(State::Releasing(lease)),
                    // T1 is at half the life; STOP at 0.8 of it.
                    stop_in_ms if stop_in_ms > held.seat.ttl_ms / 10 * 3 => return None,
                    _ if self.rng.chance(self.plan.lazy_permille) => return None,
                    _ => {}
                }
            }
        }
        self.send(reading)
    }

    /// Takes an answer; answers to what is not open any more are not even looked at.
    pub(crate) fn hear(&mut self, now: TrueUs, attempt: Attempt, answer: Answer) {
        let Some(&(_, sent)) = self.open.iter().find(|(open, _)| *open == attempt) else { return };
        let reading = self.clock.read(now);
        match (&self.state, answer) {
            (State::Asking, Answer::Seat(seat)) => {
                let done_ms = reading.boottime_ms.saturating_add(self.rng.between(1, 2 * self.plan.use_ms));
                self.enter(State::Holding(Held { seat, sent, done_ms }));
            }
            (State::Holding(held), Answer::Seat(seat)) => {
                let done_ms = held.done_ms;
                self.enter(State::Holding(Held { seat, sent, done_ms }));
            }
            // The promise stands until STOP, whatever becomes of its renewal.
            (State::Holding(_), Answer::Denied) => self.open.clear(),
            (State::Asking, Answer::Denied) => {
                let pause_us = self.rng.log_between(2_000_000, 30_000_000);
                // Same key or a new one: both must do.
                if self.rng.chance(500) {
                    self.enter(State::Asking);
                } else {
                    self.become_idle();
                }
                self.wakes_at = now.plus(pause_us);
            }
            (_, Answer::Refused | Answer::Released) => self.become_idle(),
            (State::Idle | State::Releasing(_), _) => {}
        }
    }

    /// The application dies without a word.
    pub(crate) fn crash(&mut self, now: TrueUs) {
        let reboots = self.rng.chance(300);
        if reboots {
            self.clock.reboot(now, &mut self.rng);
        }
        self.become_idle();
        self.wakes_at = now.plus(self.rng.log_between(1_000_000, 120_000_000));
    }

    pub(crate) fn jump_wall(&mut self, now: TrueUs) {
        let offset_ms = self.rng.between(-86_400_000, 86_400_000);
        self.clock.jump_wall_to_offset(now, offset_ms);
    }

    /// Wants a seat with the key it has: the node may or may not know it.
    fn ask_again(&mut self) {
        if self.rng.chance(300) {
            self.become_idle();
        }
        self.enter(State::Asking);
    }

    fn become_idle(&mut self) {
        self.key = IdempotencyKey(self.rng.bytes());
        self.enter(State::Idle);
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.open.clear();
    }

    fn send(&mut self, reading: ClockReading) -> Option<(Attempt, Request)> {
        let request = match &self.state {
            State::Idle => return None,
            State::Asking => Request::Checkout(self.checkout()),
            State::Holding(held) => Request::Renew(held.seat.lease),
            State::Releasing(lease) => Request::Release(*lease),
        };
        let attempt = Attempt(self.next_attempt);
        self.next_attempt += 1;
        self.open.push((attempt, reading));
        Some((attempt, request))
    }

    fn checkout(&self) -> Checkout {
        let holder = Holder {
            user: self.name.clone(),
            host: "host".to_owned(),
            process: None,
            proof: HolderProof::Asserted,
        };
        Checkout {
            product: Some(format!("product-{}", self.plan.product)),
            pool: None,
            features: Vec::new(),
            count: self.plan.seats,
            holder,
            key: self.key,
            ttl_ms: None,
        }
    }
}

impl Held {
    fn stop_in_ms(&self, now: &ClockReading) -> i64 {
        if now.boot_id != self.sent.boot_id {
            return i64::MIN;
        }
        let boottime_ms = now.boottime_ms.saturating_sub(self.sent.boottime_ms);
        let elapsed_ms = boottime_ms.max(now.wall_ms.since(self.sent.wall_ms));
        stop_in_ms(self.seat.ttl_ms, elapsed_ms.saturating_add(self.seat.age_ms))
    }
}
