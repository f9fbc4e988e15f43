//! A core with a clock that tests turn and a node that answers what tests say.

use leasehold_client_core::{
    AddressIndex, Answer, Call, Effect, Effects, Event, Input, Patience, RequestId, SeatCore, Task,
};
use leasehold_protocol::api::{CheckoutRequest, Decision, Denial, Seat};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::{ClockReading, UnixMs};
use leasehold_protocol::trust_root::TrustRoot;

use crate::vendor::{Given, NOW, Vendor, lease, wish};

pub(crate) const TTL_MS: i64 = 900_000;
pub(crate) const PATIENCE: Patience = Patience { timeout_ms: 10_000, wait_ms: 0 };

pub(crate) struct Rig {
    pub(crate) vendor: Vendor,
    pub(crate) core: SeatCore,
    pub(crate) now: ClockReading,
    pub(crate) events: Vec<Event>,
    pub(crate) calls: Vec<Sent>,
    inputs: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: RequestId,
    pub(crate) address: AddressIndex,
    pub(crate) call: Call,
    pub(crate) timeout_ms: i64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::of(1, PATIENCE, Task::Checkout(Box::new(wish())))
    }

    pub(crate) fn of(addresses: usize, patience: Patience, task: Task) -> Self {
        let vendor = Vendor::new("vendor");
        let trust = TrustRoot::pin(&vendor.root).unwrap();
        let now = ClockReading { boottime_ms: 1_000_000, wall_ms: NOW, ..ClockReading::default() };
        let core = SeatCore::new(&now, trust, addresses, patience, task);
        let mut rig = Self { vendor, core, now, events: Vec::new(), calls: Vec::new(), inputs: 0 };
        rig.input(Input::Tick);
        rig
    }

    /// A rig whose seat was checked out at this moment.
    pub(crate) fn held(addresses: usize) -> Self {
        let mut rig = Self::of(addresses, PATIENCE, Task::Checkout(Box::new(wish())));
        rig.allow(given(0, 0));
        rig.show_chain();
        assert!(matches!(rig.take_event(), Event::Acquired(_)));
        rig
    }

    pub(crate) fn input(&mut self, input: Input) {
        let mut out = Effects::default();
        self.inputs += 1;
        assert!(self.inputs < 10_000, "the core comes to no end");
        let [seed, ..] = self.inputs.to_le_bytes();
        self.core.handle(&self.now, &mut Entropy::new([seed; 32]), input, &mut out);
        for effect in out.0 {
            match effect {
                Effect::Send { id, address, call, timeout_ms } => {
                    self.calls.push(Sent { id, address, call, timeout_ms });
                }
                Effect::Event(event) => self.events.push(event),
            }
        }
    }

    /// Both clocks run on, and the core looks at them.
    pub(crate) fn pass(&mut self, span_ms: i64) {
        self.now.boottime_ms += span_ms;
        self.now.wall_ms = self.now.wall_ms.plus(span_ms);
        self.input(Input::Tick);
    }

    /// To the core's next deadline, not beyond `limit_ms` of BOOTTIME from now.
    pub(crate) fn pass_to_deadline(&mut self, limit_ms: i64) {
        if let Some(deadline) = self.core.next_deadline() {
            self.pass((deadline - self.now.boottime_ms).clamp(0, limit_ms));
        }
    }

    pub(crate) fn take_call(&mut self) -> Sent {
        assert_eq!(self.calls.len(), 1, "{:?} {:?}", self.calls, self.events);
        self.calls.remove(0)
    }

    pub(crate) fn take_event(&mut self) -> Event {
        assert_eq!(self.events.len(), 1, "{:?} {:?}", self.events, self.calls);
        self.events.remove(0)
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> Call {
        let sent = self.take_call();
        self.input(Input::Answer { to: sent.id, answer });
        sent.call
    }

    pub(crate) fn allow(&mut self, given: Given) {
        let seat = self.vendor.seat(&wish(), given);
        self.offer(seat);
    }

    pub(crate) fn offer(&mut self, seat: Seat) {
        self.answer(Answer::Decision(Box::new(Decision::Allow(seat))));
    }

    pub(crate) fn deny(&mut self, code: Code) {
        let denial = Denial {
            code,
            detail: "denied".into(),
            hint: "none".into(),
            queue_position: None,
            retry_after_ms: None,
            held_by: Vec::new(),
            would_allow: Vec::new(),
        };
        self.answer(Answer::Decision(Box::new(Decision::Deny(denial))));
    }

    pub(crate) fn show_chain(&mut self) {
        let chain = self.vendor.chain_answer();
        let call = self.answer(Answer::Chain(Box::new(chain)));
        assert_eq!(call, Call::Chain(self.vendor.chain.digest()));
    }

    pub(crate) fn fail(&mut self, code: Code) -> Call {
        self.answer(Answer::Problem(Box::new(Problem::new(code, "trouble", "wait"))))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.core.live_seat(&self.now).is_some()
    }

    /// The wall clock alone moves.
    pub(crate) fn set_wall(&mut self, span_ms: i64) {
        self.now.wall_ms = UnixMs(self.now.wall_ms.0 + span_ms);
    }
}

pub(crate) fn given(issue: u8, age_ms: i64) -> Given {
    Given { lease: 1, issue, ttl_ms: TTL_MS, age_ms }
}

pub(crate) fn key_of(call: &Call) -> [u8; 16] {
    match call {
        Call::Checkout(request) => {
            let CheckoutRequest { key, .. } = &**request;
            key.0
        }
        other => panic!("{other:?} is no checkout"),
    }
}

/// The renewal of the first lease, by an application that says nothing of its use.
pub(crate) fn renewal() -> Call {
    Call::Renew { lease: lease(1), idle_ms: None }
}
