//! Files that were changed, cut, lost, exchanged or taken from a copy behind everybody's back: a node is whole, begins
//! RECOVER or refuses, and says which. At or below the MARK nothing is ever missed in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use leasehold_crash::Chance;
use leasehold_journal::file::{Extent, verify};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo};
use serde_json::Value;

use super::amount;
use super::node_points::{check_told, last_segment};
use super::work::stop;
use crate::parallel;
use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const SEGMENT_BYTES: u32 = 12 * 1024;
const SEATS: u32 = 40;
const AT_ONCE: usize = 2;
/// Nobody that a machine knows.
const STRANGER: u32 = 60_001;

/// How often something came of something.
#[derive(Default)]
struct Table(Mutex<BTreeMap<(&'static str, String), usize>>);

impl Table {
    fn count(&self, change: &'static str, outcome: &str) {
        *self.0.lock().unwrap().entry((change, outcome.to_owned())).or_default() += 1;
    }

    fn print(&self) {
        for ((change, outcome), count) in &*self.0.lock().unwrap() {
            println!("{change:>24}: {count:>5} × {outcome}");
        }
    }
}

/// Every record of these is at or below the MARK.
#[test]
fn no_change_at_or_below_the_mark_is_silent() {
    let Images { old, image, other } = images();
    let known = image.leases();
    let table = Table::default();
    let files = files(&image);
    let mutations = amount(4, 40);
    let cases: Vec<(&PathBuf, usize)> =
        files.iter().flat_map(|file| (0..mutations).map(move |number| (file, number))).collect();
    parallel::for_each(cases.len(), AT_ONCE, |at| {
        let (file, number) = cases[at];
        let mut chance = Chance(at as u64);
        let bytes = fs::read(image.data("").join(file)).unwrap();
        let mut flipped = bytes.clone();
        if !bytes.is_empty() {
            // Half of them where something is written.
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(bytes.len(), |last| last + 1);
            let within = if number % 2 == 0 { end } else { bytes.len() };
            flipped[chance.below(within)] ^= 1 << chance.below(8);
        }
        let cut = &bytes[..chance.below(bytes.len().max(1))];
        for (change, content) in [("a flipped bit", &flipped[..]), ("a file cut short", cut)] {
            let site = image.copy();
            fs::write(site.data("").join(file), content).unwrap();
            table.count(change, &judged(&site, &known, &format!("{change}: {}", file.display())));
        }
    });
    for file in &files {
        let from = |source: &Site| source.data("").join(file);
        for (change, source) in [("an older copy of a file", &old), ("a file of another node", &other)] {
            let site = image.copy();
            if from(source).exists() {
                fs::copy(from(source), site.data("").join(file)).unwrap();
                table.count(change, &judged(&site, &known, &format!("{change}: {}", file.display())));
            }
        }
        let site = image.copy();
        fs::remove_file(site.data("").join(file)).unwrap();
        table
            .count("a file that is missing", &judged(&site, &known, &format!("missing: {}", file.display())));
    }
    for (one, two) in pairs(&files) {
        let site = image.copy();
        let (one, two) = (site.data("").join(one), site.data("").join(two));
        let first = fs::read(&one).unwrap();
        fs::copy(&two, &one).unwrap();
        fs::write(&two, first).unwrap();
        table.count(
            "two files exchanged",
            &judged(&site, &known, &format!("{} and {}", one.display(), two.display())),
        );
    }
    table.print();
}

/// What was written after the MARK was last durable can be lost at the border of a frame, and no store can tell.
#[test]
fn what_is_above_the_mark_is_counted_apart() {
    let site = Vendor::new().small_site("plant", SEATS, SEGMENT_BYTES);
    let daemon = site.try_run().unwrap();
    checkouts(&site, 3);
    let mark = fs::read(site.data("journal/MARK")).unwrap();
    checkouts(&site, 3);
    daemon.kill();
    fs::write(site.data("journal/MARK"), mark).unwrap();
    let known = site.leases();
    assert_eq!(known.len(), 3, "a look ends at the MARK");
    let whole = fs::read(last_segment(&site.data("journal"))).unwrap();
    let frames = verify(&site.data("journal"), Extent::Everything).unwrap().unmarked_frames;
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let table = Table::default();
    let cuts = amount(60, 600);
    parallel::for_each(cuts, AT_ONCE, |at| {
        let lost = site.copy();
        let mut content = whole.clone();
        content[end - 1 - at * (end - 1) / cuts..].fill(0);
        fs::write(last_segment(&lost.data("journal")), content).unwrap();
        let outcome = match lost.try_run() {
            Ok(daemon) => {
                let (leases, recovers) = (lost.leases(), recovers(&lost));
                assert!(
                    recovers || ids(&leases).is_superset(&ids(&known)),
                    "lost at or below the MARK: cut {at}"
                );
                stop(daemon);
                if recovers {
                    "RECOVER, and grants nothing".to_owned()
                } else {
                    format!("starts with {} of 3 leases above the MARK", leases.len() - known.len())
                }
            }
            Err(done) => format!("refused, {}", check_told(&done, "cut")),
        };
        table.count("cut above the MARK", &outcome);
    });
    println!("{frames} frames above the MARK");
    table.print();
}

#[test]
fn what_stands_in_the_place_of_a_file_is_neither_waited_for_nor_followed() {
    let Images { image, .. } = images();
    let (known, table) = (image.leases(), Table::default());
    for file in files(&image) {
        for kind in ["a pipe", "a directory", "a link"] {
            let site = image.copy();
            let path = site.data("").join(&file);
            fs::rename(&path, site.path("elsewhere")).unwrap();
            match kind {
                "a pipe" => mkfifo(&path, Mode::S_IRWXU).unwrap(),
                "a directory" => fs::create_dir(&path).unwrap(),
                _ => symlink(site.path("elsewhere"), &path).unwrap(),
            }
            table.count(kind, &judged(&site, &known, &format!("{kind}: {}", file.display())));
        }
    }
    table.print();
}

#[test]
fn a_store_belongs_to_one_process_of_one_user() {
    let Images { image, .. } = images();
    let daemon = image.try_run().unwrap();
    let second = image.try_run().map(drop).expect_err("two nodes on one store");
    assert_eq!((second.exit, check_told(&second, "two").as_str()), (75, "BUSY"));
    // And a command that changes something goes through the first.
    image.json(&["request", "--out", &image.text("request.lh")]);
    stop(daemon);

    let closed = image.copy();
    let mut strange = closed.as_somebody_else();
    for verb in ["run", "status", "leases"] {
        let done = Done::soon(strange(verb).arg("--json"));
        let code = check_told(&done, verb);
        assert!(["STORE_UNREADABLE", "STORE_FAILED"].contains(&code.as_str()), "{verb}: {done:?}");
    }
}

impl Site {
    /// Commands of a user who may not read the node's files.
    fn as_somebody_else(&self) -> impl FnMut(&str) -> std::process::Command {
        let journal = self.data("journal");
        if Uid::effective().is_root() {
            // Up to there everybody may go.
            for place in [self.path(""), self.data("")] {
                fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
            }
            fs::set_permissions(self.path("node.toml"), fs::Permissions::from_mode(0o644)).unwrap();
            chown(&journal, Some(STRANGER + 1), Some(STRANGER + 1)).unwrap();
        } else {
            fs::set_permissions(&journal, fs::Permissions::from_mode(0o000)).unwrap();
        }
        |verb| self.node_command_as(Uid::effective().is_root().then_some(STRANGER), &[verb])
    }
}

struct Images {
    /// As it was before.
    old: Site,
    image: Site,
    /// Another node of the same vendor that lived alike.
    other: Site,
}

/// Nodes with several segments and snapshots that ended in good order.
fn images() -> Images {
    let vendor = Vendor::new();
    let image = vendor.small_site("plant", SEATS, SEGMENT_BYTES);
    let other = vendor.small_site("other", SEATS, SEGMENT_BYTES);
    let mut old = None;
    for round in 0..4 {
        for site in [&image, &other] {
            let daemon = site.try_run().unwrap();
            checkouts(site, 10);
            stop(daemon);
        }
        if round == 2 {
            old = Some(image.copy());
        }
    }
    let segments = files(&image).iter().filter(|file| is_named(file, "seg")).count();
    assert!(segments >= 2, "{segments} segments");
    Images { old: old.unwrap(), image, other }
}

fn checkouts(site: &Site, leases: usize) {
    for _ in 0..leases {
        site.app(&["checkout", "--product", PRODUCT]).done();
    }
}

/// What a node that was changed says: it has all leases, or refuses with a reason.
#[track_caller]
fn judged(site: &Site, known: &[Value], what: &str) -> String {
    let daemon = match site.try_run() {
        Err(done) => return format!("refused, {} {}", done.exit, check_told(&done, what)),
        Ok(daemon) => daemon,
    };
    let outcome = if recovers(site) {
        "RECOVER, and grants nothing"
    } else {
        assert_eq!(ids(&site.leases()), ids(known), "{what}: silent");
        "whole"
    };
    stop(daemon);
    outcome.to_owned()
}

/// Whether the node knows that it may have forgotten something: it then gives no seat to anybody new.
pub(crate) fn recovers(site: &Site) -> bool {
    let recovers = site.json(&["status"])["trust_state"] == "RECOVER";
    if recovers {
        let answer = site.app(&["checkout", "--product", PRODUCT]);
        assert_eq!(answer.code(), "RECOVERING", "{answer:?}");
    }
    recovers
}

fn ids(leases: &[Value]) -> BTreeSet<String> {
    leases.iter().map(|lease| format!("{} {} {}", lease["lease_id"], lease["epoch"], lease["slot"])).collect()
}

/// All files of a node's directory but those of a process that runs.
fn files(site: &Site) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for place in ["journal", "keys"] {
        for entry in fs::read_dir(site.data(place)).unwrap() {
            files.push(Path::new(place).join(entry.unwrap().file_name()));
        }
    }
    files.sort();
    files
}

/// Files of the same kind.
fn pairs(files: &[PathBuf]) -> Vec<(&PathBuf, &PathBuf)> {
    let kinds = ["seg", "snap", "pem"];
    let of_kind = |kind| files.iter().filter(move |file| is_named(file, kind));
    let pairs = |kind| of_kind(kind).zip(of_kind(kind).skip(1));
    kinds.into_iter().flat_map(pairs).collect()
}

fn is_named(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}
