//! What only a real file system shows: modes, links, locks between openers, the place in the parent.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use leasehold_journal::file::{Extent, NextSegment, ReadOnly, verify};
use leasehold_journal::{Draft, FileHome, Genesis, Home as _, JournalError};
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;

use crate::rig::{draft, genesis, stamp};

fn parent() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_journal_is_for_its_owner_alone() {
    let parent = parent();
    let path = parent.path().join("journal");
    let mut home = FileHome::create(&path, &genesis(1)).unwrap();
    for _ in 0..5 {
        let draft = draft(&home, &[1000]);
        home.commit(draft).unwrap();
    }
    home.close().unwrap();
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_is_not_there_names_init_and_what_is_there_stays() {
    let parent = parent();
    let path = parent.path().join("journal");
    let missing = FileHome::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(missing, JournalError::NotFound(_)) && missing.hint().contains("init"));
    assert_eq!(missing.code(), Code::NotInitialised);
    assert!(matches!(ReadOnly::open(&path), Err(JournalError::NotFound(_))));
    assert!(matches!(verify(&path, Extent::Everything), Err(JournalError::NotFound(_))));

    FileHome::create(&path, &genesis(1)).unwrap().close().unwrap();
    let again = FileHome::create(&path, &genesis(2)).map(|_| ()).unwrap_err();
    assert!(matches!(again, JournalError::AlreadyExists(_)));
    assert_eq!(FileHome::open(&path).unwrap().0.genesis(), &genesis(1));
    let nowhere = FileHome::create(&parent.path().join("no/journal"), &genesis(1)).map(|_| ()).unwrap_err();
    assert_eq!(nowhere.code(), Code::CannotCreate);
}

#[test]
fn what_a_crash_while_creating_left_is_made_anew() {
    let parent = parent();
    let (path, staged) = (parent.path().join("journal"), parent.path().join("journal.new"));
    FileHome::create(&path, &genesis(9)).unwrap().close().unwrap();
    fs::rename(&path, &staged).unwrap();
    fs::write(staged.join("NEXT"), b"half").unwrap();
    assert!(matches!(FileHome::open(&path), Err(JournalError::NotFound(_))));
    let home = FileHome::create(&path, &genesis(1)).unwrap();
    assert_eq!((home.genesis(), home.durable_seq()), (&genesis(1), Seq::NONE));
    drop(home);
    FileHome::open(&path).unwrap();
}

#[test]
fn no_symbolic_link_is_followed() {
    let parent = parent();
    let (path, link) = (parent.path().join("journal"), parent.path().join("link"));
    FileHome::create(&path, &genesis(1)).unwrap().close().unwrap();
    symlink(&path, &link).unwrap();
    assert!(matches!(FileHome::open(&link), Err(JournalError::Read { .. })));
    assert!(matches!(FileHome::create(&link, &genesis(1)), Err(JournalError::AlreadyExists(_))));
    let elsewhere = parent.path().join("elsewhere");
    for name in ["GENESIS", "MARK", "LOCK", "00000000000000000001.seg"] {
        let (file, moved) = (path.join(name), elsewhere.join(name));
        fs::create_dir_all(&elsewhere).unwrap();
        fs::rename(&file, &moved).unwrap();
        symlink(&moved, &file).unwrap();
        let error = FileHome::open(&path).map(|_| ()).unwrap_err();
        assert!(matches!(error, JournalError::Read { .. } | JournalError::Write { .. }), "{name}: {error}");
        fs::remove_file(&file).unwrap();
        fs::rename(&moved, &file).unwrap();
        FileHome::open(&path).unwrap();
    }
    let staged = parent.path().join("other.new");
    symlink(&elsewhere, &staged).unwrap();
    let error = FileHome::create(&parent.path().join("other"), &genesis(1)).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::CannotCreate);
}

#[test]
fn two_openers_are_one_too_many() {
    let parent = parent();
    let path = parent.path().join("journal");
    let home = FileHome::create(&path, &genesis(1)).unwrap();
    let busy = FileHome::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(busy, JournalError::Busy(_)));
    assert_eq!(busy.code(), Code::Busy);
    assert_eq!(ReadOnly::open(&path).unwrap().tail(), home.tail());
    drop(home);
    FileHome::open(&path).unwrap();
}

#[test]
fn segments_of_the_real_size_are_prepared_in_the_background() {
    let parent = parent();
    let path = parent.path().join("journal");
    let mut home = FileHome::create(&path, &Genesis::new("issuer", [1; 16], [2; 16]).unwrap()).unwrap();
    for _ in 0..2 {
        // A record that carries the largest bundle fits.
        let draft = Draft::of_records(stamp(0), vec![vec![5; 8 * 1024 * 1024 + 4096]]);
        home.commit(draft).unwrap();
    }
    assert!(matches!(home.next_segment(), NextSegment::Preparing | NextSegment::Ready));
    let tail = home.tail();
    drop(home);
    let verified = verify(&path, Extent::Everything).unwrap();
    assert_eq!((verified.frames, verified.tail, verified.torn), (2, tail, None));
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some() {
            assert_eq!(entry.metadata().unwrap().len(), 16 * 1024 * 1024);
        }
    }
}
