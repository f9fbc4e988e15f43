//! A journal that lost records, or is damaged, is cut back to its last good frame, at any crash in the end the same way,
//! and is not taken for whole before somebody has written that down.

use leasehold_crash::{Chance, Disk};
use leasehold_journal::file::{Cut, Opened};
use leasehold_journal::{FileHome, Home as _, JournalError};
use leasehold_protocol::seq::Seq;

use crate::rig::{draft, frames, journal_of, open};

/// Frames of these sizes fill several segments.
const SIZES: [usize; 9] = [1500; 9];

fn open_or_cut(disk: &Disk) -> Result<(FileHome<Disk>, Opened, Option<Cut>), JournalError> {
    FileHome::open_or_cut_in(disk.clone(), None)
}

/// Cuts, writes the frame that says so, and ends it.
fn recover(disk: &Disk) -> Result<(FileHome<Disk>, Cut), JournalError> {
    let (mut home, _, cut) = open_or_cut(disk)?;
    let cut = cut.expect("the journal is not whole");
    let written_down = draft(&home, &[100]);
    home.commit(written_down)?;
    home.end_cut()?;
    Ok((home, cut))
}

fn assert_not_whole(disk: &Disk) {
    match open(&disk.copy()) {
        Err(JournalError::Damaged { .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a journal that lost records was taken for whole"),
    }
}

/// A journal of generation 3 whose files are those of its first `kept` frames, beside the MARK of all.
fn behind_its_mark(kept: usize) -> Disk {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &SIZES[..kept]);
    let backup: Vec<_> = disk.named(".seg").into_iter().map(|name| (disk.content(&name), name)).collect();
    home.raise_generation(3).unwrap();
    for &bytes in &SIZES[kept..] {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    home.close().unwrap();
    for name in disk.named(".seg") {
        disk.lose(&name);
    }
    for (content, name) in backup {
        disk.place(&name, content);
    }
    disk
}

/// A journal of generation 3, one byte of whose frame `at` changed.
fn flipped(at: usize) -> Disk {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &SIZES);
    home.raise_generation(3).unwrap();
    let needle = crate::rig::record(Seq(at as u64), 1500);
    home.close().unwrap();
    let holds = |name: &&String| disk.content(name).windows(64).any(|part| *part == needle[..64]);
    let segment = disk.named(".seg").iter().find(holds).cloned().unwrap();
    disk.edit(&segment, |content| {
        let place = content.windows(64).position(|part| *part == needle[..64]).unwrap();
        content[place] ^= 1;
    });
    disk
}

/// The same with a MARK, as a power cut may leave it, that vouches for nothing that is damaged.
fn flipped_above_its_mark(at: usize) -> Disk {
    let mark = {
        let disk = Disk::default();
        journal_of(&disk, &SIZES[..2]).raise_generation(3).unwrap();
        disk.content("MARK")
    };
    let disk = flipped(at);
    disk.edit("MARK", |content| *content = mark);
    disk
}

#[test]
fn a_cut_that_nobody_wrote_down_is_not_forgotten_where_the_mark_does_not_tell() {
    let disk = flipped_above_its_mark(6);
    assert_not_whole(&disk);
    drop(open_or_cut(&disk).unwrap());
    assert_not_whole(&disk);
    let (home, cut) = recover(&disk).unwrap();
    assert_eq!((cut.seq, cut.generation), (Seq(6), Some(3)));
    drop(home);
    open(&disk).unwrap();
}

#[test]
fn a_journal_behind_its_mark_goes_on_from_its_end_and_the_mark_tells_the_generation() {
    for kept in 1..SIZES.len() {
        let disk = behind_its_mark(kept);
        assert_not_whole(&disk);
        let (home, _, cut) = open_or_cut(&disk).unwrap();
        let cut = cut.unwrap();
        assert_eq!((cut.generation, cut.seq), (Some(3), Seq(kept as u64 + 1)));
        assert_eq!(frames(&home).len(), kept);
        drop(home);
        assert_not_whole(&disk);
        let (home, again) = recover(&disk).unwrap();
        assert_eq!((again.generation, again.seq), (cut.generation, cut.seq));
        drop(home);
        let (home, opened) = open(&disk).unwrap();
        assert_eq!((home.generation(), opened.unmarked_frames), (3, 0));
        assert_eq!(frames(&home).len(), kept + 1);
    }
}

#[test]
fn what_is_damaged_goes_with_all_behind_it_and_is_kept_beside() {
    for at in 2..=SIZES.len() {
        let disk = flipped(at);
        let before: Vec<_> = disk.named(".seg").iter().map(|name| disk.content(name)).collect();
        let (home, cut) = recover(&disk).unwrap();
        assert_eq!(cut.seq, Seq(at as u64));
        assert_eq!(frames(&home).len(), at, "all before it, and the one that says so");
        drop(home);
        for name in disk.named(".cut") {
            assert!(before.contains(&disk.content(&name)), "{name} is as it was");
        }
        assert!(!disk.named(".cut").is_empty());
        open(&disk).unwrap();
    }
}

#[test]
fn a_crash_at_any_step_leads_to_the_same_end() {
    let mut steps = 0;
    for make in [|| behind_its_mark(5), || flipped(4), || flipped(9), || flipped_above_its_mark(6)] {
        let whole = frames(&recover(&make()).unwrap().0);
        for operations in 0.. {
            let disk = make();
            disk.power_off_after(operations);
            let outcome = recover(&disk).map(drop);
            let done = outcome.is_ok();
            for seed in 0..8 {
                let crashed = match seed {
                    0 => disk.after_kill(),
                    seed => disk.after_power_cut(&mut Chance(seed)),
                };
                finish(&crashed, &whole);
            }
            if done {
                break;
            }
            assert!(matches!(outcome, Err(JournalError::Read { .. } | JournalError::Write { .. })));
            steps += 1;
        }
    }
    println!("killed at {steps} steps");
    assert!(steps > 40, "{steps}");
}

/// Either nobody takes it for whole, and the cut comes to the same end and still knows the generation; or the loss is
/// written down.
fn finish(crashed: &Disk, whole: &[leasehold_journal::Frame]) {
    match open(&crashed.copy()) {
        Ok((home, _)) => {
            assert_eq!(home.generation(), 3);
            assert_eq!(frames(&home), whole, "the frame that says so is there");
        }
        Err(JournalError::Damaged { .. }) => {
            let (home, cut) = recover(crashed).unwrap();
            assert_eq!((cut.generation, home.generation()), (Some(3), 3));
            let kept = frames(&home);
            assert_eq!(kept[..whole.len() - 1], whole[..whole.len() - 1]);
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn where_nothing_is_left_nothing_is_changed() {
    let first_frame_gone = flipped(1);
    let without_segments = behind_its_mark(3);
    for name in without_segments.named(".seg") {
        without_segments.lose(&name);
    }
    let without_genesis = behind_its_mark(3);
    without_genesis.lose("GENESIS");
    for disk in [first_frame_gone, without_segments, without_genesis] {
        let names = disk.named("");
        assert!(matches!(open_or_cut(&disk), Err(JournalError::Damaged { .. })));
        assert_eq!(disk.named(""), names);
    }
}

#[test]
fn a_lost_mark_tells_no_generation() {
    let disk = Disk::default();
    journal_of(&disk, &SIZES).raise_generation(3).unwrap();
    let disk = disk.after_kill();
    disk.lose("MARK");
    let (home, cut) = recover(&disk).unwrap();
    assert_eq!((cut.generation, home.generation()), (None, 0));
    drop(home);
    open(&disk).unwrap();
}

#[test]
fn a_generation_only_rises_and_is_in_every_slot_after_it() {
    let disk = Disk::default();
    let mut home = journal_of(&disk, &SIZES[..2]);
    assert_eq!(home.generation(), 0);
    for (raised, named) in [(1, 1), (4, 4), (2, 4)] {
        home.raise_generation(raised).unwrap();
        let reopened = open(&disk.after_power_cut(&mut Chance(1))).unwrap().0;
        assert_eq!(reopened.generation(), named, "it was durable at once");
    }
    for _ in 0..2 {
        let draft = draft(&home, &[10]);
        home.commit(draft).unwrap();
    }
    let mark = disk.content("MARK");
    assert_eq!((mark[40], mark[4096 + 40]), (4, 4));
}

#[test]
fn a_whole_journal_is_not_cut() {
    let disk = Disk::default();
    drop(journal_of(&disk, &SIZES));
    let names = disk.named("");
    let (home, opened, cut) = open_or_cut(&disk).unwrap();
    assert_eq!((cut, opened.torn), (None, None));
    assert_eq!(frames(&home).len(), SIZES.len());
    assert_eq!(disk.named(""), names);
}
