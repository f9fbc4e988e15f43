//! What a journal does while nothing fails.

use leasehold_crash::{Disk, Op};
use leasehold_journal::file::directory::Directory as _;
use leasehold_journal::file::{NextSegment, Opened, ReadOnly};
use leasehold_journal::{Chain, Draft, FileHome, Home as _, JournalError};
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::BootId;

use crate::rig::{SEGMENT_BYTES, draft, frames, genesis, journal_of, open, record, stamp};

#[test]
fn what_was_appended_is_read_again_after_reopening() {
    let disk = Disk::default();
    let mut home = FileHome::create_in(disk.clone(), &genesis(1)).unwrap();
    assert_eq!((home.durable_seq(), home.tail()), (Seq::NONE, genesis(1).tail()));
    for at in 0..40_usize {
        let mut draft = draft(&home, &[100; 3][..at % 4]);
        (draft.leaf_hashes, draft.signatures) = (vec![[1; 32]; at], vec![[2; 64]; at.div_ceil(64)]);
        let tail = home.commit(draft).unwrap();
        assert_eq!(tail, home.tail());
    }
    let written = frames(&home);
    assert_eq!(written.len(), 40);
    assert_eq!(home.durable_seq(), Seq(60));
    assert!(disk.named(".seg").len() > 2);
    home.close().unwrap();

    let (home, opened) = open(&disk).unwrap();
    assert_eq!(opened, Opened { frames: 40, unmarked_frames: 0, torn: None });
    assert_eq!(frames(&home), written);
    assert_eq!(home.genesis(), &genesis(1));
    let tail = written.last().unwrap().encode().unwrap().tail;
    assert_eq!(home.tail(), tail);
}

#[test]
fn reading_begins_with_the_frame_that_holds_the_record() {
    let disk = Disk::default();
    let mut home = FileHome::create_in(disk.clone(), &genesis(1)).unwrap();
    for at in 0..200_usize {
        let draft = draft(&home, &[30; 3][..at % 4]);
        home.commit(draft).unwrap();
    }
    let all = frames(&home);
    let reader = ReadOnly::open_in(disk, None).unwrap();
    for from in 0..=home.durable_seq().0 + 2 {
        let from = Seq(from);
        let wanted: Vec<_> = all
            .iter()
            .filter(|frame| {
                frame.first_seq >= from || frame.first_seq.plus(frame.records.len() as u64) > from
            })
            .cloned()
            .collect();
        assert_eq!(home.read(from).unwrap().map(Result::unwrap).collect::<Vec<_>>(), wanted);
        assert_eq!(reader.read(from).map(Result::unwrap).collect::<Vec<_>>(), wanted);
        let holder =
            wanted.iter().find(|frame| frame.first_seq <= from && !frame.records.is_empty()).cloned();
        assert_eq!(home.read_frame(from).unwrap(), holder, "{from}");
        assert_eq!(reader.read_frame(from).unwrap(), holder);
    }
}

#[test]
fn a_commit_is_written_synced_and_marked_in_this_order() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[]);
    disk.take_log();
    let draft = draft(&home, &[100]);
    home.commit(draft).unwrap();
    let segment = disk.named(".seg")[0].clone();
    let expected = [(Op::Write, segment.clone()), (Op::Sync, segment), (Op::Write, "MARK".to_owned())];
    assert_eq!(disk.take_log(), expected);
}

#[test]
fn a_new_segment_is_begun_only_when_the_mark_is_durable() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[1700, 1700]);
    assert_eq!(home.next_segment(), NextSegment::Ready);
    disk.take_log();
    let draft = draft(&home, &[500]);
    home.commit(draft).unwrap();
    let segment = "00000000000000000003.seg".to_owned();
    let expected = [
        (Op::Sync, "MARK".to_owned()),
        (Op::Rename, segment.clone()),
        (Op::SyncNames, String::new()),
        (Op::Write, segment.clone()),
        (Op::Sync, segment),
        (Op::Write, "MARK".to_owned()),
    ];
    assert_eq!(disk.take_log(), expected);
    assert_eq!(home.next_segment(), NextSegment::NotNeeded);
}

#[test]
fn the_mark_is_synced_each_minute_of_the_stamps() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[]);
    let mut syncs_at = |boottime_ms, boot| {
        disk.take_log();
        let mut stamp = stamp(boottime_ms);
        stamp.boot_id = BootId([boot; 16]);
        home.commit(Draft::of_records(stamp, vec![])).unwrap();
        disk.take_log().contains(&(Op::Sync, "MARK".to_owned()))
    };
    assert!(!syncs_at(1_000, 3));
    assert!(!syncs_at(60_999, 3));
    assert!(syncs_at(61_000, 3));
    assert!(!syncs_at(120_999, 3));
    assert!(syncs_at(121_001, 3));
    assert!(syncs_at(121_001, 4), "another boot: its time says nothing about the last sync");
    assert!(syncs_at(5, 4), "time that runs backwards says nothing either");
    let sync = (Op::Sync, "MARK".to_owned());
    disk.take_log();
    home.sync_mark().unwrap();
    home.close().unwrap();
    assert_eq!(disk.take_log(), [sync.clone(), sync.clone()]);
    open(&disk).unwrap();
    assert!(disk.take_log().contains(&sync));
}

#[test]
fn the_next_segment_is_prepared_when_half_is_used() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[1000]);
    assert_eq!(home.next_segment(), NextSegment::NotNeeded);
    let draft = draft(&home, &[1000]);
    home.commit(draft).unwrap();
    assert_eq!(home.next_segment(), NextSegment::Ready);
    assert_eq!(disk.content("NEXT"), vec![0; SEGMENT_BYTES as usize]);
    drop(home);
    disk.edit("NEXT", |content| content.fill(1));
    let (mut home, _) = open(&disk).unwrap();
    assert_eq!(home.next_segment(), NextSegment::Ready);
    assert_eq!(disk.content("NEXT"), vec![0; SEGMENT_BYTES as usize], "what a crash left is not trusted");
}

#[test]
fn idle_frames_fill_segments_too() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[]);
    for _ in 0..80 {
        home.commit(Draft::of_records(stamp(0), vec![])).unwrap();
    }
    let draft = draft(&home, &[10]);
    home.commit(draft).unwrap();
    let written = frames(&home);
    assert_eq!(written.len(), 81);
    assert!(disk.named("_2.seg").len() == 1);
    drop(home);
    let (home, _) = open(&disk).unwrap();
    assert_eq!(frames(&home), written);
    assert_eq!(home.read_frame(Seq::FIRST).unwrap().as_ref(), written.last());
}

#[test]
fn a_frame_has_to_continue_the_tail_and_to_fit() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[10]);
    let good = draft(&home, &[10]).after(home.tail());
    for change in 0..2 {
        let mut frame = good.clone();
        match change {
            0 => frame.first_seq = Seq(3),
            _ => frame.prev = Chain([0; 32]),
        }
        assert!(matches!(home.append(&frame), Err(JournalError::NotNext { expected: Seq(2), .. })));
    }
    let around = good.encode().unwrap().bytes.len() - 10;
    let largest = SEGMENT_BYTES as usize - around;
    let too_large = home.commit(draft(&home, &[largest + 1]));
    assert_eq!(too_large.unwrap_err().code(), Code::LimitExceeded);
    for bytes in [10, largest, largest - 1] {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    assert_eq!(home.read_frame(Seq(3)).unwrap().unwrap().records, [record(Seq(3), largest)]);
}

#[test]
fn two_cannot_have_it_open_but_others_can_look() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[10, 10]);
    assert!(matches!(open(&disk), Err(JournalError::Busy(_))));
    let reader = ReadOnly::open_in(disk.clone(), None).unwrap();
    assert_eq!(reader.tail(), home.tail());
    let draft = draft(&home, &[10]);
    home.commit(draft).unwrap();
    assert_eq!(reader.tail().next_seq, Seq(3), "what comes later is not looked at");
    assert_eq!(ReadOnly::open_in(disk.clone(), None).unwrap().tail(), home.tail());
    drop(home);
    open(&disk).unwrap();
}

#[test]
fn a_reader_stops_at_the_mark_whatever_lies_behind() {
    let disk = Disk::default();
    let home = journal_of(&disk, &[10, 10]);
    let tail = home.tail();
    let unfinished = draft(&home, &[900]).after(tail).encode().unwrap().bytes;
    let segment = disk.named(".seg")[0].clone();
    let end: usize = frames(&home).iter().map(|frame| frame.encode().unwrap().bytes.len()).sum();
    for written in 0..=unfinished.len() {
        disk.edit(&segment, |content| content[end..end + written].copy_from_slice(&unfinished[..written]));
        let reader = ReadOnly::open_in(disk.clone(), None).unwrap();
        assert_eq!(reader.tail(), tail);
        assert_eq!(reader.read(Seq::NONE).count(), 2);
    }
}

#[test]
fn creating_twice_is_refused() {
    let disk = Disk::default();
    journal_of(&disk, &[10]).close().unwrap();
    let again = FileHome::create_in(disk.clone(), &genesis(2));
    assert!(matches!(again, Err(JournalError::AlreadyExists(_))));
    assert!(disk.is_published().unwrap());
    assert_eq!(open(&disk).unwrap().0.durable_seq(), Seq(1));
}
