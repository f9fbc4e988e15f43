//! Full disks and failing ones: the journal stops, loses nothing, and never tries a sync again.

use leasehold_crash::{Chance, Disk, Op};
use leasehold_journal::file::{NextSegment, ReadOnly};
use leasehold_journal::{FileHome, Home as _, JournalError};
use leasehold_protocol::code::{Code, exit};
use leasehold_protocol::seq::Seq;
use nix::errno::Errno;

use crate::rig::{draft, frames, genesis, journal_of, open};

/// The journal refuses everything from now on.
fn check_poisoned(home: &mut FileHome<Disk>) {
    let next = draft(home, &[1]);
    let refusals = [
        home.commit(next).map(|_| ()),
        home.sync_mark(),
        home.read(Seq::NONE).map(|_| ()),
        home.read_frame(Seq::FIRST).map(|_| ()),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, JournalError::Poisoned));
        assert_eq!(error.code().exit(), exit::STORE);
    }
}

#[test]
fn any_failed_write_or_sync_is_the_end() {
    for errno in [Errno::ENOSPC, Errno::EIO] {
        for (op, name) in [(Op::Write, ".seg"), (Op::Sync, ".seg"), (Op::Write, "MARK")] {
            let disk = Disk::default();
            let mut home = journal_of(&disk, &[100, 100]);
            let acked = frames(&home);
            disk.fail(op, name, errno);
            let next = draft(&home, &[100]);
            let error = home.commit(next).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed);
            disk.heal();
            disk.take_log();
            check_poisoned(&mut home);
            assert_eq!(disk.take_log(), [], "a poisoned journal touches nothing");
            drop(home);
            let (home, _) = open(&disk).unwrap();
            assert_eq!(frames(&home)[..2], acked);
        }
    }
}

#[test]
fn a_failed_sync_of_the_mark_is_the_end_too() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[100]);
    disk.fail(Op::Sync, "MARK", Errno::EIO);
    assert_eq!(home.sync_mark().unwrap_err().code(), Code::StoreFailed);
    disk.heal();
    check_poisoned(&mut home);
}

#[test]
fn a_frame_whose_sync_failed_is_durable_once_it_was_opened_again() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[100]);
    home.sync_mark().unwrap();
    disk.fail(Op::Sync, ".seg", Errno::EIO);
    let next = draft(&home, &[100]);
    home.commit(next).unwrap_err();
    // The pages count as clean now but are not on the device. The next process sees them.
    let disk = disk.after_kill();
    disk.heal();
    let (home, opened) = open(&disk).unwrap();
    assert_eq!((opened.unmarked_frames, home.durable_seq()), (1, Seq(2)));
    let seen = frames(&home);
    let (home, _) = open(&disk.after_power_cut(&mut Chance(1))).unwrap();
    assert_eq!(frames(&home), seen);
}

#[test]
fn a_next_segment_that_cannot_be_made_is_an_alarm_and_not_the_end() {
    for (op, name) in [(Op::Create, "NEXT"), (Op::Write, "NEXT"), (Op::Sync, "NEXT")] {
        let disk = Disk::default();
        let mut home = journal_of(&disk, &[]);
        disk.fail(op, name, Errno::ENOSPC);
        for bytes in [1000, 1000, 1000] {
            let next = draft(&home, &[bytes]);
            home.commit(next).unwrap();
        }
        assert!(
            matches!(home.next_segment(), NextSegment::Failed { detail } if detail.contains("ENOSPC") || detail.contains("space"))
        );
        home.retry_next_segment();
        assert!(matches!(home.next_segment(), NextSegment::Failed { .. }));

        let next = draft(&home, &[1000]);
        assert_eq!(home.commit(next).unwrap_err().code(), Code::StoreFailed);
        check_poisoned(&mut home);
        drop(home);

        // The disk is still full: it can be opened and looked at, and the alarm is there again.
        let (mut home, _) = open(&disk).unwrap();
        assert!(matches!(home.next_segment(), NextSegment::Failed { .. }));
        assert_eq!(ReadOnly::open_in(disk.clone(), None).unwrap().tail().next_seq, Seq(4));
        disk.heal();
        home.retry_next_segment();
        assert_eq!(home.next_segment(), NextSegment::Ready);
        let next = draft(&home, &[1000]);
        home.commit(next).unwrap();
        assert_eq!(home.durable_seq(), Seq(4));
    }
}

#[test]
fn a_journal_that_cannot_be_made_is_none() {
    let ops = [Op::Create, Op::Write, Op::Sync, Op::Rename, Op::SyncNames, Op::Publish];
    for op in ops {
        let disk = Disk::default();
        disk.fail(op, "", Errno::ENOSPC);
        let error = FileHome::create_in(disk.clone(), &genesis(1)).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), Code::CannotCreate, "{op:?}");
        disk.heal();
        journal_of(&disk, &[10]);
    }
}

#[test]
fn a_mark_that_cannot_be_read_now_is_not_taken_for_damage() {
    let disk = Disk::default();
    journal_of(&disk, &[100]).close().unwrap();
    disk.fail(Op::Read, "MARK", Errno::EIO);
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Read { .. }), "{error}");
    assert_eq!((error.code(), error.code().exit()), (Code::StoreUnreadable, exit::STORE));
    disk.heal();
    open(&disk).unwrap();
}
