//! Cuts at any operation, of the power or of the process, in everything a journal does: 0 lost, 0 that do not open.

use leasehold_crash::{Chance, Disk};
use leasehold_journal::{FileHome, Frame, Home as _, JournalError};

use crate::rig::{draft, frames, genesis, open, stamp};

const SEEDS: u64 = 200;
const CUTS_PER_SEED: usize = 5;

/// What must have happened somewhere, or the test shows nothing.
#[derive(Debug, Default)]
struct Seen {
    cuts: usize,
    while_creating: usize,
    while_opening: usize,
    torn: usize,
    unmarked: usize,
    segments: usize,
    fresh_segments: usize,
}

#[test]
fn nothing_acknowledged_is_lost_at_any_cut() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        run(seed, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.cuts >= 300);
    assert!(seen.while_creating > 20 && seen.while_opening > 20, "{seen:?}");
    assert!(
        seen.torn > 20 && seen.unmarked > 20 && seen.segments > 100 && seen.fresh_segments > 2,
        "{seen:?}"
    );
}

fn run(seed: u64, seen: &mut Seen) {
    let mut chance = Chance(seed);
    let mut disk = Disk::default();
    let mut acked: Vec<Frame> = Vec::new();
    let mut existed = false;
    for _ in 0..CUTS_PER_SEED {
        disk.power_off_after(chance.below(80));
        match open_or_create(&disk, existed) {
            Ok(mut home) => {
                existed = true;
                let found = frames(&home);
                check_kept(seed, &acked, &found);
                acked = found;
                append_until_cut(&mut home, &mut acked, &mut chance);
            }
            Err(JournalError::Create { .. }) => seen.while_creating += 1,
            Err(JournalError::Read { .. } | JournalError::Write { .. }) => seen.while_opening += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
        disk = if chance.one_in(3) { disk.after_kill() } else { disk.after_power_cut(&mut chance) };
        seen.cuts += 1;
        note(&disk, seen);
    }
    disk.heal();
    let home = open_or_create(&disk, existed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    check_kept(seed, &acked, &frames(&home));
}

fn open_or_create(disk: &Disk, existed: bool) -> Result<FileHome<Disk>, JournalError> {
    if existed {
        return open(disk).map(|(home, _)| home);
    }
    match FileHome::create_in(disk.clone(), &genesis(1)) {
        Err(JournalError::AlreadyExists(_)) => open(disk).map(|(home, _)| home),
        outcome => outcome,
    }
}

/// Everything acknowledged is there, and at most the one frame that was under way.
fn check_kept(seed: u64, acked: &[Frame], found: &[Frame]) {
    assert!(found.len() >= acked.len() && found.len() <= acked.len() + 1, "seed {seed}");
    assert_eq!(found[..acked.len()], *acked, "seed {seed}");
}

fn append_until_cut(home: &mut FileHome<Disk>, acked: &mut Vec<Frame>, chance: &mut Chance) {
    loop {
        let sizes = [chance.below(1500), chance.below(1500)];
        let mut draft = draft(home, &sizes[..chance.below(3)]);
        draft.stamp = stamp(20_000 * i64::try_from(acked.len()).unwrap());
        let frame = draft.after(home.tail());
        if home.append(&frame).is_err() {
            return;
        }
        acked.push(frame);
    }
}

/// Opens a copy of the disk to see what the cut left.
fn note(disk: &Disk, seen: &mut Seen) {
    let disk = disk.copy();
    let Ok((home, opened)) = open(&disk) else { return };
    let segments = disk.named(".seg");
    let last = disk.content(segments.last().unwrap());
    seen.torn += usize::from(opened.torn.is_some());
    seen.unmarked += usize::from(opened.unmarked_frames > 0);
    seen.segments += segments.len();
    seen.fresh_segments += usize::from(segments.len() > 1 && last.iter().all(|&byte| byte == 0));
    drop(home);
}
