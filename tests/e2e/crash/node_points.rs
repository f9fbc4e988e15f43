//! A node dies before and after every step that changes what is stored, and is refused each of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use leasehold_journal::file::{Extent, verify};
use serde_json::Value;

use super::amount;
use super::odd::recovers;
use super::points::{Steps, deaths, looks, steps};
use super::work::{self, Knowledge, SEATS, check_after, stop};
use crate::parallel;
use crate::programs::Done;
use crate::site::{Fault, Site};
use crate::vendor::{PRODUCT, Vendor};

/// Small, so that a run fills several.
const SEGMENT_BYTES: u32 = 12 * 1024;
const KILLED: i32 = -9;
const AT_ONCE: usize = 2;

/// Steps that a run has to go through, or the campaign shows less than it says.
const OF_A_RUN: [&str; 17] = [
    "create NEXT",
    "create SNAPSHOT",
    "remove NEXT",
    "remove SNAPSHOT",
    "remove snapshot",
    "rename segment",
    "rename snapshot",
    "send answer",
    "sync MARK",
    "sync NEXT",
    "sync SNAPSHOT",
    "sync directory",
    "sync segment",
    "write MARK",
    "write NEXT",
    "write SNAPSHOT",
    "write segment",
];
/// And `init`.
const OF_INIT: [&str; 12] = [
    "create GENESIS",
    "create MARK",
    "rename directory",
    "rename sign.pem",
    "rename tls.pem",
    "sync GENESIS",
    "sync parent",
    "sync sign.pem",
    "sync tls.pem",
    "write GENESIS",
    "write sign.pem",
    "write tls.pem",
];

#[test]
fn a_node_may_die_at_any_step_of_its_life() {
    let image = image();
    let (recorded, _) = recorded(&image, live);
    check_covers(&recorded, &OF_A_RUN);
    let plans = deaths(&recorded, amount(1, 12));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut site = image.copy();
        site.set_fault(Some(Fault::Plan(plans[at].clone())));
        let (exit, knowledge) = live(&site);
        assert_eq!(exit, KILLED, "{}", plans[at]);
        site.set_fault(None);
        check_after(&site, &knowledge);
    });
    println!("a node at work: {} deaths at {} steps", plans.len(), changing(&recorded));
}

/// Its predecessor left a torn write, unmarked frames and half a snapshot behind.
#[test]
fn a_node_may_die_while_it_tidies_up() {
    let image = image();
    let (_, knowledge) = live(&{
        let mut first = image.copy();
        first.set_fault(Some(Fault::Plan("kill-before:5:write MARK".to_owned())));
        first
    });
    drop(knowledge);
    let mut left = image.copy();
    left.set_fault(Some(Fault::Plan("kill-before:8:write MARK".to_owned())));
    let (exit, knowledge) = live(&left);
    assert_eq!(exit, KILLED);
    left.set_fault(None);
    tear(&left);
    fs::write(left.data("journal/SNAPSHOT"), [7; 100]).unwrap();
    let (recorded, ()) = recorded(&left, |site| {
        if let Ok(daemon) = site.try_run() {
            daemon.kill();
        }
    });
    check_covers(&recorded, &["write segment", "sync segment", "write MARK", "sync MARK", "remove SNAPSHOT"]);
    let plans = deaths(&recorded, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut site = left.copy();
        site.set_fault(Some(Fault::Plan(plans[at].clone())));
        match site.try_run() {
            Ok(daemon) => {
                daemon.ask_to_end();
                assert_eq!(daemon.end(), KILLED, "{}", plans[at]);
            }
            Err(done) => assert_eq!(done.exit, KILLED, "{}: {done:?}", plans[at]),
        }
        site.set_fault(None);
        check_after(&site, &knowledge);
    });
    println!("a node that starts: {} deaths at {} steps", plans.len(), changing(&recorded));
}

#[test]
fn init_and_import_may_die_at_any_step() {
    let vendor = Vendor::new();
    let empty = Site::without_node(&vendor.trust_root(), &[]);
    let (made, ()) = recorded(&empty, |site| drop(site.init("plant").done()));
    check_covers(&made, &OF_INIT);
    let plans = deaths(&made, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut site = empty.copy();
        site.set_fault(Some(Fault::Plan(plans[at].clone())));
        assert_eq!(site.init("plant").exit, -1, "{}", plans[at]);
        site.set_fault(None);
        let again = site.init("plant");
        let done = again.exit == 0 || (again.exit, again.code().as_str()) == (73, "ALREADY_EXISTS");
        assert!(done, "{}: {again:?}", plans[at]);
        assert_eq!(site.seq(), 1, "{}", plans[at]);
    });
    println!("init: {} deaths at {} steps", plans.len(), changing(&made));

    let site = vendor.small_site("plant", SEATS, SEGMENT_BYTES);
    site.request(&vendor, None, "next.lh");
    let (imported, ()) = recorded(&site, |site| drop(site.import("next.lh").done()));
    let plans = deaths(&imported, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut site = site.copy();
        let before = site.json(&["pools"]);
        site.set_fault(Some(Fault::Plan(plans[at].clone())));
        assert_eq!(site.import("next.lh").exit, -1, "{}", plans[at]);
        site.set_fault(None);
        assert_eq!(site.json(&["pools"]), before, "{}: half a bundle is applied", plans[at]);
        let result = site.import("next.lh").done()["result"].clone();
        assert!(result == "applied" || result == "already_applied", "{}: {result}", plans[at]);
    });
    println!("import: {} deaths at {} steps", plans.len(), changing(&imported));
}

/// Every step is refused, from some hit on, by a disk that is full or broken.
#[test]
fn a_node_may_be_refused_any_step() {
    let image = image();
    let (recorded, _) = recorded(&image, live);
    let mut plans = Vec::new();
    for (step, hits) in &recorded {
        for hit in [1, (hits / 4).max(1)] {
            plans.extend(["EIO", "ENOSPC"].map(|errno| format!("{errno}:{hit}:{step}")));
        }
    }
    plans.sort();
    plans.dedup();
    let outcomes = Mutex::new(BTreeMap::<String, usize>::new());
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut site = image.copy();
        site.set_fault(Some(Fault::Plan(plans[at].clone())));
        let (outcome, knowledge) = refused(&site, &plans[at]);
        *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
        site.set_fault(None);
        check_after(&site, &knowledge);
    });
    let outcomes = outcomes.into_inner().unwrap();
    println!("a node that is refused a step, {} times: {outcomes:?}", plans.len());
    let stopped = |outcome: &String| outcome.starts_with("served") || outcome.contains(" 70 STORE_");
    assert!(outcomes.keys().all(stopped), "{outcomes:?}");
}

/// A disk that says it has written, and has not.
#[test]
fn a_node_whose_disk_lies_is_whole_or_knows_it() {
    let image = image();
    for (plan, refused) in [
        ("lose:5:write segment", true),
        ("lose:5:write MARK", false),
        ("lose:1:sync ", false), // a killed process leaves the cache of the system
    ] {
        let mut site = image.copy();
        site.set_fault(Some(Fault::Plan(plan.to_owned())));
        let daemon = site.try_run().unwrap();
        let knowledge = work::work(&site);
        daemon.kill();
        site.set_fault(None);
        if !refused {
            check_after(&site, &knowledge);
            continue;
        }
        match site.try_run() {
            Ok(daemon) => {
                assert!(recovers(&site), "{plan}: it serves with less than was acknowledged");
                stop(daemon);
            }
            Err(done) => assert_eq!(check_told(&done, plan), "JOURNAL_DAMAGED", "{plan}"),
        }
    }
}

/// A node that has served and ended a few times.
fn image() -> Site {
    let site = Vendor::new().small_site("plant", SEATS, SEGMENT_BYTES);
    for _ in 0..3 {
        let daemon = site.try_run().unwrap();
        let lease = site.app(&["checkout", "--product", PRODUCT]).done()["lease_id"].clone();
        site.app(&["release", lease.as_str().unwrap()]).done();
        stop(daemon);
    }
    site
}

/// A whole life: it starts, serves, and is asked to end. How it ended, and what the applications know.
fn live(site: &Site) -> (i32, Knowledge) {
    match site.try_run() {
        Err(done) => (done.exit, Knowledge::new()),
        Ok(daemon) => {
            let knowledge = work::work(site);
            daemon.ask_to_end();
            (daemon.end(), knowledge)
        }
    }
}

/// The same with a disk that refuses: how it ended in words.
fn refused(site: &Site, plan: &str) -> (String, Knowledge) {
    let daemon = match site.try_run() {
        Err(done) => {
            return (format!("no start, {} {}", done.exit, check_told(&done, plan)), Knowledge::new());
        }
        Ok(daemon) => daemon,
    };
    let knowledge = work::work(site);
    daemon.ask_to_end();
    let exit = daemon.end();
    assert!([0, 70].contains(&exit), "{plan}: exit {exit}");
    (format!("served, exit {exit}"), knowledge)
}

/// A failure has a stable code, and says what to do: in its document, or in the log of a daemon.
#[track_caller]
pub(crate) fn check_told(done: &Done, what: &str) -> String {
    assert!(done.exit > 0 && done.exit < 128 && done.exit != 101, "{what}: {done:?}");
    let documents = done.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = documents.into_iter().find_map(|document| {
        let text = |field: &str| document[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        text("hint").and(text("code"))
    });
    told.unwrap_or_else(|| panic!("{what}: {done:?}"))
}

/// What steps a copy of `site` takes in the test build.
fn recorded<T>(site: &Site, act: impl FnOnce(&Site) -> T) -> (Steps, T) {
    let mut site = site.copy();
    let log = site.path("steps");
    site.set_fault(Some(Fault::Log(log.clone())));
    let outcome = act(&site);
    (steps(&log), outcome)
}

#[track_caller]
fn check_covers(steps: &Steps, expected: &[&str]) {
    for step in expected {
        assert!(steps.contains_key(*step), "nothing came by {step:?}: {steps:?}");
    }
}

fn changing(steps: &Steps) -> usize {
    steps.keys().filter(|step| !looks(step)).count()
}

/// An interrupted write behind the last frame: its header never arrived.
fn tear(site: &Site) {
    let journal = site.data("journal");
    let segment = last_segment(&journal);
    let mut content = fs::read(&segment).unwrap();
    let end = content.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    content[end + 1024..end + 1100].fill(7);
    fs::write(&segment, content).unwrap();
    assert!(verify(&journal, Extent::Everything).unwrap().torn.is_some());
}

/// The segment that was written to last.
pub(crate) fn last_segment(journal: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).max().unwrap()
}
