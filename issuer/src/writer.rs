//! The one thread that owns core and journal: it takes every order that waits and makes one frame of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use leasehold_cli::Failure;
use leasehold_cli::service_manager::Watchdog;
use leasehold_issuer_core::Issuer;
use leasehold_journal::Tail;
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, Stamp};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{oneshot, watch};

use crate::changes::Changes;
use crate::commit::{Asker, Commit, Order, Outcome, read_clock};
use crate::keyring::Keyring;
use crate::store::Store;
use crate::{journal, limits};

/// The way to the writer. The writer ends when the last one is dropped and everything that waited is answered.
#[derive(Clone)]
pub(crate) struct Writer {
    inbox: SyncSender<Job>,
    revision: watch::Receiver<Seq>,
    changes: Changes,
    ending: Ending,
}

/// The state between two frames: all of it is durable.
pub(crate) struct Durable<'a> {
    pub(crate) issuer: &'a Issuer,
    /// Secret keys, if somebody unlocked them.
    pub(crate) keyring: &'a mut Keyring,
    /// The clocks.
    pub(crate) now: &'a ClockReading,
    /// How the issuer sees them.
    pub(crate) stamp: &'a Stamp,
    /// The end of the journal.
    pub(crate) tail: Tail,
    /// How long frames took to be written and synced.
    pub(crate) syncs: &'a Histogram,
}

/// What a write that failed ends. Memory is then ahead of the disk, and nobody may be served from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The whole process.
    Process,
    /// The writer; its process has one order only, and reports what became of it.
    Writer,
}

enum Job {
    Ask(Order, Asker),
    Look(Look),
}

type Look = Box<dyn FnOnce(&mut Durable<'_>) + Send>;

impl Writer {
    /// Starts the thread. A panic in it ends the process with 101.
    pub(crate) fn spawn(store: Store, ending: Ending) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (inbox, jobs) = sync_channel(limits::INBOX);
        let (told, revision) = watch::channel(store.tail().next_seq.previous());
        let changes = Changes::default();
        let writer = WriterLoop { store, jobs, told, changes: changes.clone(), watchdog: Watchdog::new() };
        let thread =
            thread::Builder::new().name("writer".into()).spawn(move || run_or_die(writer, ending))?;
        Ok((Self { inbox, revision, changes, ending }, thread))
    }

    /// Has an order decided, and waits until what follows from it is durable.
    pub(crate) async fn ask(&self, order: Order) -> Outcome {
        let (asker, outcome) = oneshot::channel();
        self.send(Job::Ask(order, asker))?;
        self.wait_for(outcome).await?
    }

    /// Looks at the durable state.
    pub(crate) async fn look<T, F>(&self, look: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Durable<'_>) -> T + Send + 'static,
    {
        let (asker, seen) = oneshot::channel();
        let look: Look = Box::new(move |durable| {
            // Whoever went away does not want to know any more.
            let _ = asker.send(look(durable));
        });
        self.send(Job::Look(look))?;
        self.wait_for(seen).await
    }

    /// The last durable record.
    pub(crate) fn revision(&self) -> Seq {
        *self.revision.borrow()
    }

    /// Follows the durable records of an account.
    pub(crate) fn follow(&self, account: AccountId) -> watch::Receiver<Seq> {
        self.changes.follow(account, || self.revision())
    }

    async fn wait_for<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, Problem> {
        let answered = match self.ending {
            Ending::Process => tokio::time::timeout(limits::ANSWER_TIMEOUT, answer).await,
            // Somebody may be typing a passphrase.
            Ending::Writer => Ok(answer.await),
        };
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(ending()),
            Err(_) => Err(Problem::new(
                Code::Timeout,
                "no answer within the time for one request; it may still be carried out",
                "send the same request again, with the same key",
            )),
        }
    }

    fn send(&self, job: Job) -> Result<(), Problem> {
        self.inbox.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Problem::new(
                Code::Overloaded,
                "too many requests wait already",
                "send the same request again soon",
            ),
            TrySendError::Disconnected(_) => ending(),
        })
    }
}

fn ending() -> Problem {
    Problem::new(Code::ShuttingDown, "the issuer is shutting down", "send the same request again soon")
}

fn run_or_die(writer: WriterLoop, ending: Ending) {
    match catch_unwind(AssertUnwindSafe(|| writer.run())) {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => match ending {
            Ending::Process => {
                tracing::error!(
                    event_id = %EventId::DaemonFatal,
                    code = %failure.code(),
                    cause = failure.problem().detail,
                    hint = failure.problem().hint,
                    "the writer stops, and with it the process"
                );
                process::exit(failure.code().exit().into());
            }
            // Whoever asked has been told.
            Ending::Writer => {}
        },
        // The panic has been printed.
        Err(_) => process::exit(PANIC_EXIT),
    }
}

/// What a panic exits with.
const PANIC_EXIT: i32 = 101;

struct WriterLoop {
    store: Store,
    jobs: Receiver<Job>,
    told: watch::Sender<Seq>,
    changes: Changes,
    watchdog: Watchdog,
}

impl WriterLoop {
    fn run(mut self) -> Result<(), Failure> {
        loop {
            let first = match self.jobs.recv_timeout(limits::WAKE) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let now = read_clock()?;
            self.store.issuer.observe(&now);
            if let Some(first) = first {
                self.make_frame(first, now)?;
            }
            self.watchdog.feed(now.boottime_ms);
        }
        let dir = self.store.dir.clone();
        self.store.close().map_err(|error| journal::failure(&dir, &error))
    }

    fn make_frame(&mut self, first: Job, now: ClockReading) -> Result<(), Failure> {
        let mut looks = Vec::new();
        let dir = self.store.dir.clone();
        let mut commit = Commit::begin(&mut self.store, now);
        let stamp = commit.stamp();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Ask(order, asker) => commit.ask(order, asker),
                Job::Look(look) => looks.push(look),
            }
            next = if commit.is_full() { None } else { self.jobs.try_recv().ok() };
        }
        let (told, changes, concerned) = (&self.told, &self.changes, commit.accounts());
        let show = |store: &mut Store| {
            let tail = store.tail();
            let last = tail.next_seq.previous();
            told.send_replace(last);
            for account in concerned {
                changes.recorded(account, last);
            }
            let Store { issuer, keyring, syncs, .. } = store;
            for look in looks {
                look(&mut Durable { issuer, keyring, now: &now, stamp: &stamp, tail, syncs });
            }
        };
        commit.finish(show).map_err(|error| journal::failure(&dir, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(jobs: usize, ending: Ending) -> (Writer, Receiver<Job>) {
        let (inbox, jobs) = sync_channel(jobs);
        let (_told, revision) = watch::channel(Seq::NONE);
        (Writer { inbox, revision, changes: Changes::default(), ending }, jobs)
    }

    #[tokio::test]
    async fn one_request_more_than_fits_is_refused_at_once() {
        let (writer, _jobs) = writer(limits::INBOX, Ending::Process);
        for waiting in 0..=limits::INBOX {
            let sent = writer.send(Job::Look(Box::new(|_| {}))).map_err(|problem| problem.code);
            let expected = if waiting < limits::INBOX { Ok(()) } else { Err(Code::Overloaded) };
            assert_eq!(sent, expected, "{waiting}");
        }
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::Overloaded);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_unknown_and_one_that_cannot_come_is_the_end() {
        let (writer, jobs) = writer(1, Ending::Process);
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::Timeout);
        drop(jobs);
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::ShuttingDown);
    }
}
