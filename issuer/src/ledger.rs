//! The one place that changes state: the core and its journal under one lock.

use leasehold_cli::Failure;
use leasehold_issuer_core::{Cause, Command, Effect, Effects, Fact, Input, Issuer, Reply, ReplyTo};
use leasehold_journal::{Draft, FileHome, Genesis, Home as _};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::RealmId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, Stamp};

use crate::journal;
use crate::state_dir::StateDir;

/// An issuer that can be changed.
pub(crate) struct Ledger {
    dir: StateDir,
    home: FileHome,
    issuer: Issuer,
}

/// One frame in the making: everything in it happens at one reading of the clock. It owns the ledger, because after a
/// frame that was not written the state in memory is not that of the journal.
pub(crate) struct Turn {
    ledger: Ledger,
    pub(crate) now: ClockReading,
    stamp: Stamp,
}

/// Whether a command is to be done or only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Do,
    DryRun,
}

/// What a command came to.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) seq: Seq,
    pub(crate) fact: Fact,
    pub(crate) intent: Intent,
}

impl Ledger {
    /// Opens the state of an initialised issuer.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Failure> {
        let ledger = Self::open_any(dir)?;
        if ledger.issuer.trust_root().is_none() {
            return Err(dir.not_initialised());
        }
        Ok(ledger)
    }

    /// Opens a journal that may still be empty.
    pub(crate) fn open_any(dir: &StateDir) -> Result<Self, Failure> {
        let failure = |error| journal::failure(dir, &error);
        let (home, _opened) = FileHome::open(&dir.journal()).map_err(failure)?;
        let issuer = journal::replay(home.read(Seq::NONE).map_err(failure)?).map_err(failure)?;
        Ok(Self { dir: dir.clone(), home, issuer })
    }

    /// Makes an empty journal for a new realm.
    pub(crate) fn create(dir: &StateDir, realm: RealmId) -> Result<Self, Failure> {
        let failure = |error| journal::failure(dir, &error);
        let genesis =
            Genesis::new(journal::KIND, realm.0, random()?).map_err(|error| failure(error.into()))?;
        let home = FileHome::create(&dir.journal(), &genesis).map_err(failure)?;
        Ok(Self { dir: dir.clone(), home, issuer: Issuer::new() })
    }

    /// The realm that the journal was made for.
    pub(crate) fn realm(&self) -> RealmId {
        RealmId(*self.home.genesis().realm())
    }

    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The fact of a durable record.
    pub(crate) fn fact(&self, seq: Seq) -> Result<Fact, Failure> {
        let frame = self.home.read_frame(seq);
        frame.and_then(|frame| journal::fact(frame, seq)).map_err(|error| journal::failure(&self.dir, &error))
    }

    /// Begins a frame.
    pub(crate) fn begin(mut self) -> Result<Turn, Failure> {
        let now = leasehold_clock::read().map_err(|error| {
            Failure::new(
                Code::Internal,
                format!("cannot read the clock: {error}"),
                "check that /proc is mounted",
            )
        })?;
        let stamp = self.issuer.stamp_of(&now);
        self.issuer.stamp(&stamp);
        Ok(Turn { ledger: self, now, stamp })
    }
}

impl Turn {
    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.ledger.issuer
    }

    /// Decides `command` and makes it durable, unless it is only tried.
    pub(crate) fn commit(self, cause: Cause, command: Command, intent: Intent) -> Result<Done, Failure> {
        let Turn { mut ledger, now, stamp } = self;
        let mut effects = Effects::default();
        let input = Input { to: ReplyTo(0), cause, command };
        ledger.issuer.handle(&now, &mut entropy()?, &input, &mut effects);
        let (mut facts, mut answer) = (Vec::new(), None);
        for effect in effects.0 {
            match effect {
                Effect::Record(fact) => facts.push(*fact),
                Effect::Reply { body, .. } => answer = Some(body),
            }
        }
        let seq = match answer.ok_or_else(no_answer)? {
            Reply::Refused(problem) => return Err((*problem).into()),
            Reply::DoneBefore { seq } => {
                return Ok(Done { seq, fact: ledger.fact(seq)?, intent: Intent::Do });
            }
            Reply::Done { seq } => seq,
        };
        if intent == Intent::Do {
            let records = facts.iter().map(Fact::to_bytes).collect();
            let committed = ledger.home.commit(Draft::of_records(stamp, records));
            committed.map_err(|error| journal::failure(&ledger.dir, &error))?;
        }
        let fact = facts.pop().ok_or_else(no_answer)?;
        Ok(Done { seq, fact, intent })
    }
}

/// Fresh entropy for one input.
pub(crate) fn entropy() -> Result<Entropy, Failure> {
    random().map(Entropy::new)
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Code::Internal, format!("the system gives no random bytes: {error}"), "check the system")
    })?;
    Ok(bytes)
}

fn no_answer() -> Failure {
    Problem::new(Code::Internal, "the command was not answered", "this is a fault of the program: report it")
        .into()
}
