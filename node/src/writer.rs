//! The one thread of a daemon that owns core and journal: it takes every command that waits and makes one frame of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use leasehold_cli::service_manager::Watchdog;
use leasehold_journal::Home as _;
use leasehold_node_core::{Input, NodeCore};
use leasehold_protocol::api::JournalStatus;
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::ClockReading;
use tokio::sync::oneshot;

use crate::causes::with_causes;
use crate::command::{AnswerTo, Command, Outcome};
use crate::commit::{Commit, Fatal};
use crate::limits;
use crate::machine;
use crate::recovery;
use crate::snapshots;
use crate::store::{Store, journal_status};
use crate::tally::Tally;

/// The way to the writer. The writer ends when the last one is dropped and everything that waited is answered.
#[derive(Clone)]
pub(crate) struct Writer {
    inbox: SyncSender<Job>,
    queue: Queue,
}

/// How many jobs wait: the channel does not tell.
#[derive(Clone, Default)]
struct Queue(Arc<AtomicUsize>);

impl Queue {
    fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn len(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The state between two frames: all of it is durable.
pub(crate) struct Durable<'a> {
    /// The core.
    pub(crate) core: &'a NodeCore,
    /// The clocks.
    pub(crate) now: &'a ClockReading,
    /// How far the journal reaches.
    pub(crate) journal: JournalStatus,
    /// There is room for more than what is in use.
    pub(crate) can_grow: bool,
    /// What was counted since the start.
    pub(crate) tally: &'a Tally,
    /// How many jobs wait.
    pub(crate) queue: usize,
}

enum Job {
    Ask(Command, AnswerTo),
    Look(Look),
}

type Look = Box<dyn FnOnce(&Durable<'_>) + Send>;

impl Writer {
    /// Starts the thread. It ends the process by itself: 70 when a write fails, 101 when it panics.
    pub(crate) fn spawn(store: Store) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (inbox, jobs) = sync_channel(limits::INBOX);
        let queue = Queue::default();
        let writer = Self { inbox, queue: queue.clone() };
        let thread =
            thread::Builder::new().name("writer".into()).spawn(move || run_or_die(store, jobs, queue))?;
        Ok((writer, thread))
    }

    /// Has a command decided, and waits until what follows from it is durable.
    pub(crate) async fn ask(&self, command: Command) -> Outcome {
        let (asker, outcome) = oneshot::channel();
        self.send(Job::Ask(command, asker))?;
        wait_for(outcome).await?
    }

    /// Looks at the durable state.
    pub(crate) async fn look<T, F>(&self, look: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Durable<'_>) -> T + Send + 'static,
    {
        let (asker, seen) = oneshot::channel();
        let look: Look = Box::new(move |durable| {
            // Whoever went away does not want to know any more.
            let _ = asker.send(look(durable));
        });
        self.send(Job::Look(look))?;
        wait_for(seen).await
    }

    fn send(&self, job: Job) -> Result<(), Problem> {
        // Before it is sent, so that the writer never takes out what did not come in.
        self.queue.enter();
        self.inbox.try_send(job).map_err(|error| {
            self.queue.leave();
            match error {
                TrySendError::Full(_) => Problem::new(
                    Code::Overloaded,
                    "too many commands wait already",
                    "send the same request again soon",
                ),
                TrySendError::Disconnected(_) => ending(),
            }
        })
    }
}

/// Writes down on which machine the process runs, if that is news.
pub(crate) fn see_machine(store: &mut Store) -> Result<(), Fatal> {
    let machine = machine::read().map_err(Fatal::Clock)?;
    recovery::decide(store, Input::MachineSeen(machine))
}

async fn wait_for<T>(answer: oneshot::Receiver<T>) -> Result<T, Problem> {
    match tokio::time::timeout(limits::ANSWER_TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(ending()),
        Err(_) => Err(Problem::new(
            Code::Timeout,
            "no answer within the time for one request; it may still be carried out",
            "send the same request again, with the same key",
        )),
    }
}

fn ending() -> Problem {
    Problem::new(Code::ShuttingDown, "the node is shutting down", "send the same request again soon")
}

fn run_or_die(store: Store, jobs: Receiver<Job>, queue: Queue) {
    let (looks, watchdog) = (Vec::new(), Watchdog::new());
    let writer = WriterLoop { store, jobs, queue, last_tick_ms: i64::MIN, looks, watchdog };
    let run = AssertUnwindSafe(|| writer.run());
    match catch_unwind(run) {
        Ok(Ok(())) => {}
        Ok(Err(fatal)) => {
            tracing::error!(
                event_id = %EventId::DaemonFatal,
                code = %fatal.code(),
                cause = with_causes(&fatal),
                hint = fatal.hint(),
                "the writer stops, and with it the process"
            );
            process::exit(fatal.code().exit().into());
        }
        // The panic has been printed. Memory may be ahead of the disk, so nobody may be served from it.
        Err(_) => process::exit(PANIC_EXIT),
    }
}

/// What a panic exits with.
const PANIC_EXIT: i32 = 101;

struct WriterLoop {
    store: Store,
    jobs: Receiver<Job>,
    queue: Queue,
    last_tick_ms: i64,
    looks: Vec<Look>,
    watchdog: Watchdog,
}

impl WriterLoop {
    fn run(mut self) -> Result<(), Fatal> {
        loop {
            let first = match self.jobs.recv_timeout(limits::WAKE) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let now = leasehold_clock::read().map_err(Fatal::Clock)?;
            self.make_frame(first, now)?;
            self.show(&now);
            self.watchdog.feed(now.boottime_ms);
        }
        self.write_last_tick()?;
        snapshots::write_last(&self.store);
        self.store.home.close().map_err(Fatal::Journal)
    }

    fn make_frame(&mut self, first: Option<Job>, now: ClockReading) -> Result<(), Fatal> {
        let tick = self.is_tick_due(&now);
        if tick && !self.store.can_grow() {
            tracing::warn!(event_id = %EventId::JournalFull, "there is no room for the next segment of the journal");
            self.store.home.retry_next_segment();
        }
        let mut commit = Commit::begin(&mut self.store, now)?;
        let mut next = first;
        while let Some(job) = next {
            self.queue.leave();
            match job {
                Job::Ask(command, asker) => commit.ask(command, asker),
                Job::Look(look) => self.looks.push(look),
            }
            next = if commit.is_full() { None } else { self.jobs.try_recv().ok() };
        }
        if !tick {
            return commit.finish();
        }
        self.last_tick_ms = now.boottime_ms;
        // A machine that is set back to a snapshot goes on in the middle of anything.
        let machine = machine::read().map_err(Fatal::Clock)?;
        commit.decide(Input::MachineSeen(machine));
        commit.decide(Input::Tick);
        commit.write()
    }

    /// What was counted and not written yet is written at the end.
    fn write_last_tick(&mut self) -> Result<(), Fatal> {
        let now = leasehold_clock::read().map_err(Fatal::Clock)?;
        let mut commit = Commit::begin(&mut self.store, now)?;
        commit.decide(Input::Tick);
        commit.write()
    }

    /// Timers only wake this thread, and stop in suspend: what is due is decided by boottime.
    fn is_tick_due(&self, now: &ClockReading) -> bool {
        now.boottime_ms.saturating_sub(self.last_tick_ms) >= limits::TICK_MS
    }

    /// Answers who only wanted to look, now that all they can see is durable.
    fn show(&mut self, now: &ClockReading) {
        if self.looks.is_empty() {
            return;
        }
        let can_grow = self.store.can_grow();
        let journal = journal_status(self.store.home.tail(), self.store.tally.snapshots.newest().as_ref());
        let (core, tally, queue) = (&self.store.core, &self.store.tally, self.queue.len());
        for look in self.looks.drain(..) {
            look(&Durable { core, now, journal: journal.clone(), can_grow, tally, queue });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_command_more_than_fits_is_refused_at_once() {
        let (inbox, _jobs) = sync_channel(limits::INBOX);
        let writer = Writer { inbox, queue: Queue::default() };
        for waiting in 0..=limits::INBOX {
            let sent = writer.send(Job::Look(Box::new(|_| {}))).map_err(|problem| problem.code);
            let expected = if waiting < limits::INBOX { Ok(()) } else { Err(Code::Overloaded) };
            assert_eq!(sent, expected, "{waiting}");
            assert_eq!(writer.queue.len(), limits::INBOX.min(waiting + 1));
        }
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::Overloaded);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_unknown_and_one_that_cannot_come_is_the_end() {
        let (inbox, jobs) = sync_channel(1);
        let writer = Writer { inbox, queue: Queue::default() };
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::Timeout);
        drop(jobs);
        assert_eq!(writer.look(|_| ()).await.unwrap_err().code, Code::ShuttingDown);
    }
}
