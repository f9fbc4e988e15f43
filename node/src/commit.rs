//! One group commit: decide every command of a frame, sign its tickets, make it durable, answer.
//!
//! The order is the law: nothing that follows from a record leaves before the one sync of its frame has returned.

use std::io;

use leasehold_clock::Stopwatch;
use leasehold_failpoint::step;
use leasehold_journal::{Draft, Home as _, JournalError};
use leasehold_node_core::{Effect, Effects, Entropy, Event, Input, Reply, ReplyTo, SeatReply};
use leasehold_protocol::api::{ReceiptAnswer, ReleaseAnswer, RequestAnswer};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::artefact::{Artefact, JournalTail, Receipt, Request};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{TicketBatch, seal};
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::keys::{Signer as _, SignerFailed};
use leasehold_protocol::merkle::Hash;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, Stamp};

use crate::command::{Answer, AnswerTo, Command, Outcome};
use crate::limits;
use crate::store::Store;
use crate::ticket::SignedLeaves;

/// The process must end: what is in memory may be ahead of what is durable, or the next frame cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    /// A clock cannot be read.
    #[error("cannot read the clock")]
    Clock(#[source] io::Error),
    /// The system gives no randomness.
    #[error("cannot draw randomness")]
    Entropy(#[source] getrandom::Error),
    /// The frame is not durable, for all that is known.
    #[error("the frame is not durable")]
    Journal(#[from] JournalError),
    /// The tickets cannot be signed.
    #[error("the tickets of the frame are not signed")]
    Signer(#[from] SignerFailed),
}

impl Fatal {
    /// The exit code of the program.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Clock(_) | Self::Entropy(_) | Self::Signer(_) => Code::Internal,
            Self::Journal(_) => Code::StoreFailed,
        }
    }

    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Journal(error) => error.hint(),
            Self::Clock(_) | Self::Entropy(_) | Self::Signer(_) => "report this, with the node's log",
        }
    }
}

/// A frame that is being made.
pub(crate) struct Commit<'a> {
    store: &'a mut Store,
    now: ClockReading,
    entropy: Entropy,
    stamp: Stamp,
    first_seq: Seq,
    askers: Vec<Option<AnswerTo>>,
    records: Vec<Vec<u8>>,
    record_bytes: usize,
    leaves: Vec<Hash>,
    waiting: Vec<(ReplyTo, Reply)>,
}

impl<'a> Commit<'a> {
    /// Begins a frame with a reading of the clocks, which is that of all its commands.
    pub(crate) fn begin(store: &'a mut Store, now: ClockReading) -> Result<Self, Fatal> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(Fatal::Entropy)?;
        let entropy = Entropy::new(seed);
        let stamp = store.core.stamp_of(&now);
        store.core.stamp(&stamp);
        let first_seq = store.home.tail().next_seq;
        let (askers, records, leaves, waiting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { store, now, entropy, stamp, first_seq, askers, records, record_bytes: 0, leaves, waiting })
    }

    /// Decides one command. What follows from no record (a denial, a refusal) is answered at once.
    pub(crate) fn ask(&mut self, command: Command, asker: AnswerTo) {
        if command.adds_promises() && !self.store.can_grow() {
            return answer(asker, Err(disk_full()));
        }
        let command = match self.store.look_up(command) {
            Ok(command) => command,
            Err(problem) => return answer(asker, Err(problem)),
        };
        let to = ReplyTo(self.askers.len() as u64);
        self.askers.push(Some(asker));
        let tail = self.store.home.tail();
        let journal = JournalTail { seq: tail.next_seq.previous().0, chain: Digest(tail.chain.0) };
        self.decide(command.into_input(to, journal));
    }

    /// Hands one input to the core.
    pub(crate) fn decide(&mut self, input: Input) {
        let mut effects = Effects::default();
        self.store.core.handle(&self.now, &mut Entropy::new(self.entropy.draw()), input, &mut effects);
        self.store.tally.count(&effects);
        for effect in effects.0 {
            self.take(effect);
        }
    }

    /// No more commands fit: the next one begins a new frame.
    pub(crate) const fn is_full(&self) -> bool {
        self.askers.len() >= limits::FRAME_COMMANDS
            || self.records.len() >= limits::FRAME_RECORDS_SOFT
            || self.record_bytes >= limits::FRAME_BYTES_SOFT
    }

    /// Makes the frame durable and answers. Without records there is nothing to write.
    pub(crate) fn finish(self) -> Result<(), Fatal> {
        if !self.records.is_empty() {
            return self.write();
        }
        self.store.core.forget_frame();
        self.release(&SignedLeaves::default())
    }

    /// Makes the frame durable, also an empty one, which keeps the clock.
    pub(crate) fn write(mut self) -> Result<(), Fatal> {
        let leaf_hashes = std::mem::take(&mut self.leaves);
        let signed = SignedLeaves::sign(&self.store.realm, &leaf_hashes, &self.store.key)?;
        let draft = Draft {
            stamp: self.stamp,
            records: std::mem::take(&mut self.records),
            leaf_hashes,
            signatures: signed.signatures(),
        };
        let watch = Stopwatch::start();
        self.store.home.commit(draft)?;
        self.store.tally.count_sync(watch.elapsed());
        // Before a report of it leaves.
        self.store.name_generation()?;
        self.release(&signed)
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Record(record) => {
                let bytes = record.to_bytes();
                self.record_bytes += bytes.len();
                self.records.push(bytes);
            }
            Effect::Sign(ticket) => self.leaves.push(TicketBatch::leaf(&self.store.realm, &ticket)),
            Effect::Reply { to, after, body } => match body {
                Reply::Denied(denial) if after == Seq::NONE => self.answer(to, Ok(Answer::Denied(denial))),
                Reply::Refused(problem) if after == Seq::NONE => self.answer(to, Err(*problem)),
                body => self.waiting.push((to, body)),
            },
            Effect::Event(event) => log(&event),
        }
    }

    fn release(mut self, signed: &SignedLeaves) -> Result<(), Fatal> {
        for (to, body) in std::mem::take(&mut self.waiting) {
            let outcome = self.outcome(body, signed)?;
            self.answer(to, outcome);
        }
        Ok(())
    }

    fn outcome(&mut self, body: Reply, signed: &SignedLeaves) -> Result<Outcome, Fatal> {
        Ok(match body {
            Reply::Seat(seat) => self.seat(*seat, signed),
            Reply::Denied(denial) => Ok(Answer::Denied(denial)),
            Reply::Refused(problem) => Err(*problem),
            Reply::Released(released) => Ok(Answer::Released(ReleaseAnswer { released })),
            Reply::Request(request) => {
                // The issuer will hold what the request reports against this journal.
                self.store.home.sync_mark()?;
                self.request(&request)
            }
            Reply::Imported(imported) => Ok(Answer::Imported(imported)),
            Reply::Receipt(receipt) => {
                self.store.home.sync_mark()?;
                self.receipt(&receipt)
            }
            Reply::Surrendered(surrendered) => Ok(Answer::Surrendered(surrendered)),
            Reply::ForceReleased(answer) => Ok(Answer::ForceReleased(answer)),
            Reply::IssuerNamed => Ok(Answer::IssuerNamed),
            Reply::Recovering(answer) => Ok(Answer::Recovering(answer)),
            Reply::Noted => Ok(Answer::Noted),
        })
    }

    fn seat(&self, seat: SeatReply, signed: &SignedLeaves) -> Outcome {
        let (frame, leaf) = (seat.place.frame, seat.place.leaf);
        let signed = if frame == self.first_seq {
            signed.seat(seat)
        } else {
            let stored = self.store.home.read_frame(frame).map_err(|error| {
                Problem::new(
                    error.code(),
                    format!("cannot read the ticket of the lease: {error}"),
                    error.hint(),
                )
            })?;
            stored
                .and_then(|frame| SignedLeaves::of_frame(&frame, self.store.key.public_key().id()).seat(seat))
        };
        signed.map(|seat| Answer::Seat(Box::new(seat))).ok_or_else(|| {
            let detail = format!("the journal has no ticket {leaf} in the frame of record {frame}");
            Problem::new(Code::Internal, detail, "check it with `leasehold-node journal verify`")
        })
    }

    fn request(&self, request: &Request) -> Outcome {
        let (request, digest) = self.signed(request)?;
        Ok(Answer::Request(Box::new(RequestAnswer { request, digest })))
    }

    fn receipt(&self, receipt: &Receipt) -> Outcome {
        let bundle = receipt.bundle;
        let (receipt, digest) = self.signed(receipt)?;
        Ok(Answer::Receipt(Box::new(ReceiptAnswer { receipt, digest, bundle })))
    }

    /// The artefact in one line, and its digest.
    fn signed<T: Artefact>(&self, artefact: &T) -> Result<(String, Digest), Problem> {
        let sealed = seal(&self.store.realm, artefact, &[&self.store.key]).map_err(|error| {
            Problem::new(Code::Internal, format!("cannot sign the {}: {error}", T::KIND), "report this")
        })?;
        let text = one_line(&sealed.envelope).expect("an envelope that was just made is one");
        Ok((text, sealed.digest))
    }

    fn answer(&mut self, to: ReplyTo, outcome: Outcome) {
        let asker = usize::try_from(to.0).ok().and_then(|index| self.askers.get_mut(index)?.take());
        debug_assert!(asker.is_some(), "the core answers each command once");
        if let Some(asker) = asker {
            answer(asker, outcome);
        }
    }
}

fn answer(asker: AnswerTo, outcome: Outcome) {
    // Whoever went away will ask again with the same key.
    let _ = step("send", "answer", || Ok(asker.send(outcome)));
}

/// Why nothing that adds promises is accepted.
pub(crate) fn disk_full() -> Problem {
    Problem::new(
        Code::StoreFailed,
        "the journal cannot grow: there is no room for its next segment",
        "make room on the file system of the data directory; renewals and releases go on",
    )
}

fn log(event: &Event) {
    match event {
        Event::Denied { pool, code } => {
            tracing::debug!(pool = pool.map(tracing::field::display), %code, "denied");
        }
        Event::ArtefactRefused { code, detail } => {
            tracing::info!(event_id = %EventId::ArtefactRefused, %code, detail, "artefact refused");
        }
        Event::BundleApplied { digest } => {
            tracing::info!(event_id = %EventId::BundleApplied, %digest, "bundle applied");
        }
        Event::RecoverEntered { cause } => {
            tracing::warn!(event_id = %EventId::RecoverEntered, ?cause, "in RECOVER: no seat is given");
        }
        Event::RecoverAttested => tracing::info!(event_id = %EventId::RecoverAttested, "attested"),
        Event::RecoverEnded => {
            tracing::info!(event_id = %EventId::RecoverEnded, "RECOVER is over: seats are given again");
        }
        Event::TicketAdopted { lease } => {
            tracing::info!(event_id = %EventId::TicketAdopted, %lease, "a lease goes on by its ticket");
        }
        Event::Forked { report_seq } => {
            tracing::warn!(event_id = %EventId::NodeForked, report_seq, "the vendor heard something else from this node");
        }
        Event::Moved => {
            tracing::warn!(event_id = %EventId::NodeMoved, "the node runs on another machine than before");
        }
        Event::ClockSuspect { wall, floor, cause } => {
            tracing::warn!(event_id = %EventId::ClockSuspect, %wall, %floor, cause, "the clock is suspect");
        }
        Event::ClockHealed { wall, floor } => {
            tracing::info!(event_id = %EventId::ClockHealed, %wall, %floor, "the clock is suspect no more");
        }
        Event::TimeKeptAside { earliest, best } => {
            tracing::warn!(event_id = %EventId::ClockTimeKeptAside, %earliest, %best, "a signed time is kept aside");
        }
        _ => tracing::info!(event_id = %EventId::CoreEvent, ?event, "event"),
    }
}

#[cfg(test)]
mod tests {
    use leasehold_journal::{FileHome, Genesis};
    use leasehold_node_core::{Checkout, NodeCore, Principal};
    use leasehold_protocol::api::IdempotencyKey;
    use leasehold_protocol::artefact::{Holder, HolderProof};
    use leasehold_protocol::envelope::{Mode, Realm, RealmId};
    use leasehold_protocol::ids::LeaseId;
    use tokio::sync::oneshot::{self, error::TryRecvError};

    use super::*;
    use crate::signing::NodeKey;

    #[test]
    fn a_denial_leaves_at_once_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path());
        let tail = store.home.tail();
        let mut commit = Commit::begin(&mut store, leasehold_clock::read().unwrap()).unwrap();
        let (asker, mut outcome) = oneshot::channel();
        commit.ask(checkout(), asker);
        let Ok(Ok(Answer::Denied(denial))) = outcome.try_recv() else {
            panic!("no denial before the commit")
        };
        assert_eq!(denial.code, Code::NodeUnprovisioned);
        commit.finish().unwrap();
        assert_eq!(store.home.tail(), tail);
    }

    #[test]
    fn other_answers_wait_for_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path());
        let mut commit = Commit::begin(&mut store, leasehold_clock::read().unwrap()).unwrap();
        let (asker, mut outcome) = oneshot::channel();
        let release = Command::Release { principal: Principal::Uid(0), lease: LeaseId([0; 16]) };
        commit.ask(release, asker);
        assert_eq!(outcome.try_recv().err(), Some(TryRecvError::Empty));
        commit.finish().unwrap();
        assert!(matches!(outcome.try_recv(), Ok(Ok(Answer::Released(ReleaseAnswer { released: false })))));
    }

    #[test]
    fn an_idle_frame_keeps_the_clock_and_takes_no_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path());
        let before = store.home.tail();
        let mut commit = Commit::begin(&mut store, leasehold_clock::read().unwrap()).unwrap();
        commit.decide(Input::Tick);
        commit.write().unwrap();
        let after = store.home.tail();
        assert!(after.next_seq == before.next_seq && after.chain != before.chain);
    }

    #[test]
    fn a_frame_takes_so_many_commands_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path());
        let mut commit = Commit::begin(&mut store, leasehold_clock::read().unwrap()).unwrap();
        for commands in 1..=limits::FRAME_COMMANDS {
            commit.ask(checkout(), oneshot::channel().0);
            assert_eq!(commit.is_full(), commands >= limits::FRAME_COMMANDS, "{commands}");
        }
    }

    #[test]
    fn a_frame_closes_before_one_more_command_could_break_its_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path());
        let mut commit = Commit::begin(&mut store, leasehold_clock::read().unwrap()).unwrap();
        for (bytes, full) in [
            (limits::FRAME_BYTES_SOFT - 1, false),
            (limits::FRAME_BYTES_SOFT, true),
            (limits::FRAME_BYTES_SOFT + 1, true),
        ] {
            commit.record_bytes = bytes;
            assert_eq!(commit.is_full(), full, "{bytes} bytes");
        }
        commit.record_bytes = 0;
        for (records, full) in [
            (limits::FRAME_RECORDS_SOFT - 1, false),
            (limits::FRAME_RECORDS_SOFT, true),
            (limits::FRAME_RECORDS_SOFT + 1, true),
        ] {
            commit.records = vec![Vec::new(); records];
            assert_eq!(commit.is_full(), full, "{records} records");
        }
    }

    fn store(dir: &std::path::Path) -> Store {
        let genesis = Genesis::new(crate::store::JOURNAL_KIND, [1; 16], [2; 16]).unwrap();
        Store {
            core: NodeCore::new(),
            home: FileHome::create(&dir.join("journal"), &genesis).unwrap(),
            key: NodeKey::generate().unwrap(),
            realm: Realm { id: RealmId([1; 16]), mode: Mode::Live },
            tally: crate::tally::Tally::new(),
        }
    }

    fn checkout() -> Command {
        let holder =
            Holder { user: "ann".into(), host: "cad1".into(), process: None, proof: HolderProof::Asserted };
        let checkout = Box::new(Checkout {
            product: Some("cad".into()),
            pool: None,
            features: Vec::new(),
            count: 1,
            holder,
            key: IdempotencyKey([0; 16]),
            ttl_ms: None,
        });
        Command::Checkout { principal: Principal::Uid(0), checkout }
    }
}
