//! A core with a journal in memory, driven frame by frame as the shell drives it.

use leasehold_node_core::{
    Cause, Checkout, Effect, Effects, Entropy, Event, Initialise, Input, NodeCore, Principal, Record, Reply,
    ReplyTo, RestoreError, SeatReply, Way,
};
use leasehold_protocol::api::{
    Denial, IdempotencyKey, ImportAnswer, JournalStatus, LeaseStatus, PoolStatus, StatusAnswer,
};
use leasehold_protocol::artefact::{Holder, HolderProof, JournalTail, Request};
use leasehold_protocol::bytes::{Digest, SpkiDigest};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{BootId, ClockReading, Stamp};
use leasehold_tests::vendor::{NOW, Offer, PoolOffer, TestKey, Vendor};

/// Who asks, unless a test says otherwise.
pub(crate) const ANN: Principal = Principal::Uid(1);

/// The number of its sign key.
pub(crate) const NODE_KEY: u8 = 2;

/// A node in memory.
pub(crate) struct Rig {
    pub(crate) core: NodeCore,
    /// From the last restart on: a core that replayed, where the other one was restored from a snapshot.
    twin: Option<NodeCore>,
    pub(crate) now: ClockReading,
    pub(crate) vendor: Vendor,
    frames: Vec<(Stamp, Seq, Vec<Record>)>,
    events: Vec<Event>,
    inputs: u64,
    serial: u64,
}

impl Rig {
    /// Initialised, and given nothing yet.
    pub(crate) fn new() -> Self {
        let now = ClockReading {
            boottime_ms: 1_000_000,
            mono_ms: 1_000_000,
            raw_ms: 1_000_000,
            wall_ms: NOW,
            boot_id: BootId([1; 16]),
            ..ClockReading::default()
        };
        let vendor = Vendor::new(1);
        let mut rig = Self {
            core: NodeCore::new(),
            twin: None,
            now,
            vendor,
            frames: Vec::new(),
            events: Vec::new(),
            inputs: 0,
            serial: 0,
        };
        let initialise = Initialise {
            cause: cause(),
            trust_root: rig.vendor.trust_root(),
            sign_key: TestKey::new(NODE_KEY).public_key().bytes(),
            tls_keys: vec![SpkiDigest([1; 32])],
            name: "plant".to_owned(),
        };
        rig.frame([Input::Initialise(initialise)]);
        rig
    }

    /// With these pools, and certain of the time.
    pub(crate) fn with(pools: Vec<PoolOffer>) -> Self {
        let mut rig = Self::new();
        rig.give(pools);
        rig
    }

    /// With so many seats of `cad`.
    pub(crate) fn with_seats(seats: u32) -> Self {
        Self::with(vec![PoolOffer::new(1, "cad", seats)])
    }

    /// One frame of these inputs: their answers, in order.
    pub(crate) fn frame(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Reply> {
        let stamp = self.core.stamp_of(&self.now);
        self.core.stamp(&stamp);
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.stamp_of(&self.now), stamp);
            twin.stamp(&stamp);
        }
        let first_seq = self.core.next_seq();
        let (mut records, mut replies) = (Vec::new(), Vec::new());
        let mut idle = false;
        for input in inputs {
            idle |= matches!(input, Input::Tick);
            self.inputs += 1;
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&self.inputs.to_le_bytes());
            let mut out = Effects::default();
            self.core.handle(&self.now, &mut Entropy::new(seed), input.clone(), &mut out);
            if let Some(twin) = &mut self.twin {
                let mut of_twin = Effects::default();
                twin.handle(&self.now, &mut Entropy::new(seed), input, &mut of_twin);
                assert_eq!(
                    format!("{out:?}"),
                    format!("{of_twin:?}"),
                    "a restored core decides as one that replayed"
                );
            }
            for effect in out.0 {
                match effect {
                    Effect::Record(record) => records.push(record),
                    Effect::Reply { body, .. } => replies.push(body),
                    Effect::Event(event) => self.events.push(event),
                    Effect::Sign(_) => {}
                }
            }
        }
        if records.is_empty() && !idle {
            self.core.forget_frame();
            self.twin.iter_mut().for_each(NodeCore::forget_frame);
        } else {
            self.frames.push((stamp, first_seq, records));
        }
        replies
    }

    pub(crate) fn ask(&mut self, input: Input) -> Reply {
        self.frame([input]).pop().expect("one answer")
    }

    pub(crate) fn checkout(&mut self, checkout: Checkout) -> Reply {
        self.ask(checkout_of(checkout))
    }

    /// A seat of `cad` for a key of this number.
    pub(crate) fn seat(&mut self, key: u8) -> SeatReply {
        seat(self.checkout(wish(key)))
    }

    /// Nothing is asked, but time passed.
    pub(crate) fn tick(&mut self) {
        self.frame([Input::Tick]);
    }

    pub(crate) fn renew(&mut self, lease: LeaseId) -> Reply {
        self.ask(Input::Renew { to: ReplyTo(0), principal: ANN, lease, idle_ms: None, shown: None })
    }

    pub(crate) fn release(&mut self, lease: LeaseId) -> Reply {
        self.ask(Input::Release { to: ReplyTo(0), principal: ANN, lease })
    }

    pub(crate) fn request(&mut self) -> Request {
        let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
        match self.ask(Input::MakeRequest {
            to: ReplyTo(0),
            cause: cause(),
            way: Way::Courier,
            present: false,
            join: None,
            journal,
        }) {
            Reply::Request(request) => *request,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn import(&mut self, envelope: Vec<u8>) -> Reply {
        self.ask(Input::Import {
            to: ReplyTo(0),
            cause: cause(),
            envelope,
            dry_run: false,
            accept_time: false,
        })
    }

    /// Request, bundle with these pools, import.
    pub(crate) fn give(&mut self, pools: Vec<PoolOffer>) {
        let offer = self.offer(pools);
        self.take(&offer);
    }

    /// Imports the answer to a request of this moment.
    pub(crate) fn take(&mut self, offer: &Offer) {
        let bundle = self.answer(offer);
        imported(self.import(bundle));
    }

    /// The next offer of the vendor.
    pub(crate) fn offer(&mut self, pools: Vec<PoolOffer>) -> Offer {
        self.serial += 1;
        Offer::new(self.serial, pools)
    }

    /// The bundle with that offer, made for a request of this moment.
    pub(crate) fn answer(&mut self, offer: &Offer) -> Vec<u8> {
        let request = self.request();
        self.vendor.answer(&request, offer)
    }

    /// Time passes on every clock.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now.boottime_ms += ms;
        self.now.mono_ms += ms;
        self.now.raw_ms += ms;
        self.now.wall_ms = self.now.wall_ms.plus(ms);
    }

    /// The machine was off for so long, and starts anew.
    pub(crate) fn reboot(&mut self, off_ms: i64) {
        let boot = self.now.boot_id.0[0].wrapping_add(1);
        let wall_ms = self.now.wall_ms.plus(off_ms);
        let running = ClockReading { boottime_ms: 5_000, mono_ms: 5_000, raw_ms: 5_000, ..self.now };
        self.now = ClockReading { wall_ms, boot_id: BootId([boot; 16]), ..running };
        self.restart();
    }

    /// A new process: what the journal says is all there is. It begins with a snapshot of that.
    pub(crate) fn restart(&mut self) {
        let replayed = self.replayed();
        assert_eq!(replayed.state_hash(), self.core.state_hash(), "replay makes the state that was live");
        self.core = restored(&replayed);
        assert_eq!(self.core.state_hash(), replayed.state_hash(), "a snapshot keeps the state");
        self.twin = Some(replayed);
    }

    fn replayed(&self) -> NodeCore {
        let mut replayed = NodeCore::new();
        for (stamp, first_seq, records) in &self.frames {
            replayed.stamp(stamp);
            for (seq, record) in (first_seq.0..).zip(records) {
                let record = Record::from_bytes(&record.to_bytes()).expect("a core reads what it wrote");
                replayed.apply(Seq(seq), &record).expect("a core replays what it wrote");
            }
        }
        replayed
    }

    /// How far the journal goes now.
    pub(crate) fn back_up(&self) -> usize {
        self.frames.len()
    }

    /// The journal is set back to a backup, and a process starts on it.
    pub(crate) fn set_back(&mut self, backup: usize) {
        self.frames.truncate(backup);
        self.core = self.replayed();
        self.twin = None;
        self.restart();
    }

    /// The lease that the record of that number granted.
    pub(crate) fn granted_by(&self, serial: u64) -> Option<LeaseId> {
        let numbered = self.frames.iter().flat_map(|(_, first_seq, records)| (first_seq.0..).zip(records));
        numbered.into_iter().find(|(seq, _)| *seq == serial).and_then(|(_, record)| match record {
            Record::LeaseGranted(granted) | Record::TicketAdopted { granted, .. } => Some(granted.lease),
            _ => None,
        })
    }

    /// All that operators were told.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// All that was written.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.frames.iter().flat_map(|(_, _, records)| records)
    }

    pub(crate) fn status(&self) -> StatusAnswer {
        let journal = JournalStatus { seq: 0, head: Digest([0; 32]), snapshot: None };
        self.core.status(&self.now, journal, true)
    }

    pub(crate) fn pool(&self) -> PoolStatus {
        self.status().pools.remove(0)
    }

    pub(crate) fn leases(&self) -> Vec<LeaseStatus> {
        self.core.leases(&self.now).leases
    }
}

/// The core of a snapshot of this one.
pub(crate) fn restored(core: &NodeCore) -> NodeCore {
    NodeCore::restore(core.snapshot().map(Ok::<_, RestoreError>)).expect("a core reads what it wrote")
}

/// A wish for one seat of `cad`.
pub(crate) fn wish(key: u8) -> Checkout {
    Checkout {
        product: Some("cad".to_owned()),
        pool: None,
        features: Vec::new(),
        count: 1,
        holder: holder("ann"),
        key: IdempotencyKey([key; 16]),
        ttl_ms: None,
    }
}

pub(crate) fn holder(user: &str) -> Holder {
    Holder { user: user.to_owned(), host: "desk".to_owned(), process: None, proof: HolderProof::Asserted }
}

pub(crate) fn checkout_of(checkout: Checkout) -> Input {
    Input::Checkout { to: ReplyTo(0), principal: ANN, checkout }
}

/// So many seats of a pool shall go back.
pub(crate) fn surrender(pool: u8, count: u32) -> Input {
    let pool = PoolId([pool; 16]);
    Input::Surrender { to: ReplyTo(0), cause: cause(), pool, count, dry_run: false }
}

pub(crate) fn seat(reply: Reply) -> SeatReply {
    match reply {
        Reply::Seat(seat) => *seat,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn denied(reply: Reply) -> Denial {
    match reply {
        Reply::Denied(denial) => *denial,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn refused(reply: Reply) -> Problem {
    match reply {
        Reply::Refused(problem) => *problem,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn imported(reply: Reply) -> ImportAnswer {
    match reply {
        Reply::Imported(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn released(reply: &Reply) -> bool {
    matches!(reply, Reply::Released(true))
}

/// The code of any answer.
pub(crate) fn code(reply: &Reply) -> Code {
    match reply {
        Reply::Seat(seat) => seat.code,
        Reply::Denied(denial) => denial.code,
        Reply::Refused(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

/// Who acts in these tests.
pub(crate) fn cause() -> Cause {
    Cause { actor: "tester".to_owned(), reason: None, idempotency_key: None }
}
