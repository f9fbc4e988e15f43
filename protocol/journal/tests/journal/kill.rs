//! A process that appends is killed at any instant, also while it opens what its predecessor left.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use leasehold_crash::Chance;
use leasehold_journal::file::{Extent, ReadOnly, verify};
use leasehold_journal::{FileHome, Genesis, Home as _};
use leasehold_protocol::seq::Seq;

use crate::rig::{draft, record, stamp};

/// The directory a child works in; it tells a run of this program that it is the child.
const DIRECTORY: &str = "JOURNAL_KILL_DIRECTORY";
/// At least so many kills, a fifth of them while the journal is being opened.
const KILLS: usize = 200;
const SEGMENT_BYTES: u32 = 128 * 1024;

/// The bytes of a record follow from its seq, so that whoever reads it knows what it must be.
fn record_bytes(seq: Seq) -> usize {
    Chance(seq.0).below(if seq.0.is_multiple_of(7) { 40_000 } else { 600 })
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("journal");
    let genesis = Genesis::new("node", [1; 16], [2; 16]).unwrap().with_segment_bytes(SEGMENT_BYTES).unwrap();
    FileHome::create(&path, &genesis).unwrap().close().unwrap();
    let mut chance = Chance(0);
    let (mut acked, mut kills, mut while_opening, mut unmarked) = (Seq::NONE, 0, 0, 0);
    while kills < KILLS || while_opening < KILLS / 5 {
        assert!(kills < 10 * KILLS, "the kills hardly ever fall into opening");
        let (acks, moment) = match kills % 3 {
            0 => (None, chance.below(400_000)),
            _ => (Some(chance.below(9)), chance.below(200_000)),
        };
        let (last, opened) = run_and_kill(&path, acks, moment);
        acked = acked.max(last);
        kills += 1;
        while_opening += usize::from(!opened);
        unmarked += check_kept(&path, acked);
    }
    println!(
        "{kills} kills, {while_opening} while opening, {acked} records acknowledged, {unmarked} frames unmarked"
    );
    assert!(acked.0 > 100);
    let (mut home, _) = FileHome::open(&path).unwrap();
    let draft = draft(&home, &[10]);
    home.commit(draft).unwrap();
}

/// Starts a child, lets it acknowledge some frames (or only begin to open), lets it run a moment more, and kills it.
/// Returns the last record it acknowledged and whether it had opened the journal.
fn run_and_kill(path: &Path, acks: Option<usize>, moment: usize) -> (Seq, bool) {
    let mut child = spawn(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Said::default();
    said.listen(&mut lines, |said| said.opening);
    if let Some(acks) = acks {
        said.listen(&mut lines, |said| said.acks > acks);
    }
    for _ in 0..moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said.listen(&mut lines, |_| false);
    (said.acked, said.opened)
}

fn spawn(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child has said.
#[derive(Default)]
struct Said {
    opening: bool,
    opened: bool,
    acks: usize,
    acked: Seq,
}

impl Said {
    /// Listens until `enough` or until the child says nothing more.
    fn listen(&mut self, lines: &mut std::io::Lines<BufReader<ChildStdout>>, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            let Some(line) = lines.next() else { return };
            match line.unwrap().split_once(' ') {
                Some(("opening", _)) => self.opening = true,
                Some(("opened", _)) => self.opened = true,
                Some(("acked", seq)) => {
                    self.acks += 1;
                    self.acked = Seq(seq.parse().unwrap());
                }
                _ => {} // the test harness
            }
        }
    }
}

/// Everything acknowledged is there, byte for byte, and the chain holds. Nothing is repaired: that is for the next
/// child. Returns how many frames are above the MARK.
fn check_kept(path: &Path, acked: Seq) -> u64 {
    let verified = verify(path, Extent::Everything).unwrap();
    let reader = ReadOnly::open(path).unwrap();
    assert!(reader.tail().next_seq > acked, "{acked} was acknowledged");
    let mut seq = Seq::FIRST;
    for frame in reader.read(Seq::FIRST).map(Result::unwrap) {
        for bytes in frame.records {
            assert_eq!(bytes, record(seq, record_bytes(seq)), "record {seq}");
            seq = seq.plus(1);
        }
    }
    assert_eq!(seq, reader.tail().next_seq);
    verified.unmarked_frames
}

/// Not a test: what the killed process runs. Without the directory it has nothing to do.
#[test]
fn child() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    println!();
    println!("opening -");
    let (mut home, _) = FileHome::open(&path).unwrap();
    println!("opened -");
    for round in 1.. {
        let first = home.tail().next_seq;
        let records = if round % 5 == 0 { 0 } else { 1 + first.0 % 3 }; // each fifth frame is that of an idle minute
        let sizes: Vec<_> = (0..records).map(|at| record_bytes(first.plus(at))).collect();
        let mut draft = draft(&home, &sizes);
        draft.stamp = stamp(20_000 * i64::try_from(first.0).unwrap());
        let tail = home.commit(draft).unwrap();
        println!("acked {}", tail.next_seq.previous());
    }
}
