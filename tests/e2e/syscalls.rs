//! What the kernel was asked, in order: no answer leaves before its record is durable, and those who wait together
//! share a sync.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::sync::Barrier;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::api::{self, Answer};
use crate::programs::command;
use crate::site::Site;
use crate::vendor::Vendor;

const APPLICATIONS: usize = 64;
const ONE_BY_ONE: usize = 8;
const CALLS: &str = "trace=pwrite64,pwritev,pwritev2,fdatasync,fsync,write,writev,sendto,sendmsg";

#[test]
fn no_answer_leaves_before_its_sync_and_syncs_are_shared() {
    let site = Vendor::new().site_with("plant", 100);
    let one_by_one = Trace::of(&site, |site| (0..ONE_BY_ONE).for_each(|number| checkout(site, number)));
    let together = Trace::of(&site, checkouts_together);
    assert_eq!((one_by_one.answers, together.answers), (ONE_BY_ONE, APPLICATIONS));
    assert!(one_by_one.syncs_of_answers >= ONE_BY_ONE, "{one_by_one:?}");
    assert!(together.syncs_of_answers < APPLICATIONS / 2, "{together:?}");
    for trace in [one_by_one, together] {
        assert_eq!(trace.early, BTreeSet::new(), "answered before the sync of its record returned");
    }
}

/// What a trace says.
#[derive(Debug, Default)]
struct Trace {
    answers: usize,
    /// Holders whose answer was sent while the record that names them was not durable.
    early: BTreeSet<String>,
    /// Syncs that made the record of at least one answer durable.
    syncs_of_answers: usize,
}

/// What becomes of a record, by the holder it names.
#[derive(Debug, PartialEq, Eq)]
enum Record {
    Written,
    /// A sync that began after it was written is under way, by this thread.
    Syncing(String),
    Durable,
}

impl Trace {
    /// Traces a daemon while `work` is done.
    fn of(site: &Site, work: impl FnOnce(&Site)) -> Self {
        let pipe = site.path("trace");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let text = thread::scope(|scope| {
            // It ends when the tracer does.
            let reader = scope.spawn(|| fs::read(&pipe).unwrap());
            let mut strace = command("strace");
            // -D: the daemon is our child, not the tracer.
            strace.args(["-D", "-f", "-s", "1000000", "-e", "signal=none", "-e", CALLS, "-o"]).arg(&pipe);
            let daemon = site.run_under(&mut strace);
            work(site);
            daemon.stop();
            reader.join().unwrap()
        });
        fs::remove_file(&pipe).unwrap();
        Self::read(&String::from_utf8(text).unwrap())
    }

    fn read(text: &str) -> Self {
        let (mut trace, mut records) = (Self::default(), BTreeMap::new());
        for line in text.lines() {
            let (thread, event) = line.trim_start().split_once(' ').unwrap();
            trace.follow(thread, event.trim_start(), &mut records);
        }
        trace
    }

    /// A line is a whole call, or its begin (`… <unfinished ...>`) or its end (`<... name resumed>…`).
    fn follow(&mut self, thread: &str, event: &str, records: &mut BTreeMap<String, Record>) {
        let (begins, ends) = (!event.starts_with("<..."), !event.contains("<unfinished ...>"));
        let name = event.trim_start_matches("<... ").split(['(', ' ']).next().unwrap_or_default();
        match name {
            // A write that is cut in two shows its bytes where it begins: it counts from there on, which is early, so
            // a sync is only credited with it if it begins later still.
            "pwrite64" | "pwritev" | "pwritev2" if begins => {
                for holder in holders(event) {
                    records.entry(holder).or_insert(Record::Written);
                }
            }
            "fdatasync" | "fsync" => {
                if begins {
                    let written = records.values_mut().filter(|record| **record == Record::Written);
                    written.for_each(|record| *record = Record::Syncing(thread.to_owned()));
                }
                if ends {
                    let own = |record: &&mut Record| matches!(record, Record::Syncing(by) if *by == *thread);
                    let synced =
                        records.values_mut().filter(own).map(|record| *record = Record::Durable).count();
                    self.syncs_of_answers += usize::from(synced > 0);
                }
            }
            "write" | "writev" | "sendto" | "sendmsg" if begins && event.contains("HTTP/1.1 200") => {
                for holder in holders(event) {
                    self.answers += 1;
                    if records.get(&holder) != Some(&Record::Durable) {
                        self.early.insert(holder);
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_reader_of_traces_sees_an_early_answer() {
    let late = "7 pwrite64(9, \"..app-00001site\", 4096, 0) = 4096\n7 fdatasync(9 <unfinished ...>\n\
                8 write(3, \"x\", 1) = 1\n7 <... fdatasync resumed>) = 0\n\
                8 sendto(4, \"HTTP/1.1 200 OK..app-00001@site\", 99, 0, NULL, 0) = 99\n";
    let trace = Trace::read(late);
    assert_eq!((trace.answers, trace.early.len(), trace.syncs_of_answers), (1, 0, 1));
    let early = late.replace("write(3, \"x\", 1)", "sendto(4, \"HTTP/1.1 200 OK..app-00001@site\", 99, 0)");
    assert_eq!(Trace::read(&early).early, BTreeSet::from(["app-00001".to_owned()]));
    let unsynced = late.replace("fdatasync", "ioctl");
    assert_eq!(Trace::read(&unsynced).early.len(), 1);
}

/// The applications that a call's bytes name.
fn holders(event: &str) -> BTreeSet<String> {
    let starts = event.match_indices("app-").map(|(start, _)| start);
    starts.filter_map(|start| event.get(start..start + "app-00000".len())).map(str::to_owned).collect()
}

fn checkout(site: &Site, number: usize) {
    let answer = api::ask(&site.socket(), &api::checkout(&user(number), number)).unwrap();
    assert_eq!(answer.json().unwrap()["decision"], "allow", "{answer:?}");
}

/// All connect first, then all ask.
fn checkouts_together(site: &Site) {
    let ready = Barrier::new(APPLICATIONS);
    thread::scope(|scope| {
        for number in (0..APPLICATIONS).map(|number| ONE_BY_ONE + number) {
            let ready = &ready;
            scope.spawn(move || {
                let mut stream = api::connect(&site.socket()).unwrap();
                ready.wait();
                stream.write_all(&api::checkout(&user(number), number)).unwrap();
                let answer = Answer::read(&mut stream).unwrap();
                assert_eq!(answer.json().unwrap()["decision"], "allow", "{answer:?}");
            });
        }
    });
}

fn user(number: usize) -> String {
    format!("app-{number:05}")
}
