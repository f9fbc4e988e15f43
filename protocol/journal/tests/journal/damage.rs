//! Stores that no honest crash leaves are refused, never silently opened.

use leasehold_crash::Disk;
use leasehold_journal::file::{Extent, ReadOnly};
use leasehold_journal::{FileHome, Home as _, JournalError};
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;

use crate::rig::{SEGMENT_BYTES, draft, frames, genesis, journal_of, open};

/// Three segments; the last ends in the middle.
const SIZES: [usize; 9] = [700, 20, 1500, 900, 1200, 1000, 30, 900, 800];

fn journal() -> Disk {
    let disk = Disk::default();
    journal_of(&disk, &SIZES).close().unwrap();
    assert_eq!(disk.named(".seg").len(), 3);
    disk
}

/// Opening is refused as damage, for those who write and for those who look.
fn check_damaged(disk: &Disk, what: &str) -> Seq {
    let Err(JournalError::Damaged { seq, detail }) = open(disk).map(|_| ()) else {
        panic!("{what}: opened");
    };
    assert!(
        matches!(ReadOnly::open_in(disk.clone(), None), Err(JournalError::Damaged { .. })),
        "{what}: {detail}"
    );
    seq
}

#[test]
fn no_flipped_bit_in_what_was_acknowledged_is_silent() {
    let disk = journal();
    let names = disk.named(".seg");
    let last_end = {
        let (home, _) = open(&disk.copy()).unwrap();
        let in_last =
            frames(&home).into_iter().filter(|frame| format!("{:020}.seg", frame.first_seq.0) >= names[2]);
        in_last.map(|frame| frame.encode().unwrap().bytes.len()).sum()
    };
    for (number, name) in names.iter().enumerate() {
        let end = if number == 2 { last_end } else { SEGMENT_BYTES as usize };
        for at in 0..end {
            let flipped = disk.copy();
            flipped.edit(name, |content| content[at] ^= 1 << (at % 8));
            let seq = open(&flipped).map(|_| ()).unwrap_err();
            assert!(matches!(seq, JournalError::Damaged { .. }), "{name} byte {at}");
        }
    }
}

#[test]
fn the_first_bad_record_is_named() {
    let disk = journal();
    disk.edit(&disk.named(".seg")[0], |content| content[1100] ^= 1);
    assert_eq!(check_damaged(&disk, "flipped"), Seq(3));
    assert_eq!(open(&disk).map(|_| ()).unwrap_err().code(), Code::JournalDamaged);
}

#[test]
fn bytes_behind_the_tail_are_never_taken_for_records() {
    let disk = journal();
    let (home, _) = open(&disk.copy()).unwrap();
    let (tail, all) = (home.tail(), frames(&home));
    let name = disk.named(".seg")[2].clone();
    let end = disk.content(&name).iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for at in end..SEGMENT_BYTES as usize {
        let flipped = disk.copy();
        flipped.edit(&name, |content| content[at] ^= 0x80);
        match open(&flipped) {
            Ok((home, opened)) => {
                assert!(opened.torn.is_some());
                assert_eq!((home.tail(), frames(&home)), (tail, all.clone()));
            }
            Err(error) => assert!(matches!(error, JournalError::Damaged { .. })),
        }
    }
}

#[test]
fn missing_and_shortened_files_are_damage() {
    let disk = journal();
    for name in disk.named(".seg").iter().map(String::as_str).chain(["GENESIS", "MARK"]) {
        let missing = disk.copy();
        missing.lose(name);
        check_damaged(&missing, &format!("{name} missing"));
        // GENESIS is short, and a slot of MARK may be lost.
        let cuts: &[usize] = match name {
            "GENESIS" => &[0, 10, 40],
            "MARK" => &[0, 43],
            _ => &[0, 100, 2000, 4095],
        };
        for &keep in cuts {
            let short = disk.copy();
            short.edit(name, |content| content.truncate(keep));
            check_damaged(&short, &format!("{name} of {keep} bytes"));
        }
    }
    let empty = Disk::default();
    journal_of(&empty, &[]).close().unwrap();
    empty.lose(&empty.named(".seg")[0]);
    check_damaged(&empty, "the only segment missing");
}

#[test]
fn files_of_another_journal_or_place_are_damage() {
    let (disk, other) = (journal(), Disk::default());
    let mut home = FileHome::create_in(other.clone(), &genesis(2)).unwrap();
    for bytes in SIZES {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    home.close().unwrap();
    assert_eq!(disk.named(".seg"), other.named(".seg"));
    for name in disk.named(".seg").iter().map(String::as_str).chain(["GENESIS", "MARK"]) {
        let swapped = disk.copy();
        swapped.place(name, other.content(name));
        check_damaged(&swapped, &format!("{name} of another journal"));
    }
    let all_segments = disk.copy();
    for name in disk.named(".seg") {
        all_segments.place(&name, other.content(&name));
    }
    check_damaged(&all_segments, "all segments of another journal");

    let names = disk.named(".seg");
    let exchanged = disk.copy();
    exchanged.place(&names[0], disk.content(&names[1]));
    exchanged.place(&names[1], disk.content(&names[0]));
    check_damaged(&exchanged, "two segments exchanged");
    let renamed = disk.copy();
    renamed.lose(&names[2]);
    renamed.place("00000000000000000099.seg", disk.content(&names[2]));
    check_damaged(&renamed, "a segment renamed");
}

#[test]
fn an_older_copy_is_behind_its_mark() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &SIZES[..4]);
    let mut older = vec![disk.copy()];
    for _ in 0..3 {
        home.commit(draft(&home, &[])).unwrap(); // an idle frame changes no seq
        older.push(disk.copy());
        let draft = draft(&home, &[400]);
        home.commit(draft).unwrap();
        older.push(disk.copy());
    }
    home.commit(draft(&home, &[])).unwrap();
    home.close().unwrap();
    for copy in older {
        open(&copy.copy()).unwrap();
        copy.place("MARK", disk.content("MARK"));
        check_damaged(&copy, "older segments");
    }
}

#[test]
fn one_bad_slot_of_the_mark_is_borne_and_two_are_not() {
    for frames in [SIZES.len() - 1, SIZES.len()] {
        let disk = Disk::default();
        journal_of(&disk, &SIZES[..frames]).close().unwrap();
        for at in (0..44).chain(4096..4140) {
            check_bad_slots(&disk, frames, at);
        }
    }
}

/// Flips a bit of one slot, then one of the other as well.
fn check_bad_slots(disk: &Disk, frames: usize, at: usize) {
    let flip = |disk: &Disk, at: usize| disk.edit("MARK", |content| content[at] ^= 1);
    let (this, other) = if at < 44 { (0, 4096) } else { (4096, 0) };
    let one = disk.copy();
    flip(&one, at);
    let (mut home, opened) = open(&one).unwrap();
    assert_eq!((opened.frames, home.durable_seq()), (frames as u64, Seq(frames as u64)));
    let draft = draft(&home, &[10]);
    home.commit(draft).unwrap();
    drop(home);
    flip(&one, other);
    let durable = open(&one).unwrap().0.durable_seq();
    assert_eq!(durable, Seq(frames as u64 + 1), "the bad slot is the next to be written");

    let both = disk.copy();
    flip(&both, at);
    flip(&both, at - this + other);
    check_damaged(&both, "both slots bad");
}

#[test]
fn the_slots_take_turns_over_restarts_too() {
    for frames in 1..5 {
        let disk = Disk::default();
        journal_of(&disk, &[10, 10, 10, 10, 10][..frames]).close().unwrap();
        let (mut home, _) = open(&disk).unwrap();
        let draft = draft(&home, &[10]);
        home.commit(draft).unwrap();
        let mark = disk.content("MARK");
        let vouched = [0, 4096].map(|at| u64::from_le_bytes(mark[at..at + 8].try_into().unwrap()));
        let next = frames as u64 + 2;
        assert!(vouched == [next, next - 1] || vouched == [next - 1, next], "{vouched:?}");
    }
}

#[test]
fn looking_at_everything_judges_as_opening_does_and_changes_nothing() {
    let disk = Disk::default();
    let home = journal_of(&disk, &SIZES);
    let whole = draft(&home, &[300]).after(home.tail()).encode().unwrap().bytes;
    drop(home);
    let name = disk.named(".seg")[2].clone();
    let end = disk.content(&name).iter().rposition(|&byte| byte != 0).unwrap() + 1;
    disk.edit(&name, |content| content[end..end + 64].copy_from_slice(&whole[..64]));
    let before = disk.content(&name);
    let verified = leasehold_journal::file::verify_in(disk.clone(), Extent::Everything).unwrap();
    assert_eq!((verified.frames, verified.unmarked_frames), (9, 0));
    assert_eq!(disk.content(&name), before);
    let (_, opened) = open(&disk).unwrap();
    assert_eq!(verified.torn, opened.torn);
    assert!(opened.torn.is_some());
}
