//! One group commit: decide every order of a frame, make the frame durable, answer.
//!
//! The order is the law: nothing that follows from a frame leaves before its one sync has returned. After a frame in
//! which nothing was recorded the state in memory is again that of the journal.

use std::collections::BTreeSet;

use leasehold_cli::Failure;
use leasehold_failpoint::step;
use leasehold_issuer_core::{
    Cause, ClockBefore, Command, Effect, Effects, Fact, Input, Issuer, Preview, Reply, ReplyTo,
};
use leasehold_journal::{Draft, JournalError};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, Stamp};
use tokio::sync::oneshot;

use crate::audit_record::account_of;
use crate::entropy::entropy;
use crate::keyring::Keyring;
use crate::store::Store;
use crate::{journal, limits};

/// A change that is wanted.
pub(crate) struct Order {
    /// Who wants it and why.
    pub(crate) cause: Cause,
    /// Whether it is to be done or only tried.
    pub(crate) intent: Intent,
    /// Makes the command, when its turn has come.
    pub(crate) plan: Plan,
}

/// Sees the state that the command will be decided on.
pub(crate) type Plan = Box<dyn FnOnce(&mut Turn<'_>) -> Result<Planned, Problem> + Send>;

/// Whether a command is to be done or only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Do,
    DryRun,
}

/// What an order is planned to be.
pub(crate) enum Planned {
    /// A command for the core.
    Command(Box<Command>),
    /// This record did it already.
    DoneBefore(Seq),
}

/// What an order sees when its turn has come: everything in a frame happens at one reading of the clock.
pub(crate) struct Turn<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) keyring: &'a mut Keyring,
    pub(crate) now: &'a ClockReading,
    pub(crate) cause: &'a Cause,
}

/// What an order came to.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The record that says so; of a trial, the one that it would have been.
    pub(crate) seq: Seq,
    pub(crate) fact: Box<Fact>,
    pub(crate) how: How,
}

/// How an order came to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Now.
    Now,
    /// Before, by the same request.
    Before,
    /// Not at all: it was a trial.
    Tried,
}

/// Where an outcome goes.
pub(crate) type Asker = oneshot::Sender<Outcome>;
/// What became of an order.
pub(crate) type Outcome = Result<Done, Problem>;

/// A frame in the making.
pub(crate) struct Commit<'a> {
    store: &'a mut Store,
    now: ClockReading,
    before: ClockBefore,
    stamp: Stamp,
    first_seq: Seq,
    facts: Vec<Fact>,
    records: Vec<Vec<u8>>,
    record_bytes: usize,
    waiting: Vec<(Asker, Result<Decided, Problem>)>,
}

enum Decided {
    Recorded(Seq),
    Before(Seq),
    Tried(Box<Fact>),
}

impl<'a> Commit<'a> {
    /// Begins a frame with a reading of the clocks, which is that of all its orders.
    pub(crate) fn begin(store: &'a mut Store, now: ClockReading) -> Self {
        let before = store.issuer.clock_before();
        let stamp = store.issuer.stamp_of(&now);
        store.issuer.stamp(&stamp);
        let first_seq = store.issuer.next_seq();
        let (facts, records, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Self { store, now, before, stamp, first_seq, facts, records, record_bytes: 0, waiting }
    }

    /// Decides one order on the state that the orders before it have led to.
    pub(crate) fn ask(&mut self, order: Order, asker: Asker) {
        let Order { cause, intent, plan } = order;
        let decided = self.decide(cause, intent, plan);
        self.waiting.push((asker, decided));
    }

    /// No more orders fit: the next one begins a new frame.
    pub(crate) const fn is_full(&self) -> bool {
        self.waiting.len() >= limits::FRAME_ORDERS || self.record_bytes >= limits::FRAME_BYTES_SOFT
    }

    /// Whom the records of the frame concern.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountId> {
        self.facts.iter().filter_map(|fact| account_of(&fact.what)).collect()
    }

    /// The clock fields of the frame.
    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Makes the frame durable, shows it, and answers. Without records there is nothing to write, and once everybody
    /// has looked the stamp is taken back.
    pub(crate) fn finish(mut self, show: impl FnOnce(&mut Store)) -> Result<(), JournalError> {
        let idle = self.records.is_empty();
        if !idle {
            let draft = Draft::of_records(self.stamp, std::mem::take(&mut self.records));
            if let Err(error) = self.store.commit(draft) {
                self.fail(&error);
                return Err(error);
            }
        }
        show(self.store);
        if idle {
            self.store.issuer.take_back(self.before.clone());
        }
        for (asker, decided) in std::mem::take(&mut self.waiting) {
            // Whoever went away finds it done when the same request comes again.
            let outcome = decided.and_then(|decided| self.outcome(decided));
            let _ = step("send", "answer", || Ok(asker.send(outcome)));
        }
        Ok(())
    }

    fn decide(
        &mut self,
        cause: Cause,
        intent: Intent,
        plan: impl FnOnce(&mut Turn<'_>) -> Result<Planned, Problem>,
    ) -> Result<Decided, Problem> {
        if !self.store.is_writable() {
            return Err(read_only());
        }
        let Store { issuer, keyring, .. } = &mut *self.store;
        if let Some(seq) = issuer.done_before(&cause)? {
            return Ok(Decided::Before(seq));
        }
        let planned = plan(&mut Turn { issuer, keyring, now: &self.now, cause: &cause })?;
        let command = match planned {
            Planned::Command(command) => *command,
            Planned::DoneBefore(seq) => return Ok(Decided::Before(seq)),
        };
        let mut entropy = entropy().map_err(problem)?;
        let input = Input { to: ReplyTo(0), cause, command };
        if intent == Intent::DryRun {
            return Ok(match issuer.preview(&self.now, &mut entropy, &input)? {
                Preview::New(fact) => Decided::Tried(fact),
                Preview::Before(seq) => Decided::Before(seq),
            });
        }
        let mut effects = Effects::default();
        issuer.handle(&self.now, &mut entropy, &input, &mut effects);
        self.take(effects)
    }

    fn take(&mut self, effects: Effects) -> Result<Decided, Problem> {
        let mut answer = Err(no_answer());
        for effect in effects.0 {
            match effect {
                Effect::Record(fact) => {
                    let bytes = fact.to_bytes();
                    self.record_bytes = self.record_bytes.saturating_add(bytes.len());
                    self.records.push(bytes);
                    self.facts.push(*fact);
                }
                Effect::Reply { body: Reply::Done { seq }, .. } => answer = Ok(Decided::Recorded(seq)),
                Effect::Reply { body: Reply::DoneBefore { seq }, .. } => answer = Ok(Decided::Before(seq)),
                Effect::Reply { body: Reply::Refused(refused), .. } => answer = Err(*refused),
            }
        }
        answer
    }

    fn outcome(&self, decided: Decided) -> Outcome {
        let (seq, how) = match decided {
            Decided::Tried(fact) => {
                return Ok(Done { seq: self.store.issuer.next_seq(), fact, how: How::Tried });
            }
            Decided::Recorded(seq) => (seq, How::Now),
            Decided::Before(seq) => (seq, How::Before),
        };
        let of_frame = seq.0.checked_sub(self.first_seq.0).and_then(|at| usize::try_from(at).ok());
        let fact = match of_frame.and_then(|at| self.facts.get(at)) {
            Some(fact) => fact.clone(),
            None => {
                self.store.fact(seq).map_err(|error| problem(journal::failure(&self.store.dir, &error)))?
            }
        };
        Ok(Done { seq, fact: Box::new(fact), how })
    }

    /// Nobody knows whether the frame will be there after a restart.
    fn fail(&mut self, error: &JournalError) {
        let problem = problem(journal::failure(&self.store.dir, error));
        for (asker, _) in std::mem::take(&mut self.waiting) {
            // The process ends; whoever is still there should hear why.
            let _ = asker.send(Err(problem.clone()));
        }
    }
}

/// Carries out one order alone, on this thread.
pub(crate) fn carry_out(
    store: &mut Store,
    cause: Cause,
    intent: Intent,
    plan: impl FnOnce(&mut Turn<'_>) -> Result<Planned, Problem>,
) -> Result<Done, Failure> {
    let mut commit = Commit::begin(store, read_clock()?);
    let decided = commit.decide(cause, intent, plan);
    let (asker, mut outcome) = oneshot::channel();
    commit.waiting.push((asker, decided));
    let dir = commit.store.dir.clone();
    commit.finish(|_| {}).map_err(|error| journal::failure(&dir, &error))?;
    Ok(outcome.try_recv().map_err(|_| no_answer())??)
}

/// A reading of the clocks.
pub(crate) fn read_clock() -> Result<ClockReading, Failure> {
    leasehold_clock::read().map_err(|error| {
        Failure::new(Code::Internal, format!("cannot read the clock: {error}"), "check that /proc is mounted")
    })
}

/// What a failure says, for whoever asked.
#[expect(clippy::needless_pass_by_value, reason = "stands where an error is turned into another")]
pub(crate) fn problem(failure: Failure) -> Problem {
    failure.problem().clone()
}

fn no_answer() -> Problem {
    Problem::new(Code::Internal, "the command was not answered", "this is a fault of the program: report it")
}

fn read_only() -> Problem {
    Problem::new(
        Code::Internal,
        "the state was opened to read it only",
        "this is a fault of the program: report it",
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use leasehold_cli::PassphraseArgs;
    use leasehold_issuer_core::{NewAccount, NewProduct, RootPlan, Source};
    use leasehold_protocol::envelope::{Mode, Realm, RealmId, seal};
    use leasehold_protocol::keys::Signer as _;

    use super::*;
    use crate::signing::Keys;
    use crate::state_dir::StateDir;

    /// An issuer in a directory of its own.
    pub(crate) fn issuer(place: &tempfile::TempDir) -> Store {
        let dir = StateDir::new(place.path().to_owned());
        let file = place.path().join("passphrase");
        std::fs::write(&file, "correct horse").unwrap();
        let passphrase = PassphraseArgs { passphrase_file: Some(file) };
        let mut store = Store::create(&dir, &passphrase, RealmId([3; 16])).unwrap();
        let keys = Keys::generate().unwrap();
        keys.store(&dir.keys(), &passphrase.existing().unwrap(), 10).unwrap();
        let realm = Realm { id: store.realm(), mode: Mode::Live };
        let plan = RootPlan {
            realm: realm.id,
            realm_name: "vendor".to_owned(),
            mode: realm.mode,
            root_key: keys.root().public_key(),
            online_key: keys.online().public_key(),
            tls_key: keys.tls_public_key(),
        };
        let plan = |turn: &mut Turn<'_>| {
            let root = turn.issuer.plan_root(turn.now, &mut entropy().unwrap(), turn.cause, &plan)?;
            let root = seal(&realm, &root, &[keys.root()]).unwrap().envelope;
            Ok(Planned::Command(Box::new(Command::Initialise { root })))
        };
        carry_out(&mut store, cause(), Intent::Do, plan).unwrap();
        store
    }

    fn cause() -> Cause {
        let source = Source { system: "test".to_owned(), reference: None };
        Cause { actor: "a".to_owned(), source, reason: None, idempotency: None, accept_time: None }
    }

    pub(crate) fn account(name: &str) -> Command {
        let (parent, region, timezone) = (None, None, None);
        Command::CreateAccount(NewAccount {
            name: name.to_owned(),
            parent,
            region,
            timezone,
            external: vec![],
        })
    }

    fn product(sku: &str) -> Command {
        Command::CreateProduct(NewProduct { sku: sku.to_owned(), features: Vec::new() })
    }

    pub(crate) fn order(command: Command, intent: Intent) -> Order {
        Order { cause: cause(), intent, plan: Box::new(|_| Ok(Planned::Command(Box::new(command)))) }
    }

    /// What came of orders in one frame.
    fn frame(store: &mut Store, orders: Vec<Order>) -> Vec<Outcome> {
        let mut commit = Commit::begin(store, read_clock().unwrap());
        let asked = orders.into_iter().map(|order| {
            let (asker, outcome) = oneshot::channel();
            commit.ask(order, asker);
            outcome
        });
        let asked: Vec<_> = asked.collect();
        commit.finish(|_| {}).unwrap();
        asked.into_iter().map(|mut outcome| outcome.try_recv().unwrap()).collect()
    }

    fn assert_memory_is_the_journal(store: &Store) {
        let journal = Store::read(&store.dir, &PassphraseArgs::default()).unwrap();
        assert_eq!(store.issuer.state_hash(), journal.issuer.state_hash());
        assert_eq!(store.tail(), journal.tail());
    }

    #[test]
    fn after_refusals_and_trials_memory_is_what_the_journal_says() {
        let place = tempfile::tempdir().unwrap();
        let mut store = issuer(&place);
        let tail = store.tail();
        let outcomes =
            frame(&mut store, vec![order(account(""), Intent::Do), order(account("A"), Intent::DryRun)]);
        assert_eq!(outcomes[0].as_ref().unwrap_err().code, Code::InvalidRequest);
        assert_eq!(outcomes[1].as_ref().unwrap().how, How::Tried);
        assert_eq!(store.tail(), tail, "nothing was written");
        assert_memory_is_the_journal(&store);
        frame(&mut store, vec![order(account("A"), Intent::Do), order(account(""), Intent::Do)]);
        assert_memory_is_the_journal(&store);
    }

    #[test]
    fn each_order_of_a_frame_sees_those_before_it() {
        let place = tempfile::tempdir().unwrap();
        let mut store = issuer(&place);
        let orders = vec![
            order(product("CAD"), Intent::Do),
            order(product("cad"), Intent::Do),
            order(product("cad"), Intent::DryRun),
            order(product("CAM"), Intent::Do),
        ];
        let outcomes = frame(&mut store, orders);
        let codes: Vec<_> =
            outcomes.iter().map(|outcome| outcome.as_ref().err().map(|problem| problem.code)).collect();
        assert_eq!(codes, [None, Some(Code::AlreadyExists), Some(Code::AlreadyExists), None]);
        assert_eq!(outcomes[3].as_ref().unwrap().seq, Seq(3));
        assert_memory_is_the_journal(&store);
    }

    #[test]
    fn what_was_opened_to_be_read_is_not_changed() {
        let place = tempfile::tempdir().unwrap();
        let dir = issuer(&place).dir.clone();
        let mut store = Store::read(&dir, &PassphraseArgs::default()).unwrap();
        let outcomes = frame(&mut store, vec![order(account("A"), Intent::Do)]);
        assert_eq!(outcomes[0].as_ref().unwrap_err().code, Code::Internal);
        assert_memory_is_the_journal(&store);
    }

    #[test]
    fn a_frame_takes_so_many_orders() {
        let place = tempfile::tempdir().unwrap();
        let mut store = issuer(&place);
        let mut commit = Commit::begin(&mut store, read_clock().unwrap());
        for number in 1..=limits::FRAME_ORDERS {
            let (asker, _outcome) = oneshot::channel();
            commit.ask(order(account(""), Intent::Do), asker);
            assert_eq!(commit.is_full(), number == limits::FRAME_ORDERS, "{number}");
        }
    }
}
