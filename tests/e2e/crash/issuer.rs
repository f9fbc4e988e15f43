//! An issuer dies before and after every step that changes what is stored: of its `init`, of commands that it carries out
//! by itself, and of a service that carries them out.

use super::amount;
use super::points::{Steps, deaths, looks, steps};
use crate::parallel;
use crate::programs::Done;
use crate::site::{Fault, Site};
use crate::vendor::{PRODUCT, Sale, Vendor};

/// Small, so that a few commands fill several.
const SEGMENT_BYTES: u32 = 4 * 1024;
const AT_ONCE: usize = 2;
/// A repetition with this key is the same change.
const KEY: &str = "00112233445566778899aabbccddeeff";
/// So many changes come before one that dies, so that every one meets a segment at another place.
const CHANGES: usize = 14;

const OF_A_COMMAND: [&str; 4] = ["send answer", "sync segment", "write MARK", "write segment"];

#[test]
fn an_init_may_die_at_any_step() {
    let empty = Vendor::without_issuer();
    let made = recorded(&empty, |vendor| drop(vendor.init(&[]).done()));
    let plans = deaths(&made, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut vendor = empty.copy();
        vendor.set_fault(Some(Fault::Plan(plans[at].clone())));
        assert_eq!(vendor.init(&[]).exit, -1, "{}", plans[at]);
        vendor.set_fault(None);
        let again = vendor.init(&[]);
        let done = again.exit == 0 || (again.exit, again.code().as_str()) == (73, "ALREADY_EXISTS");
        assert!(done, "{}: {again:?}", plans[at]);
        vendor.json(&["account", "create", "--name", "Acme"]);
        check_whole(&vendor);
    });
    println!("init of an issuer: {} deaths at {} steps", plans.len(), changing(&made));
}

#[test]
fn a_command_may_die_at_any_step_and_be_repeated() {
    let vendor = Vendor::small(SEGMENT_BYTES);
    let change = ["account", "create", "--name", "Twice", "--idempotency-key", KEY];
    let mut deaths_seen = 0;
    // The steps of a change that begins a segment differ from those of others.
    let mut all = Steps::new();
    for _ in 0..CHANGES {
        vendor.json(&["account", "create", "--name", "Once"]);
        let steps = recorded(&vendor, |vendor| drop(vendor.run(&change).done()));
        if steps.keys().all(|step| all.contains_key(step)) {
            continue;
        }
        let plans = deaths(&steps, amount(1, 4));
        all.extend(steps);
        deaths_seen += plans.len();
        parallel::for_each(plans.len(), AT_ONCE, |at| check_repeated(&vendor, &plans[at], &change));
    }
    for step in OF_A_COMMAND.iter().chain(&["create NEXT", "sync NEXT", "rename segment", "sync MARK"]) {
        assert!(all.contains_key(*step), "no change came by {step:?}: {all:?}");
    }
    println!("commands of an issuer: {deaths_seen} deaths at {} steps", changing(&all));
}

/// The same change dies, is repeated, and was made once.
fn check_repeated(vendor: &Vendor, plan: &str, change: &[&str]) {
    let mut vendor = vendor.copy();
    let before = accounts(&vendor);
    vendor.set_fault(Some(Fault::Plan(plan.to_owned())));
    assert_eq!(vendor.run(change).exit, -1, "{plan}");
    vendor.set_fault(None);
    let between = accounts(&vendor);
    let made = vendor.json(change)["account_id"].clone();
    assert_eq!(vendor.json(change)["account_id"], made, "{plan}");
    assert!((before..=before + 1).contains(&between), "{plan}");
    assert_eq!(accounts(&vendor), before + 1, "{plan}");
    check_whole(&vendor);
}

/// The record first, then the file: whoever has a bundle finds its record, and the same request gets the same bytes.
#[test]
fn a_bundle_may_die_at_any_step_of_its_making() {
    let vendor = Vendor::new();
    let pool = vendor.sell(&Sale::of(PRODUCT, 3));
    let (node, join) = vendor.register("plant");
    vendor.allocate(&pool, &node, 3, &[]);
    let site = Site::new(&vendor.trust_root(), "plant");
    let request = site.text("request.lh");
    site.json(&["request", "--join", &join, "--out", &request]);
    let create = |vendor: &Vendor| {
        let out = vendor.path("bundle.lh").display().to_string();
        vendor.run(&["bundle", "create", "--request", &request, "--out", &out])
    };
    let made = recorded(&vendor, |vendor| drop(create(vendor).done()));
    assert!(made.contains_key("rename bundle.lh"), "{made:?}");
    let plans = deaths(&made, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut vendor = vendor.copy();
        vendor.set_fault(Some(Fault::Plan(plans[at].clone())));
        assert_eq!(create(&vendor).exit, -1, "{}", plans[at]);
        vendor.set_fault(None);
        let early = std::fs::read(vendor.path("bundle.lh")).ok();
        create(&vendor).done();
        let late = std::fs::read(vendor.path("bundle.lh")).unwrap();
        assert!(
            early.is_none_or(|early| early == late),
            "{}: another bundle for the same request",
            plans[at]
        );
        check_whole(&vendor);
        let site = site.copy();
        std::fs::write(site.path("bundle.lh"), late).unwrap();
        assert_eq!(site.import("bundle.lh").done()["result"], "applied", "{}", plans[at]);
    });
    println!("bundles: {} deaths at {} steps", plans.len(), changing(&made));
}

#[test]
fn a_service_may_die_at_any_step() {
    let image = Vendor::small(SEGMENT_BYTES);
    let recorded = recorded(&image, |vendor| drop(serve(vendor)));
    let plans = deaths(&recorded, amount(1, 4));
    parallel::for_each(plans.len(), AT_ONCE, |at| {
        let mut vendor = image.copy();
        vendor.set_fault(Some(Fault::Plan(plans[at].clone())));
        let acknowledged = match serve(&vendor) {
            Ok((exit, acknowledged)) => {
                assert_eq!(exit, KILLED, "{}", plans[at]);
                acknowledged
            }
            Err(done) => {
                assert_eq!(done.exit, KILLED, "{}: {done:?}", plans[at]);
                0
            }
        };
        vendor.set_fault(None);
        let there = accounts(&vendor) - 1;
        assert!((acknowledged..=acknowledged + 1).contains(&there), "{}: {acknowledged}, {there}", plans[at]);
        let daemon = vendor.try_serve().unwrap_or_else(|done| panic!("{}: {done:?}", plans[at]));
        vendor.json(&["account", "create", "--name", "afterwards"]);
        daemon.ask_to_end();
        assert_eq!(daemon.end(), 0);
        check_whole(&vendor);
    });
    println!("a service of an issuer: {} deaths at {} steps", plans.len(), changing(&recorded));
}

const KILLED: i32 = -9;

/// A service makes accounts until it dies, or is asked to end: how it ended, and how many it acknowledged.
fn serve(vendor: &Vendor) -> Result<(i32, usize), Done> {
    let daemon = vendor.try_serve()?;
    let mut acknowledged = 0;
    while acknowledged < CHANGES && vendor.ask_daemon(&["account", "create", "--name", "Served"]).exit == 0 {
        acknowledged += 1;
    }
    daemon.ask_to_end();
    Ok((daemon.end(), acknowledged))
}

fn accounts(vendor: &Vendor) -> usize {
    vendor.json(&["account", "list"])["accounts"].as_array().unwrap().len()
}

#[track_caller]
fn check_whole(vendor: &Vendor) {
    assert_eq!(vendor.json(&["audit", "verify"])["valid"], true);
}

/// What steps a copy of `vendor` takes in the test build.
fn recorded(vendor: &Vendor, act: impl FnOnce(&Vendor)) -> Steps {
    let mut vendor = vendor.copy();
    let log = vendor.path("steps");
    vendor.set_fault(Some(Fault::Log(log.clone())));
    act(&vendor);
    steps(&log)
}

fn changing(steps: &Steps) -> usize {
    steps.keys().filter(|step| !looks(step)).count()
}
