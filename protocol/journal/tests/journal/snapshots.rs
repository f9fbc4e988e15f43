//! Snapshots save replay, and are never more than that: whatever becomes of their files, the journal says the same.

use leasehold_crash::{Chance, Disk, Op};
use leasehold_journal::chain::{Chain, Tail};
use leasehold_journal::file::snapshot::{BadSnapshot, SnapshotHead, SnapshotReader, SnapshotWriter, list_in};
use leasehold_journal::file::{Extent, ReadOnly, verify_in};
use leasehold_journal::{FileHome, Frame, Home as _, JournalError, limits};
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use nix::errno::Errno;

use crate::rig::{SEGMENT_BYTES, draft, frames, genesis, journal_of, open};

/// Four segments. No record is a frame of an idle minute.
const SIZES: [usize; 15] = [700, 0, 1500, 900, 1200, 0, 0, 1000, 30, 900, 0, 800, 1900, 700, 1500];
const PARTS: [&[u8]; 3] = [b"one", &[2; 5000], b"three"];

/// A journal, and its end after each frame.
fn journal() -> (Disk, Vec<Tail>) {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[]);
    let mut tails = vec![home.tail()];
    for bytes in SIZES {
        let sizes = [bytes];
        let records = if bytes == 0 { &[][..] } else { &sizes[..] };
        let draft = draft(&home, records);
        tails.push(home.commit(draft).unwrap());
    }
    home.close().unwrap();
    assert_eq!(disk.named(".seg").len(), 4);
    (disk, tails)
}

const fn head(tail: Tail) -> SnapshotHead {
    SnapshotHead { state_version: 1, tail, made_at: UnixMs(5) }
}

fn write(disk: &Disk, head: SnapshotHead) -> Result<(), JournalError> {
    let mut writer = SnapshotWriter::create_in(disk.clone(), genesis(1), head)?;
    PARTS.iter().try_for_each(|part| writer.add(part))?;
    writer.finish()
}

fn read(disk: &Disk, name: &str) -> Result<Vec<Vec<u8>>, BadSnapshot> {
    let mut reader = SnapshotReader::open_in(disk, name, &genesis(1))?;
    let parts = reader.by_ref().collect::<Result<_, _>>()?;
    assert!(reader.state_hash().is_some());
    Ok(parts)
}

fn after(frames: Vec<Frame>, tail: Tail) -> Vec<Frame> {
    frames.into_iter().skip_while(|frame| frame.prev != tail.chain).collect()
}

#[test]
fn what_is_written_is_read_and_the_newest_are_kept() {
    let (disk, tails) = journal();
    let made: Vec<Tail> = [1, 3, 4, 8, 9].map(|at| tails[at]).to_vec();
    for (count, &tail) in (1..).zip(&made) {
        write(&disk, head(tail)).unwrap();
        let found = list_in(&disk, &genesis(1)).unwrap();
        let kept: Vec<SnapshotHead> = found.iter().map(|found| *found.head.as_ref().unwrap()).collect();
        let newest = made[..count].iter().rev().take(limits::SNAPSHOTS_KEPT);
        assert_eq!(kept, newest.map(|&tail| head(tail)).collect::<Vec<_>>());
        assert_eq!(read(&disk, &found[0].name).unwrap(), PARTS);
    }
    assert!(disk.named("SNAPSHOT").is_empty());
}

#[test]
fn snapshots_of_no_use_make_room() {
    let (disk, tails) = journal();
    for tail in [tails[1], tails[3], tails[4]] {
        write(&disk, head(tail)).unwrap();
    }
    let names = disk.named(".snap");
    disk.edit(&names[2], |content| content[20] ^= 1);
    write(&disk, head(tails[8])).unwrap();
    let expected = [&names[..2], &["00000000000000000006.snap".to_owned()]].concat();
    assert_eq!(disk.named(".snap"), expected);
}

#[test]
fn a_snapshot_that_cannot_be_opened_now_is_kept_and_one_that_is_gone_is_none() {
    let (disk, tails) = journal();
    for tail in [tails[1], tails[3], tails[4]] {
        write(&disk, head(tail)).unwrap();
    }
    let before = disk.named(".snap");
    disk.fail(Op::Open, ".snap", Errno::EMFILE);
    write(&disk, head(tails[8])).unwrap();
    let unreadable = list_in(&disk, &genesis(1)).unwrap();
    assert!(unreadable.iter().all(|found| matches!(found.head, Err(BadSnapshot::Read(_)))));
    disk.heal();
    assert_eq!(disk.named(".snap")[..3], before);
    assert_eq!(disk.named(".snap").len(), 4);
    disk.fail(Op::Open, "00000000000000000002", Errno::ENOENT);
    assert_eq!(list_in(&disk, &genesis(1)).unwrap().len(), 3);
}

#[test]
fn no_changed_byte_of_a_snapshot_is_silent() {
    let (disk, tails) = journal();
    write(&disk, head(tails[3])).unwrap();
    let name = disk.named(".snap").remove(0);
    let bytes = disk.content(&name).len();
    for at in 0..bytes {
        let flipped = disk.copy();
        flipped.edit(&name, |content| content[at] ^= 1 << (at % 8));
        assert!(read(&flipped, &name).is_err(), "byte {at}");
        let cut = disk.copy();
        cut.edit(&name, |content| content.truncate(at));
        assert!(matches!(read(&cut, &name), Err(BadSnapshot::Damaged(_))), "cut at {at}");
    }
    let longer = disk.copy();
    longer.edit(&name, |content| content.push(0));
    assert!(matches!(read(&longer, &name), Err(BadSnapshot::Damaged("end"))));
    let renamed = disk.copy();
    renamed.place("00000000000000000009.snap", disk.content(&name));
    assert!(matches!(read(&renamed, "00000000000000000009.snap"), Err(BadSnapshot::Damaged("name"))));
    let foreign = SnapshotReader::open_in(&disk, &name, &genesis(2)).map(|_| ());
    assert!(matches!(foreign, Err(BadSnapshot::Foreign)));
}

#[test]
fn a_journal_opens_from_every_place_as_from_its_beginning() {
    let (disk, tails) = journal();
    let (whole, _) = open(&disk.copy()).unwrap();
    for &tail in &tails {
        let (mut home, opened) = FileHome::open_in(disk.copy(), Some(tail)).unwrap();
        assert!(opened.frames <= SIZES.len() as u64 && opened.unmarked_frames == 0);
        assert_eq!(home.tail(), whole.tail());
        let rest: Vec<Frame> = home.read(tail.next_seq).unwrap().map(Result::unwrap).collect();
        assert_eq!(after(rest, tail), after(frames(&whole), tail), "{tail:?}");
        // What was not walked over is there all the same.
        assert_eq!(frames(&home), frames(&whole));
        for seq in 0..=whole.tail().next_seq.0 {
            assert_eq!(home.read_frame(Seq(seq)).unwrap(), whole.read_frame(Seq(seq)).unwrap());
        }
        let reader = ReadOnly::open_in(disk.copy(), Some(tail)).unwrap();
        assert_eq!(reader.tail(), whole.tail());
        let draft = draft(&home, &[1200]);
        home.commit(draft).unwrap();
    }
    let (_, last) = FileHome::open_in(disk.copy(), tails.last().copied()).unwrap();
    assert!(last.frames < 4, "only the last segment is walked over: {last:?}");
}

#[test]
fn a_place_that_the_journal_does_not_lead_through_is_told_and_changes_nothing() {
    let (disk, tails) = journal();
    for tail in &tails[..tails.len() - 1] {
        let elsewhere = Tail { chain: Chain([9; 32]), ..*tail };
        let copy = disk.copy();
        copy.take_log();
        let opened = FileHome::open_in(copy.clone(), Some(elsewhere)).map(|_| ());
        assert!(matches!(opened, Err(JournalError::NotThrough(seq)) if seq == tail.next_seq.previous()));
        assert!(copy.take_log().is_empty(), "nothing was written");
        let seen = ReadOnly::open_in(copy, Some(elsewhere)).map(|_| ());
        assert!(matches!(seen, Err(JournalError::NotThrough(_))));
    }
}

#[test]
fn damage_before_a_snapshot_is_found_by_verify_and_behind_it_by_everybody() {
    let (disk, tails) = journal();
    let start = tails[SIZES.len()];
    let names = disk.named(".seg");
    for (number, name) in names.iter().enumerate() {
        let flipped = disk.copy();
        flipped.edit(name, |content| content[1030] ^= 4);
        let opened = FileHome::open_in(flipped.clone(), Some(start)).map(|_| ());
        if number + 1 < names.len() {
            opened.unwrap();
        } else {
            assert!(matches!(opened, Err(JournalError::Damaged { .. })), "{name}");
        }
        for extent in [Extent::Durable, Extent::Everything] {
            assert!(
                matches!(verify_in(flipped.clone(), extent), Err(JournalError::Damaged { .. })),
                "{name}"
            );
        }
    }
}

#[test]
fn a_damaged_frame_before_a_snapshot_is_not_read_as_another() {
    let (disk, tails) = journal();
    disk.edit(&disk.named(".seg")[0], |content| content[300] ^= 4);
    let (home, _) = FileHome::open_in(disk, tails.last().copied()).unwrap();
    assert!(matches!(home.read_frame(Seq(1)), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_journal_that_ends_before_its_snapshot_has_lost_records() {
    let (disk, tails) = journal();
    let older = disk.copy();
    let (mut home, _) = open(&disk).unwrap();
    for start in [None, Some(tails[4]), tails.last().copied()] {
        FileHome::open_in(older.copy(), start).unwrap();
    }
    let draft = draft(&home, &[10]);
    home.commit(draft).unwrap();
    write(&disk, head(home.tail())).unwrap();
    let name = disk.named(".snap").remove(0);
    older.place(&name, disk.content(&name));
    for start in [None, Some(tails[4]), Some(home.tail())] {
        for extent in [Extent::Durable, Extent::Everything] {
            assert!(matches!(verify_in(older.copy(), extent), Err(JournalError::Damaged { .. })));
        }
        let opened = FileHome::open_in(older.copy(), start).map(|_| ());
        assert!(matches!(opened, Err(JournalError::Damaged { .. })), "{start:?}");
        let seen = ReadOnly::open_in(older.copy(), start).map(|_| ());
        assert!(matches!(seen, Err(JournalError::Damaged { .. })), "{start:?}");
    }
    // Its beginning is damaged: then it is evidence of nothing.
    older.edit(&name, |content| content[60] ^= 1);
    open(&older).unwrap();
}

#[test]
fn a_mark_from_before_the_snapshot_is_no_damage() {
    let (disk, tails) = journal();
    let mut marks = Vec::new();
    let replayed = Disk::default();
    let mut home = journal_of(&replayed, &[]);
    for bytes in SIZES {
        marks.push(replayed.content("MARK"));
        let sizes = [bytes];
        let draft = draft(&home, if bytes == 0 { &[] } else { &sizes });
        home.commit(draft).unwrap();
    }
    for (at, mark) in marks.into_iter().enumerate() {
        for &start in &tails[at..] {
            let copy = disk.copy();
            copy.edit("MARK", |content| *content = mark.clone());
            let (mut home, _) = FileHome::open_in(copy.clone(), Some(start)).unwrap();
            assert_eq!(Some(&home.tail()), tails.last(), "{at} {start:?}");
            let draft = draft(&home, &[10]);
            home.commit(draft).unwrap();
            let tail = home.tail();
            drop(home);
            assert_eq!(open(&copy).unwrap().0.tail(), tail);
        }
    }
}

#[test]
fn a_power_cut_while_a_snapshot_is_written_leaves_the_ones_before() {
    let (disk, tails) = journal();
    for tail in [tails[1], tails[3], tails[4]] {
        write(&disk, head(tail)).unwrap();
    }
    let mut chance = Chance(11);
    let mut finished = 0;
    for operations in 0..20 {
        for _ in 0..20 {
            let cut = disk.copy();
            cut.power_off_after(operations);
            finished += usize::from(write(&cut, head(tails[9])).is_ok());
            for left in [cut.after_power_cut(&mut chance), cut.after_kill()] {
                check_usable(&left, &[tails[1], tails[3], tails[4]], tails[9]);
                write(&left, head(tails[9])).unwrap();
                assert_eq!(left.named(".snap").len(), limits::SNAPSHOTS_KEPT);
            }
        }
    }
    assert!(finished > 0, "the last cuts come after the end");
}

/// Every snapshot that has its name is whole, and the newest of those before is there.
fn check_usable(disk: &Disk, before: &[Tail], new: Tail) {
    let found = list_in(disk, &genesis(1)).unwrap();
    let of: Vec<Tail> = found.iter().map(|found| found.head.as_ref().unwrap().tail).collect();
    assert!(of.iter().all(|tail| before.contains(tail) || *tail == new));
    assert!(of.contains(before.last().unwrap()), "{of:?}");
    for found in &found {
        assert_eq!(read(disk, &found.name).unwrap(), PARTS);
        FileHome::open_in(disk.copy(), Some(found.head.as_ref().unwrap().tail)).unwrap();
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_is_an_error_and_harms_nothing() {
    for op in [Op::Create, Op::Write, Op::Sync, Op::Rename, Op::SyncNames] {
        let (disk, tails) = journal();
        write(&disk, head(tails[1])).unwrap();
        disk.fail(op, "", Errno::ENOSPC);
        assert!(matches!(write(&disk, head(tails[3])), Err(JournalError::Write { .. })), "{op:?}");
        assert!(disk.named("SNAPSHOT").is_empty(), "{op:?}");
        disk.heal();
        assert_eq!(read(&disk, "00000000000000000002.snap").unwrap(), PARTS);
        FileHome::open_in(disk.clone(), Some(tails[1])).unwrap();
    }
}

#[test]
fn a_snapshot_leaves_the_journal_its_room_or_is_none() {
    let (disk, tails) = journal();
    let roomy = disk.copy();
    write(&roomy, head(tails[3])).unwrap();
    let name = roomy.named(".snap").remove(0);
    let needed =
        limits::SNAPSHOT_SPARED_SEGMENTS * u64::from(SEGMENT_BYTES) + roomy.content(&name).len() as u64;
    for (room, fits) in [(needed - 1, false), (needed, true), (needed + 1, true)] {
        let disk = disk.copy();
        disk.leave_room(room);
        assert_eq!(write(&disk, head(tails[3])).is_ok(), fits, "{room}");
        assert!(disk.named("SNAPSHOT").is_empty());
        assert_eq!(disk.named(".snap").len(), usize::from(fits), "{room}");
    }
}

#[test]
fn what_nobody_finishes_is_taken_away() {
    let (disk, tails) = journal();
    let mut writer = SnapshotWriter::create_in(disk.clone(), genesis(1), head(tails[3])).unwrap();
    writer.add(&vec![1; limits::SNAPSHOT_WRITE_BYTES]).unwrap();
    assert!(!disk.named("SNAPSHOT").is_empty());
    let killed = disk.after_kill();
    drop(writer);
    assert!(disk.named("SNAPSHOT").is_empty());
    ReadOnly::open_in(killed.clone(), None).unwrap();
    assert!(!killed.named("SNAPSHOT").is_empty(), "somebody may be writing it");
    open(&killed).unwrap();
    assert!(killed.named("SNAPSHOT").is_empty());
}

#[test]
fn a_snapshot_is_written_in_pieces_that_are_synced() {
    let (disk, tails) = journal();
    disk.take_log();
    let mut writer = SnapshotWriter::create_in(disk.clone(), genesis(1), head(tails[3])).unwrap();
    for _ in 0..3 {
        writer.add(&vec![1; limits::SNAPSHOT_WRITE_BYTES - 200]).unwrap();
    }
    writer.finish().unwrap();
    let ops: Vec<Op> = disk.take_log().into_iter().map(|(op, _)| op).collect();
    let pieces = [Op::Write, Op::Sync].repeat(2);
    assert_eq!(ops, [&[Op::Create], &pieces[..], &[Op::Rename, Op::SyncNames]].concat());
    assert!(!disk.named(".snap").is_empty());
}
