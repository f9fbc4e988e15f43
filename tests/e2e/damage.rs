//! A damaged journal is refused, with a way out, and never taken for a shorter one.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const LEASES: usize = 5;

#[test]
fn a_truncated_or_changed_journal_is_refused() {
    let site = site_with_leases();
    let segment = the_segment(&site);
    let sound = fs::read(&segment).unwrap();
    let mut flipped = sound.clone();
    flipped[200] ^= 0x10;
    for damage in [&sound[..100], &sound[..4096], &sound[..0], &flipped] {
        fs::write(&segment, damage).unwrap();
        check_refused(&site);
        let verdict = site.node(&["journal", "verify"]);
        assert_eq!((verdict.exit, verdict.code().as_str()), (6, "JOURNAL_UNVERIFIED"));
    }
    fs::write(&segment, &sound).unwrap();
    check_whole(&site);
}

#[test]
fn a_journal_without_one_of_its_files_is_refused() {
    let site = site_with_leases();
    let names = fs::read_dir(site.data("journal")).unwrap().map(|entry| entry.unwrap().file_name());
    // The lock holds nothing, and a snapshot nothing that the journal does not say. Without MARK there is RECOVER.
    let needed =
        |name: &OsString| name != "LOCK" && name != "MARK" && !name.to_string_lossy().ends_with(".snap");
    for name in names.filter(needed) {
        let (path, aside) = (site.data("journal").join(&name), site.path("aside"));
        fs::rename(&path, &aside).unwrap();
        check_refused(&site);
        fs::rename(&aside, &path).unwrap();
    }
    check_whole(&site);
}

#[test]
fn keys_without_their_journal_begin_no_new_one() {
    let site = site_with_leases();
    fs::remove_dir_all(site.data("journal")).unwrap();
    check_refused(&site);
    let trust = site.data("../root.lh");
    fs::copy(site.trust_root(), &trust).unwrap();
    let init = site.node(&["init", "--trust", trust.to_str().unwrap()]);
    assert_eq!((init.exit, init.code().as_str()), (73, "ALREADY_EXISTS"));
}

fn site_with_leases() -> Site {
    let site = Vendor::new().site_with("plant", 10);
    let daemon = site.run();
    for _ in 0..LEASES {
        site.app(&["checkout", "--product", PRODUCT]).done();
    }
    daemon.stop();
    site
}

fn check_refused(site: &Site) {
    for args in [&["status"][..], &["leases"], &["run"], &["request", "--out", &site.text("r.lh")]] {
        let done = site.node(args);
        assert_eq!((done.exit, done.code().as_str()), (4, "JOURNAL_DAMAGED"), "{args:?}: {done:?}");
        let hint = done.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
        assert!(hint.contains("copy") || hint.contains("backup"), "no way out: {done:?}");
    }
}

#[track_caller]
fn check_whole(site: &Site) {
    assert_eq!(site.json(&["journal", "verify"])["verified"], true);
    assert_eq!(site.leases().len(), LEASES);
}

fn the_segment(site: &Site) -> PathBuf {
    let files = fs::read_dir(site.data("journal")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).min().unwrap()
}
