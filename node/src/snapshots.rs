//! Snapshots of a running node, made without its writer: a thread of its own takes the newest one, replays what the
//! journal says since, and writes that down. Commits never wait for it, and each snapshot checks the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use leasehold_cli::Failure;
use leasehold_clock::Stopwatch;
use leasehold_journal::file::directory::Directory;
use leasehold_journal::file::snapshot::{self, SnapshotHead, SnapshotWriter};
use leasehold_journal::file::{ReadOnly, durable_tail};
use leasehold_journal::{Home as _, JournalError, Tail};
use leasehold_node_core::{NodeCore, STATE_VERSION};
use leasehold_protocol::api::SnapshotStatus;
use leasehold_protocol::event_id::EventId;

use crate::data_dir::DataDir;
use crate::limits;
use crate::pace::Pace;
use crate::replay::{open_newest, replay, usable};
use crate::store::{Store, journal_failure};

/// What is known of snapshots, for whoever wants to show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotNews(Arc<News>);

#[derive(Debug, Default)]
struct News {
    newest: Mutex<Option<SnapshotHead>>,
    failures: AtomicU64,
}

impl SnapshotNews {
    /// The newest one.
    pub(crate) fn newest(&self) -> Option<SnapshotHead> {
        *self.0.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many could not be written since the start.
    pub(crate) fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// There is this one.
    pub(crate) fn found(&self, head: SnapshotHead) {
        *self.0.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    fn made(&self, head: SnapshotHead) {
        self.found(head);
        let seq = head.tail.next_seq.previous();
        tracing::info!(event_id = %EventId::SnapshotMade, %seq, "a snapshot was written");
    }

    fn failed(&self, failure: &Failure) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event_id = %EventId::SnapshotFailed,
            code = %failure.code(),
            cause = failure.problem().detail,
            "no snapshot was written; seats are served on"
        );
    }
}

/// A snapshot as `status` shows it.
pub(crate) fn snapshot_status(head: &SnapshotHead) -> SnapshotStatus {
    SnapshotStatus { seq: head.tail.next_seq.previous().0, made_at: head.made_at.to_string() }
}

/// The newest snapshot in `dir` that this version can read.
pub(crate) fn newest(dir: &DataDir) -> Result<Option<SnapshotHead>, JournalError> {
    let found = snapshot::list(&dir.journal())?;
    Ok(found.into_iter().find_map(|found| usable(found.head).ok()))
}

/// Writes down the state of a node that ends in good order: its next start replays nothing.
pub(crate) fn write_last(store: &Store) {
    let (news, tail) = (&store.tally.snapshots, store.home.tail());
    if news.newest().is_some_and(|newest| newest.tail.next_seq == tail.next_seq) {
        return;
    }
    let head = head_of(tail);
    let (directory, genesis) = (store.home.directory().clone(), store.home.genesis().clone());
    let written = SnapshotWriter::create_in(directory, genesis, head)
        .map_err(|error| journal_failure(&error))
        .and_then(|writer| write(writer, &store.core, &Pace::Full));
    match written {
        Ok(()) => news.made(head),
        Err(failure) => news.failed(&failure),
    }
}

/// The thread that makes snapshots when they are due.
pub(crate) struct SnapshotMaker {
    thread: JoinHandle<()>,
    stop: SyncSender<()>,
}

impl SnapshotMaker {
    /// Starts it.
    pub(crate) fn spawn(dir: DataDir, news: SnapshotNews) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let maker = Maker { dir, news, watch: Stopwatch::start(), pace: Pace::share(stopped) };
        let thread = thread::Builder::new().name("snapshots".into()).spawn(move || maker.run())?;
        Ok(Self { thread, stop })
    }

    /// Ends it, also in the middle of a snapshot, which then is none.
    pub(crate) fn stop(self) {
        drop(self.stop);
        // If it panicked, that was printed; no state of the node was in its hands.
        let _ = self.thread.join();
    }
}

struct Maker {
    dir: DataDir,
    news: SnapshotNews,
    /// Since the newest one was made, or the start.
    watch: Stopwatch,
    pace: Pace,
}

impl Maker {
    fn run(mut self) {
        let mut pause = limits::SNAPSHOT_LOOK;
        while self.pace.wait(pause).is_ok() {
            pause = limits::SNAPSHOT_LOOK;
            match self.make_if_due() {
                Ok(()) => {}
                Err(_) if self.pace.wait(Duration::ZERO).is_err() => break,
                Err(failure) => {
                    self.news.failed(&failure);
                    pause = limits::SNAPSHOT_RETRY;
                }
            }
        }
    }

    fn make_if_due(&mut self) -> Result<(), Failure> {
        let durable = durable_tail(&self.dir.journal()).map_err(|error| journal_failure(&error))?;
        let newest = self.news.newest().map_or(1, |newest| newest.tail.next_seq.0);
        let records = durable.next_seq.0.saturating_sub(newest);
        if is_due(records, self.watch.elapsed()) {
            let head = make(&self.dir, &self.pace)?;
            self.news.made(head);
            self.watch = Stopwatch::start();
        }
        Ok(())
    }
}

/// Whether the journal has grown by enough records since the newest snapshot, or by any for a long time.
fn is_due(records: u64, age: Duration) -> bool {
    records >= limits::SNAPSHOT_RECORDS || (records > 0 && age >= limits::SNAPSHOT_AGE)
}

/// Makes a snapshot of all that is durable, from what lies in `dir` alone.
fn make(dir: &DataDir, pace: &Pace) -> Result<SnapshotHead, Failure> {
    let path = dir.journal();
    let (journal, beginning) = open_newest(&path, |start| ReadOnly::open_from(&path, start), pace)?;
    let head = head_of(journal.tail());
    let frames = journal.read(beginning.core.next_seq());
    let core = replay(beginning, frames, pace)?;
    let writer = SnapshotWriter::create(&path, head).map_err(|error| journal_failure(&error))?;
    write(writer, &core, pace)?;
    Ok(head)
}

fn write<D: Directory>(mut writer: SnapshotWriter<D>, core: &NodeCore, pace: &Pace) -> Result<(), Failure> {
    for part in core.snapshot() {
        writer.add(&part).map_err(|error| journal_failure(&error))?;
        pace.breathe()?;
    }
    writer.finish().map_err(|error| journal_failure(&error))
}

fn head_of(tail: Tail) -> SnapshotHead {
    // Only for people: a snapshot is none the worse if nobody knows when it was made.
    let made_at = leasehold_clock::wall().unwrap_or_default();
    SnapshotHead { state_version: STATE_VERSION, tail, made_at }
}

#[cfg(test)]
mod tests {
    use leasehold_journal::{Draft, FileHome, Genesis};
    use leasehold_node_core::Record;
    use leasehold_protocol::artefact::{Holder, HolderProof};
    use leasehold_protocol::code::Code;
    use leasehold_protocol::seq::Seq;
    use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};

    use super::*;
    use crate::journal_check;
    use crate::replay::Beginning;

    #[test]
    fn a_snapshot_is_made_beside_the_writer_from_the_one_before() {
        let (_temporary, dir, mut home) = journal();
        for round in 1..=5_usize {
            grow(&mut home, 3);
            tick(&mut home);
            let head = make(&dir, &Pace::Full).unwrap();
            assert_eq!(head.tail, home.tail());
            let found = snapshot::list(&dir.journal()).unwrap();
            assert_eq!(found.len(), round.min(3));
            grow(&mut home, 2);
            tick(&mut home);
            let from_snapshot = core_of(&dir);
            assert_eq!(from_snapshot.0, Some(head.tail));
            let frames = home.read(Seq::FIRST).unwrap();
            let beginning = Beginning { core: NodeCore::new(), at: None };
            let whole = replay(beginning, frames, &Pace::Full).unwrap();
            assert_eq!(from_snapshot.1.state_hash(), whole.state_hash(), "round {round}");
        }
    }

    #[test]
    fn an_older_snapshot_is_taken_where_the_newest_is_of_no_use() {
        let (_temporary, dir, mut home) = journal();
        let heads = [1, 2, 3].map(|records| {
            grow(&mut home, records);
            make(&dir, &Pace::Full).unwrap()
        });
        let whole = core_of(&dir).1.state_hash();
        for left in [Some(heads[1].tail), Some(heads[0].tail), None] {
            let newest = snapshot::list(&dir.journal()).unwrap().into_iter().find(|found| found.head.is_ok());
            let file = dir.journal().join(newest.unwrap().name);
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            // A part, then the beginning.
            bytes[middle] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(core_of(&dir).0, left);
            bytes[10] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            let (at, core) = core_of(&dir);
            assert_eq!((at, core.state_hash()), (left, whole));
        }
    }

    /// A power cut keeps the snapshot, which was synced, and an earlier MARK, which was not.
    #[test]
    fn a_snapshot_above_the_mark_is_compared_too() {
        let (_temporary, dir, mut home) = journal();
        grow(&mut home, 2);
        tick(&mut home);
        let mark = dir.journal().join("MARK");
        let earlier = std::fs::read(&mark).unwrap();
        grow(&mut home, 1);
        tick(&mut home);
        make(&dir, &Pace::Full).unwrap();
        drop(home);
        std::fs::write(&mark, earlier).unwrap();
        assert_eq!(journal_check::everything(&dir).unwrap().snapshots, 1);
    }

    #[test]
    fn a_snapshot_that_is_not_wanted_any_more_is_none() {
        let (_temporary, dir, mut home) = journal();
        grow(&mut home, 5);
        let (stop, stopped) = sync_channel(0);
        let pace = Pace::share(stopped);
        drop(stop);
        // Long enough that it is time to rest.
        let watch = Stopwatch::start();
        while watch.elapsed() < limits::BACKGROUND_SLICE {}
        assert_eq!(make(&dir, &pace).map(drop).unwrap_err().code(), Code::ShuttingDown);
        assert!(snapshot::list(&dir.journal()).unwrap().is_empty());
    }

    #[test]
    fn the_thread_makes_what_is_due_and_ends_when_it_is_told_to() {
        let (_temporary, dir, mut home) = journal();
        grow(&mut home, usize::try_from(limits::SNAPSHOT_RECORDS).unwrap());
        let news = SnapshotNews::default();
        let maker = SnapshotMaker::spawn(dir, news.clone()).unwrap();
        let watch = Stopwatch::start();
        while news.newest().is_none() {
            assert!(watch.elapsed() < Duration::from_mins(1), "no snapshot was made");
            thread::yield_now();
        }
        maker.stop();
        assert_eq!(news.newest().unwrap().tail, home.tail());
        assert_eq!(news.failures(), 0);
    }

    #[test]
    fn a_snapshot_is_due_after_so_many_records_or_any_after_a_time() {
        let old = limits::SNAPSHOT_AGE;
        let young = old.checked_sub(Duration::from_nanos(1)).unwrap();
        for (records, age, due) in [
            (limits::SNAPSHOT_RECORDS - 1, young, false),
            (limits::SNAPSHOT_RECORDS, young, true),
            (limits::SNAPSHOT_RECORDS + 1, young, true),
            (0, old, false),
            (1, young, false),
            (1, old, true),
            (1, old + Duration::from_nanos(1), true),
        ] {
            assert_eq!(is_due(records, age), due, "{records} {age:?}");
        }
    }

    /// Where a core began that is opened now, and the core.
    fn core_of(dir: &DataDir) -> (Option<Tail>, NodeCore) {
        let path = dir.journal();
        let open = |start| ReadOnly::open_from(&path, start);
        let (journal, beginning) = open_newest(&path, open, &Pace::Full).unwrap();
        let (at, frames) = (beginning.at, journal.read(beginning.core.next_seq()));
        (at, replay(beginning, frames, &Pace::Full).unwrap())
    }

    /// The journal is open for writing all the time.
    fn journal() -> (tempfile::TempDir, DataDir, FileHome) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temporary.path());
        let genesis = Genesis::new(crate::store::JOURNAL_KIND, [1; 16], [2; 16]).unwrap();
        let home = FileHome::create(&dir.journal(), &genesis).unwrap();
        (temporary, dir, home)
    }

    fn grow(home: &mut FileHome, records: usize) {
        let mut left = records;
        while left > 0 {
            let records = left.min(10_000);
            let first = home.tail().next_seq.0;
            let seen = (first..).take(records).map(|seq| {
                let index = u32::try_from(seq).unwrap();
                let proof = HolderProof::Asserted;
                let holder = Holder { user: format!("user{seq}"), host: "cad1".into(), process: None, proof };
                Record::HolderSeen { index, holder }.to_bytes()
            });
            home.commit(Draft::of_records(stamp(home), seen.collect())).unwrap();
            left -= records;
        }
    }

    /// A frame that has its seq in common with the next one.
    fn tick(home: &mut FileHome) {
        home.commit(Draft::of_records(stamp(home), Vec::new())).unwrap();
    }

    fn stamp(home: &FileHome) -> Stamp {
        let ms = i64::try_from(home.tail().next_seq.0).unwrap();
        let ticks = i64::from(home.tail().chain.0[0]);
        Stamp {
            svc: SvcMs(1000 * ms + ticks),
            floor: UnixMs::MIN,
            hi: UnixMs::MAX,
            wall: UnixMs(ms),
            boottime_ms: 1000 * ms + ticks,
            slew_ms: 0,
            boot_id: BootId([3; 16]),
            suspect: false,
            kernel_synced: false,
        }
    }
}
