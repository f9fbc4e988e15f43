//! Backups of real journals: taken beside a writer, verified wholly, put in place.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use leasehold_archive::{State, Unpacked, back_up, check};
use leasehold_journal::file::{Extent, verify};
use leasehold_journal::{Draft, FileHome, Genesis, Home as _};
use leasehold_protocol::code::Code;
use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};

const FILES: &[&str] = &["keys/sign.pem", "keys/tls.pem", "api-keys.json"];
const SEGMENT_BYTES: u32 = 4096;

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    /// A node's state with some records in several segments, still open.
    fn new(records: u8) -> (Self, FileHome) {
        let rig = Self { dir: tempfile::tempdir().unwrap() };
        let data = rig.data();
        fs::create_dir_all(data.join("keys")).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(data.join("keys/sign.pem"), b"sign").unwrap();
        fs::write(data.join("keys/tls.pem"), b"tls").unwrap();
        let home = journal(&data, 1, records);
        (rig, home)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("backup.tar")
    }
}

fn state(dir: &Path) -> State<'_> {
    State { kind: "node", dir, files: FILES }
}

fn journal(data: &Path, random: u8, records: u8) -> FileHome {
    let genesis = Genesis::new("node", [7; 16], [random; 16]).unwrap();
    let genesis = genesis.with_segment_bytes(SEGMENT_BYTES).unwrap();
    let mut home = FileHome::create(&data.join("journal"), &genesis).unwrap();
    (0..records).for_each(|byte| append(&mut home, byte));
    home
}

fn append(home: &mut FileHome, byte: u8) {
    let stamp = Stamp {
        svc: SvcMs(0),
        floor: UnixMs::MIN,
        hi: UnixMs::MAX,
        wall: UnixMs(0),
        boottime_ms: 0,
        slew_ms: 0,
        boot_id: BootId([3; 16]),
        suspect: false,
        kernel_synced: false,
    };
    home.commit(Draft::of_records(stamp, vec![vec![byte.max(1); 300]])).unwrap();
}

fn segments(data: &Path) -> usize {
    let names = fs::read_dir(data.join("journal")).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "seg")).count()
}

#[test]
fn a_backup_beside_a_writer_is_what_was_durable_then() {
    let (rig, mut home) = Rig::new(40);
    assert!(segments(&rig.data()) > 2);
    let contents = back_up(&state(&rig.data()), &rig.file()).unwrap();
    assert_eq!(contents.seq, 40);
    assert_eq!(fs::metadata(rig.file()).unwrap().permissions().mode() & 0o777, 0o600);
    append(&mut home, 41);
    home.close().unwrap();
    assert_eq!(check(&rig.file(), &state(&rig.data())).unwrap(), contents);

    // Into the state itself, which is moved aside whole.
    let data = rig.data();
    let unpacked = Unpacked::read(&rig.file(), state(&data)).unwrap();
    assert_eq!(unpacked.contents(), &contents);
    let aside = unpacked.put_in_place().unwrap().unwrap();
    assert_eq!(verify(&data.join("journal"), Extent::Everything).unwrap().tail.next_seq.0, 41);
    assert_eq!(verify(&aside.join("journal"), Extent::Everything).unwrap().tail.next_seq.0, 42);
    assert_eq!(fs::read(data.join("keys/sign.pem")).unwrap(), b"sign");
    assert!(!data.join("api-keys.json").exists() && !data.join("restore.unpacked").exists());
    // It goes on.
    let (mut home, opened) = FileHome::open(&data.join("journal")).unwrap();
    assert_eq!((opened.torn, opened.unmarked_frames), (None, 0));
    append(&mut home, 41);
}

#[test]
fn a_backup_fills_an_empty_directory() {
    let (rig, home) = Rig::new(3);
    let contents = back_up(&state(&rig.data()), &rig.file()).unwrap();
    drop(home);
    let elsewhere = rig.dir.path().join("new/host");
    let unpacked = Unpacked::read(&rig.file(), state(&elsewhere)).unwrap();
    assert_eq!(unpacked.put_in_place().unwrap(), None);
    let verified = verify(&elsewhere.join("journal"), Extent::Everything).unwrap();
    assert_eq!((verified.tail.next_seq.previous().0, verified.tail.chain.0), (contents.seq, contents.head.0));
    // A backup of it is the same, byte for byte.
    let again = rig.dir.path().join("again.tar");
    back_up(&state(&elsewhere), &again).unwrap();
    assert!(fs::read(again).unwrap() == fs::read(rig.file()).unwrap());
}

#[test]
fn a_state_in_use_and_another_one_are_left_alone() {
    let (rig, home) = Rig::new(3);
    back_up(&state(&rig.data()), &rig.file()).unwrap();
    let data = rig.data();
    assert_eq!(Unpacked::read(&rig.file(), state(&data)).unwrap_err().code(), Code::Busy);
    drop(home);
    let elsewhere = rig.dir.path().join("other");
    fs::create_dir(&elsewhere).unwrap();
    drop(journal(&elsewhere, 2, 1));
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(Unpacked::read(&rig.file(), state(&elsewhere)).unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(verify(&elsewhere.join("journal"), Extent::Everything).unwrap().frames, 1);
    assert!(!elsewhere.join("restore.unpacked").exists());
    let issuer = State { kind: "issuer", ..state(&data) };
    assert_eq!(check(&rig.file(), &issuer).unwrap_err().code(), Code::Malformed);
    // A file that is there is not written over.
    assert_eq!(back_up(&state(&data), &rig.file()).unwrap_err().code(), Code::AlreadyExists);
}

/// A bit of the content, a bit of its list, or a part of the file: nothing is taken that is not as it was made.
#[test]
fn a_changed_or_cut_backup_is_refused_and_changes_nothing() {
    let (rig, home) = Rig::new(12);
    back_up(&state(&rig.data()), &rig.file()).unwrap();
    home.close().unwrap();
    let (data, whole) = (rig.data(), fs::read(rig.file()).unwrap());
    let before = verify(&data.join("journal"), Extent::Everything).unwrap();
    let (mut refused, mut equal) = (0, 0);
    for at in (0..whole.len()).step_by(389) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(rig.file(), &flipped).unwrap();
        match check(&rig.file(), &state(&data)) {
            Err(failure) => {
                assert!(
                    [Code::Malformed, Code::JournalUnverified, Code::UnsupportedVersion]
                        .contains(&failure.code())
                );
                refused += 1;
            }
            // Padding between entries means nothing.
            Ok(contents) => {
                assert_eq!(contents.seq, 12);
                equal += 1;
            }
        }
    }
    assert!(refused > equal, "{refused} refused, {equal} equal");
    for cut in (0..whole.len() - 1024).step_by(2003) {
        fs::write(rig.file(), &whole[..cut]).unwrap();
        assert!(Unpacked::read(&rig.file(), state(&data)).is_err(), "{cut}");
    }
    assert_eq!(verify(&data.join("journal"), Extent::Everything).unwrap(), before);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 2);
}
