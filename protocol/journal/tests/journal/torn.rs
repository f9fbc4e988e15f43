//! Every partial landing of the sectors of a frame, above the MARK and at it.

use leasehold_crash::Disk;
use leasehold_journal::{FileHome, Frame, Home as _, JournalError};
use leasehold_protocol::seq::Seq;

use crate::rig::{draft, frames, genesis, journal_of, open};
use leasehold_journal::limits::SECTOR_BYTES;

/// Record bytes of a frame that lies in six or seven sectors.
const RECORD_BYTES: usize = 2700;

/// A frame that follows others, so that its header has a sector's border after each of its first bytes in turn.
fn starts() -> impl Iterator<Item = usize> {
    let header = (0..=25).map(|before| SECTOR_BYTES - before);
    header.chain([
        SECTOR_BYTES + 1,
        SECTOR_BYTES - 88,
        SECTOR_BYTES - 119,
        SECTOR_BYTES - 120,
        SECTOR_BYTES - 121,
    ])
}

/// A journal whose second frame begins at `start` of the segment.
fn journal_before(start: usize) -> (Disk, FileHome<Disk>) {
    let around = {
        let home = journal_of(&Disk::default(), &[]);
        draft(&home, &[0]).after(home.tail()).encode().unwrap().bytes.len()
    };
    let disk = Disk::default();
    let mut home = journal_of(&disk, &[start - around]);
    home.sync_mark().unwrap();
    (disk, home)
}

/// Calls `check` for each way in which the unsynced sectors can land, with the disk and whether all landed.
fn each_landing(disk: &Disk, mut check: impl FnMut(Disk, bool)) {
    let mut sectors = 0;
    let _ = disk.after_landing(|_| {
        sectors += 1;
        None
    });
    assert!((6..=8).contains(&sectors), "{sectors} sectors");
    for landing in 0_u32..1 << sectors {
        let mut sector = 0;
        let landed = disk.after_landing(|versions| {
            sector += 1;
            (landing >> (sector - 1) & 1 == 1).then_some(versions - 1)
        });
        check(landed, landing.count_ones() == sectors);
    }
}

#[test]
fn above_the_mark_a_frame_is_there_or_cleanly_cut() {
    let (mut complete, mut cut, mut nothing) = (0, 0, 0);
    for start in starts() {
        let (disk, mut home) = journal_before(start);
        let earlier = frames(&home);
        let last = draft(&home, &[RECORD_BYTES]).after(home.tail());
        disk.power_off_after(1); // the write, not its sync
        home.append(&last).unwrap_err();
        each_landing(&disk, |landed, all| {
            let (mut home, opened) = open(&landed).unwrap();
            let torn = opened.torn;
            assert_eq!((opened.frames, opened.unmarked_frames), if all { (2, 1) } else { (1, 0) });
            match &torn {
                None if all => complete += 1,
                None => nothing += 1,
                Some(torn) => {
                    cut += 1;
                    assert_eq!((torn.seq, torn.offset), (Seq(2), start));
                }
            }
            assert!(torn.is_none() || !all);
            check_goes_on(&landed, &mut home, &earlier, all.then_some(&last));
        });
    }
    assert!(complete > 0 && cut > 1000 && nothing > 0, "{complete} {cut} {nothing}");
}

/// The journal holds what it should and only zeros behind, also on the device, and takes the next frame.
fn check_goes_on(disk: &Disk, home: &mut FileHome<Disk>, earlier: &[Frame], last: Option<&Frame>) {
    let mut expected = earlier.to_vec();
    expected.extend(last.cloned());
    assert_eq!(frames(home), expected);
    let end: usize = expected.iter().map(|frame| frame.encode().unwrap().bytes.len()).sum();
    let durable = disk.after_landing(|_| None);
    let segment = durable.content(&durable.named(".seg")[0]);
    assert!(segment[end..].iter().all(|&byte| byte == 0));
    let next = draft(home, &[50]);
    home.commit(next).unwrap();
    assert_eq!(frames(home).len(), expected.len() + 1);
}

#[test]
fn at_the_mark_a_frame_that_did_not_land_is_damage() {
    for start in starts() {
        let (disk, mut home) = journal_before(start);
        let last = draft(&home, &[RECORD_BYTES]).after(home.tail());
        disk.power_off_after(1);
        home.append(&last).unwrap_err();
        let marked = {
            let (disk, mut home) = journal_before(start);
            home.append(&last).unwrap();
            disk.content("MARK")
        };
        each_landing(&disk, |landed, all| {
            landed.edit("MARK", |mark| mark.clone_from(&marked));
            match open(&landed) {
                Ok((home, opened)) => {
                    assert!(all);
                    assert_eq!((opened.torn, home.durable_seq()), (None, Seq(2)));
                }
                Err(JournalError::Damaged { seq, .. }) => assert!(!all && seq == Seq(2)),
                Err(other) => panic!("{other}"),
            }
        });
    }
}

#[test]
fn a_cut_that_is_interrupted_at_every_sector_is_cut_again() {
    let (disk, mut home) = journal_before(SECTOR_BYTES - 22);
    let earlier = frames(&home);
    let last = draft(&home, &[RECORD_BYTES]).after(home.tail());
    disk.power_off_after(1);
    home.append(&last).unwrap_err();
    let mut lacking_one = 0;
    let torn = disk.after_landing(|versions| {
        lacking_one += 1;
        (lacking_one != 4).then_some(versions - 1)
    });
    torn.power_off_after(2); // the sync of the names and the zeros, not their sync
    assert!(matches!(open(&torn), Err(JournalError::Write { .. })));
    each_landing(&torn, |landed, all| {
        let (mut home, opened) = open(&landed).unwrap();
        assert!(opened.torn.is_none() || !all);
        check_goes_on(&landed, &mut home, &earlier, None);
    });
}

#[test]
fn a_whole_frame_behind_makes_it_damage() {
    let disk = Disk::default();
    let mut home = FileHome::create_in(disk.clone(), &genesis(1)).unwrap();
    let mark = disk.content("MARK");
    for bytes in [10, 1200, 10] {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    let first = frames(&home)[0].encode().unwrap().bytes.len();
    drop(home);
    let segment = disk.named(".seg")[0].clone();
    disk.edit("MARK", |content| *content = mark);
    assert_eq!(open(&disk.copy()).unwrap().1.unmarked_frames, 3);
    disk.edit(&segment, |content| content[first.next_multiple_of(SECTOR_BYTES)..][..SECTOR_BYTES].fill(0));
    assert!(matches!(open(&disk), Err(JournalError::Damaged { seq: Seq(2), .. })));
}

#[test]
fn in_front_of_a_later_segment_nothing_is_torn() {
    let disk = Disk::default();
    let mut home = FileHome::create_in(disk.clone(), &genesis(1)).unwrap();
    let mark = disk.content("MARK");
    for bytes in [1000, 1000, 3000] {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    drop(home);
    disk.edit("MARK", |content| *content = mark);
    let [first, _] = &disk.named(".seg")[..] else { panic!("two segments") };
    disk.edit(first, |content| content[4000] = 1);
    assert!(matches!(open(&disk), Err(JournalError::Damaged { seq: Seq(3), .. })));
}
