//! Drives the real node core exactly as the shell does, over the simulated disk and clocks.

use std::collections::BTreeMap;

use leasehold_node_core::{
    Cause, Checkout, Effect, Effects, Entropy, Initialise, Input, NodeCore, Principal, Record, Reply,
    ReplyTo, RestoreError, Rules, Way,
};
use leasehold_protocol::api::LeaseStatus;
use leasehold_protocol::artefact::JournalTail;
use leasehold_protocol::bytes::{Digest, SpkiDigest};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{ClockReading, Stamp};
use leasehold_tests::vendor::TestKey;

use crate::client::Attempt;
use crate::disk::{Disk, Frame};
use crate::faults::Plan;
use crate::history::History;
use crate::host_clock::{HostClock, PS_PER_MS, TrueUs};
use crate::rng::Rng;

/// Which rules are in force: all, or all but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    Whole,
    WithoutGrace,
    AckBeforeDurable,
    EpochReused,
    ReplayRestartsTtl,
    AgeIgnored,
    RowEndIgnored,
    ReleaseForgotten,
}

impl Law {
    pub(crate) const MUTANTS: [Self; 7] = [
        Self::WithoutGrace,
        Self::AckBeforeDurable,
        Self::EpochReused,
        Self::ReplayRestartsTtl,
        Self::AgeIgnored,
        Self::RowEndIgnored,
        Self::ReleaseForgotten,
    ];

    const fn rules(self) -> Rules {
        match self {
            Self::Whole | Self::AckBeforeDurable | Self::ReplayRestartsTtl => Rules::LAW,
            Self::WithoutGrace => Rules::LAW.without_grace(),
            Self::EpochReused => Rules::LAW.without_epochs(),
            Self::AgeIgnored => Rules::LAW.without_age(),
            Self::RowEndIgnored => Rules::LAW.without_row_end(),
            Self::ReleaseForgotten => Rules::LAW.without_releases(),
        }
    }
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Client(usize, Attempt),
    Operator,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Checkout(Checkout),
    Renew(LeaseId),
    Release(LeaseId),
    MakeRequest,
    Import(Vec<u8>),
}

/// What a frame came to.
pub(crate) struct Made {
    pub(crate) stamp: Stamp,
    /// Exact service time of its reading.
    pub(crate) svc_ps: i128,
    /// Everything decided, for the checker.
    pub(crate) decided: Vec<Decided>,
    /// Answers that may leave at once.
    pub(crate) released: Vec<(Asker, Reply)>,
    /// How long its sync takes; none if nothing was written.
    pub(crate) sync_us: Option<i64>,
    pub(crate) evictions: usize,
}

/// A decision.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) asker: Asker,
    pub(crate) is_checkout: bool,
    /// What must be durable before the answer leaves.
    after: Seq,
    pub(crate) reply: Reply,
}

/// A node's machine: what a crash leaves, and the process, if it runs.
pub(crate) struct NodeDriver {
    law: Law,
    rng: Rng,
    max_sync_us: i64,
    trust_root: Vec<u8>,
    pub(crate) clock: HostClock,
    disk: Disk,
    process: Option<Process>,
    /// Counts processes: what belonged to an earlier one is void.
    pub(crate) incarnation: u64,
}

struct Process {
    core: NodeCore,
    history: History,
    inbox: Vec<(Asker, Command)>,
    /// Answers that wait for the sync under way.
    syncing: Option<Vec<(Asker, Reply)>>,
}

impl NodeDriver {
    pub(crate) fn new(plan: &Plan, law: Law, trust_root: Vec<u8>, mut rng: Rng) -> Self {
        let clock = HostClock::new(plan.node_clock, TrueUs(0), &mut rng);
        Self {
            law,
            rng,
            max_sync_us: plan.max_sync_us,
            trust_root,
            clock,
            disk: Disk::default(),
            process: None,
            incarnation: 0,
        }
    }

    /// Starts the process: from a snapshot of some place of the journal, which then is replayed from there on; or begins
    /// one.
    pub(crate) fn start(&mut self, now: TrueUs) {
        self.incarnation += 1;
        let history = History::of(self.disk.frames());
        let frames = i64::try_from(self.disk.frames().len()).expect("a run is short");
        let snapshot_at = usize::try_from(self.rng.between(0, frames)).expect("from 0 on");
        let core = self.replayed(Some(snapshot_at));
        self.process = Some(Process { core, history, inbox: Vec::new(), syncing: None });
        if self.disk.frames().is_empty() {
            self.initialise(now);
        }
    }

    pub(crate) const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The process dies. Says whether something unsynced was lost.
    pub(crate) fn crash(&mut self) -> bool {
        self.process = None;
        self.disk.crash(&mut self.rng)
    }

    /// Whether a sync is under way.
    pub(crate) fn has_unsynced(&self) -> bool {
        self.disk.has_unsynced()
    }

    /// Takes a command in; false if nobody listens.
    pub(crate) fn deliver(&mut self, asker: Asker, command: Command) -> bool {
        let Some(process) = &mut self.process else { return false };
        process.inbox.push((asker, command));
        true
    }

    /// Makes one frame of all that waits, unless the last one is still being synced.
    pub(crate) fn make_frame(&mut self, now: TrueUs, tick: bool) -> Option<Made> {
        let process = self.process.as_mut().filter(|process| process.syncing.is_none())?;
        if process.inbox.is_empty() && !tick {
            return None;
        }
        let reading = self.clock.read(now);
        let svc_ps = svc_ps(&self.disk, &mut self.clock, now, &reading);
        let stamp = process.core.stamp_of(&reading);
        process.core.stamp(&stamp);
        let first_seq = process.core.next_seq();
        let (records, decided) = process.decide(&reading, tick, &mut self.rng);
        let mut made = Made { stamp, svc_ps, decided, released: Vec::new(), sync_us: None, evictions: 0 };
        let written = tick || !records.is_empty();
        let ack_at_once = !written || self.law == Law::AckBeforeDurable;
        let (at_once, later): (Vec<&Decided>, Vec<&Decided>) =
            made.decided.iter().partition(|decided| ack_at_once || decided.after < first_seq);
        let answers = |decided: Vec<&Decided>| decided.into_iter().map(Decided::answer).collect();
        (made.released, process.syncing) = (answers(at_once), written.then(|| answers(later)));
        if written {
            let boottime_ps = self.clock.boottime_ps(now);
            let frame = Frame { stamp, first_seq, records, svc_ps, boottime_ps };
            made.evictions = process.history.take(&frame);
            self.disk.append(frame);
            made.sync_us = Some(self.rng.log_between(50, self.max_sync_us));
        } else {
            process.core.forget_frame();
        }
        Some(made)
    }

    /// The sync returned: what waited for it may leave.
    pub(crate) fn synced(&mut self) -> Vec<(Asker, Reply)> {
        self.disk.sync();
        self.process.as_mut().and_then(|process| process.syncing.take()).unwrap_or_default()
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.process.as_ref().map(|process| &process.history)
    }

    /// Epoch and slots of each lease that is not over, as the admin API lists them.
    pub(crate) fn live_leases(&mut self, now: TrueUs) -> BTreeMap<LeaseId, (u64, SlotSet)> {
        let reading = self.clock.read(now);
        let Some(process) = &self.process else { return BTreeMap::new() };
        let slots =
            |lease: &LeaseStatus| lease.slot.iter().chain(lease.slots.iter().flatten()).copied().collect();
        let leases = process.core.leases(&reading).leases;
        leases.iter().map(|lease| (lease.lease_id, (lease.epoch, slots(lease)))).collect()
    }

    /// Whether the live state is what its journal says; trivially so while nothing runs.
    pub(crate) fn is_its_journal(&self) -> bool {
        // This mutant is to be found by what it does, not by being different.
        let compares = self.law != Law::ReplayRestartsTtl;
        let live = self.process.as_ref().filter(|_| compares).map(|process| process.core.state_hash());
        live.is_none_or(|live| live == self.replayed(None).state_hash())
    }

    /// What the journal comes to; by way of a snapshot after so many frames.
    fn replayed(&self, snapshot_at: Option<usize>) -> NodeCore {
        let mut core = NodeCore::new().with_rules(self.law.rules());
        for (at, frame) in self.disk.frames().iter().enumerate() {
            if snapshot_at == Some(at) {
                core = restored(&core).with_rules(self.law.rules());
            }
            core.stamp(&frame.stamp);
            for (seq, bytes) in (frame.first_seq.0..).zip(&frame.records) {
                let record = Record::from_bytes(bytes).expect("a core writes what it can read");
                core.apply(Seq(seq), &record).expect("a core replays what it wrote");
            }
        }
        if snapshot_at == Some(self.disk.frames().len()) {
            core = restored(&core).with_rules(self.law.rules());
        }
        if self.law == Law::ReplayRestartsTtl {
            core.restart_deadlines();
        }
        core
    }

    fn initialise(&mut self, now: TrueUs) {
        let reading = self.clock.read(now);
        let initialise = Initialise {
            cause: cause(),
            trust_root: self.trust_root.clone(),
            sign_key: TestKey::new(77).public_key().bytes(),
            tls_keys: vec![SpkiDigest([1; 32])],
            name: "plant".to_owned(),
        };
        let process = self.process.as_mut().expect("it was just started");
        let stamp = process.core.stamp_of(&reading);
        process.core.stamp(&stamp);
        let mut effects = Effects::default();
        let mut entropy = Entropy::new(self.rng.bytes());
        process.core.handle(&reading, &mut entropy, Input::Initialise(initialise), &mut effects);
        let record = |effect| match effect {
            Effect::Record(record) => Some(record.to_bytes()),
            _ => None,
        };
        let records = effects.0.into_iter().filter_map(record).collect();
        let boottime_ps = self.clock.boottime_ps(now);
        self.disk.append(Frame { stamp, first_seq: Seq::FIRST, records, svc_ps: 0, boottime_ps });
        self.disk.sync();
    }
}

impl Process {
    /// Hands all that waits to the core.
    fn decide(&mut self, now: &ClockReading, tick: bool, rng: &mut Rng) -> (Vec<Vec<u8>>, Vec<Decided>) {
        let (mut records, mut decided) = (Vec::new(), Vec::new());
        let waiting = std::mem::take(&mut self.inbox);
        let askers: Vec<(Asker, bool)> = waiting
            .iter()
            .map(|(asker, command)| (*asker, matches!(command, Command::Checkout(_))))
            .collect();
        let next_seq = self.core.next_seq();
        let asked = waiting.into_iter().zip(0..);
        let asked = asked.map(|((asker, command), number)| input(ReplyTo(number), asker, command, next_seq));
        for input in asked.chain(tick.then_some(Input::Tick)) {
            let (mut effects, mut entropy) = (Effects::default(), Entropy::new(rng.bytes()));
            self.core.handle(now, &mut entropy, input, &mut effects);
            for effect in effects.0 {
                match effect {
                    Effect::Record(record) => records.push(record.to_bytes()),
                    Effect::Reply { to, after, body: reply } => {
                        let index = usize::try_from(to.0).expect("made from an index");
                        let (asker, is_checkout) = askers[index];
                        decided.push(Decided { asker, is_checkout, after, reply });
                    }
                    Effect::Sign(_) | Effect::Event(_) => {}
                }
            }
        }
        (records, decided)
    }
}

impl Decided {
    fn answer(&self) -> (Asker, Reply) {
        (self.asker, self.reply.clone())
    }
}

fn restored(core: &NodeCore) -> NodeCore {
    NodeCore::restore(core.snapshot().map(Ok::<_, RestoreError>)).expect("a core restores what it wrote")
}

/// Exact service time: running time since the last frame, after that frame's. Over a reboot it goes on from what the
/// journal says.
fn svc_ps(disk: &Disk, clock: &mut HostClock, now: TrueUs, reading: &ClockReading) -> i128 {
    let boottime_ps = clock.boottime_ps(now);
    disk.frames().last().map_or(0, |last| {
        let same_boot = last.stamp.boot_id == reading.boot_id;
        if same_boot {
            last.svc_ps + boottime_ps - last.boottime_ps
        } else {
            i128::from(last.stamp.svc.0) * PS_PER_MS
        }
    })
}

fn input(to: ReplyTo, asker: Asker, command: Command, next_seq: Seq) -> Input {
    let principal = match asker {
        Asker::Client(number, _) => Principal::Uid(u32::try_from(number).unwrap_or(u32::MAX)),
        Asker::Operator => Principal::Uid(0),
    };
    match command {
        Command::Checkout(checkout) => Input::Checkout { to, principal, checkout },
        Command::Renew(lease) => Input::Renew { to, principal, lease, idle_ms: None, shown: None },
        Command::Release(lease) => Input::Release { to, principal, lease },
        Command::MakeRequest => {
            let journal = JournalTail { seq: next_seq.previous().0, chain: Digest([0; 32]) };
            Input::MakeRequest { to, cause: cause(), way: Way::Courier, present: false, join: None, journal }
        }
        Command::Import(envelope) => {
            Input::Import { to, cause: cause(), envelope, dry_run: false, accept_time: false }
        }
    }
}

/// Who acts in these tests.
fn cause() -> Cause {
    Cause { actor: "tester".to_owned(), reason: None, idempotency_key: None }
}
