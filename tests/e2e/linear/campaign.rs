//! Real applications, a real node, and its deaths: each history is recorded and checked.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use leasehold_clock::Stopwatch;
use leasehold_crash::Chance;
use serde_json::{Value, json};

use super::check::is_linearizable;
use super::history::{Asked, History, Key, Moment, Operation, Seat, Told};
use crate::api::{self, Answer};
use crate::crash::amount;
use crate::parallel;
use crate::site::{Fault, Site};
use crate::vendor::{PRODUCT, Sale, Vendor};

const HISTORIES: usize = 100;
const NIGHTLY_HISTORIES: usize = 2000;
const SITES: usize = 2;
const PRODUCTS: [&str; 2] = [PRODUCT, "cam"];
/// Fewer than the keys, so that pools are full now and then.
const SEATS: usize = 3;
/// So many leases are asked for in a pool, by everybody.
const KEYS: usize = 5;
const APPLICATIONS: usize = 4;
/// Operations of an application before the node dies at the latest, and of its next life.
const OPERATIONS: [usize; 2] = [10, 6];
/// An application goes away once in so many times without waiting for its answer.
const GOES_AWAY: usize = 10;

#[test]
fn histories_of_a_node_that_is_killed_are_linearizable() {
    let histories = amount(HISTORIES, NIGHTLY_HISTORIES);
    let watch = Stopwatch::start();
    let totals = parallel::for_each(SITES, SITES, |number| {
        let mut site = site();
        let mut totals = Totals::default();
        for round in (number..histories.div_ceil(PRODUCTS.len())).step_by(SITES) {
            for history in run(&mut site, round, None) {
                assert!(is_linearizable(&history), "round {round}: {history:#?}");
                totals.add(&history);
                totals.tampered(&history);
            }
        }
        totals
    });
    let totals = totals.into_iter().fold(Totals::default(), Totals::plus);
    println!("{totals:?} in {:.1} s", watch.elapsed().as_secs_f64());
    assert!(totals.histories >= histories);
    assert!(totals.with_unknown * 10 >= totals.histories, "too little is unknown: {totals:?}");
    assert!(totals.full > 0 && totals.ended > 0, "vacuous: {totals:?}");
    assert!(totals.lies_refused * 2 > totals.lies, "the check believes too much: {totals:?}");
}

/// A node that answers before anything is durable: after its death others get what was promised.
#[test]
fn a_node_that_answers_early_is_found_out() {
    let mut site = site();
    let early = Fault::Plan("lose:6:write ".to_owned());
    let found =
        (0..20).find(|&round| !run(&mut site, round, Some(early.clone())).iter().all(is_linearizable));
    println!("found in round {}", found.expect("a node that forgets what it said passes for a good one"));
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    histories: usize,
    operations: usize,
    unknown: usize,
    with_unknown: usize,
    full: usize,
    ended: usize,
    /// Answers that were changed afterwards, and how many of these histories were refused.
    lies: usize,
    lies_refused: usize,
}

impl Totals {
    fn add(&mut self, history: &History) {
        self.histories += 1;
        self.operations += history.operations.len();
        self.unknown += history.unknown();
        self.with_unknown += usize::from(history.unknown() > 0);
        let told = |wanted| {
            history.operations.iter().filter(move |one| one.told.is_some_and(|(told, _)| told == wanted))
        };
        self.full += told(Told::Full).count();
        self.ended += told(Told::Ended).count();
    }

    /// Changes the answer of every tenth operation, one at a time. Some of these lies could be true.
    fn tampered(&mut self, history: &History) {
        for at in (0..history.operations.len()).step_by(10) {
            let mut tampered = history.clone();
            let Some((told, _)) = &mut tampered.operations[at].told else { continue };
            *told = match told {
                Told::Live | Told::Released => Told::Ended,
                Told::Full => Told::Live,
                Told::Ended => Told::Released,
            };
            self.lies += 1;
            self.lies_refused += usize::from(!is_linearizable(&tampered));
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            histories: self.histories + other.histories,
            operations: self.operations + other.operations,
            unknown: self.unknown + other.unknown,
            with_unknown: self.with_unknown + other.with_unknown,
            full: self.full + other.full,
            ended: self.ended + other.ended,
            lies: self.lies + other.lies,
            lies_refused: self.lies_refused + other.lies_refused,
        }
    }
}

fn site() -> Site {
    let vendor = Vendor::new();
    let (node, join) = vendor.register("plant");
    vendor.add_product(PRODUCTS[1]);
    let seats = u32::try_from(SEATS).unwrap();
    for product in PRODUCTS {
        let pool = vendor.sell(&Sale::of(product, seats));
        vendor.allocate(&pool, &node, seats, &[]);
    }
    let site = Site::new(&vendor.trust_root(), "plant");
    site.carry_bundle(&vendor, Some(&join));
    site
}

/// One history of each pool. The node dies while it is asked, lives again, dies once more, and is asked what there is.
fn run(site: &mut Site, round: usize, fault: Option<Fault>) -> Vec<History> {
    let (recorder, mut chance) = (Recorder::new(round), Chance(round as u64));
    site.set_fault(fault);
    recorder.work_until_killed(site, 1 + chance.below(APPLICATIONS * OPERATIONS[0]));
    site.set_fault(None);
    let daemon = site.try_run().unwrap();
    recorder.work(site, 1, || {});
    daemon.kill();
    let daemon = site.try_run().unwrap();
    recorder.look(site);
    for lease in site.leases() {
        let lease = lease["lease_id"].as_str().unwrap();
        api::ask(&site.socket(), &api::delete(&format!("/v1/leases/{lease}"))).unwrap();
    }
    daemon.kill();
    recorder.histories.into_inner().unwrap()
}

/// Writes down what is asked and told.
struct Recorder {
    round: usize,
    moments: AtomicUsize,
    /// One for each pool.
    histories: Mutex<Vec<History>>,
}

impl Recorder {
    fn new(round: usize) -> Self {
        let history = History { seats: SEATS, ..History::default() };
        let histories = vec![history; PRODUCTS.len()];
        Self { round, moments: AtomicUsize::new(0), histories: Mutex::new(histories) }
    }

    /// Applications ask until they have been told so much and the node dies.
    fn work_until_killed(&self, site: &Site, answers: usize) {
        let daemon = site.try_run().unwrap();
        let (told, hear) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                // All of them, if the applications are done before.
                hear.iter().take(answers).for_each(drop);
                daemon.kill();
            });
            self.work(site, 0, || told.send(()).unwrap_or_default());
            drop(told);
        });
    }

    /// Applications ask, each so often, or until the node does not answer any more.
    fn work(&self, site: &Site, life: usize, told: impl Fn() + Clone + Send) {
        thread::scope(|scope| {
            for application in 0..APPLICATIONS {
                let told = told.clone();
                let seed = (self.round * 2 + life) * APPLICATIONS + application;
                scope.spawn(move || {
                    let mut chance = Chance(0x5EED ^ seed as u64);
                    for _ in 0..OPERATIONS[life] {
                        let (pool, key) = (chance.below(PRODUCTS.len()), chance.below(KEYS));
                        let asked =
                            [Asked::Checkout, Asked::Checkout, Asked::Renew, Asked::Release][chance.below(4)];
                        if self.operate(site, pool, key, asked, chance.one_in(GOES_AWAY)).is_none() {
                            return;
                        }
                        told();
                    }
                });
            }
        });
    }

    /// Asks one thing. None if nobody answers.
    fn operate(&self, site: &Site, pool: usize, key: Key, asked: Asked, goes_away: bool) -> Option<()> {
        let lease = self.histories()[pool].leases.get(&key).map(|seat| seat.lease.clone());
        let (asked, request) = match (asked, lease) {
            (Asked::Renew, Some(lease)) => (asked, api::post(&format!("/v1/leases/{lease}/renew"), b"{}")),
            (Asked::Release, Some(lease)) => (asked, api::delete(&format!("/v1/leases/{lease}"))),
            // Who does not know its lease asks again.
            _ => (Asked::Checkout, self.checkout(pool, key)),
        };
        let mut stream = api::connect(&site.socket()).ok()?;
        let begun = self.moment();
        let sent = stream.write_all(&request);
        if goes_away {
            self.note(pool, Operation { key, asked, begun, told: None });
            return Some(());
        }
        let answer = sent.and_then(|()| Answer::read(&mut stream)).ok();
        let told = answer.as_ref().and_then(|answer| self.told(pool, key, asked, answer));
        let ended = self.moment();
        self.note(pool, Operation { key, asked, begun, told: told.map(|told| (told, ended)) });
        answer.map(drop)
    }

    /// What an answer says; none if that is nothing.
    fn told(&self, pool: usize, key: Key, asked: Asked, answer: &Answer) -> Option<Told> {
        let document = answer.json()?;
        match (document["decision"].as_str(), document["code"].as_str(), document["released"].as_bool()) {
            (Some("allow"), _, _) => {
                self.learn(pool, key, asked, &document);
                Some(Told::Live)
            }
            (_, Some("POOL_EXHAUSTED"), _) => Some(Told::Full),
            (_, Some("LEASE_ENDED" | "LEASE_UNKNOWN" | "LEASE_LOST" | "TICKET_NEEDED"), _)
            | (.., Some(false)) => Some(Told::Ended),
            (.., Some(true)) => Some(Told::Released),
            (_, Some("SHUTTING_DOWN" | "TIMEOUT" | "INTERNAL" | "STORE_FAILED" | "JOURNAL_DAMAGED"), _) => {
                None
            }
            _ => panic!("{answer:?}"),
        }
    }

    /// A key has one lease, whoever is told of it and how often.
    fn learn(&self, pool: usize, key: Key, asked: Asked, document: &Value) {
        let seat = seat(document);
        let history = &mut self.histories()[pool];
        let known = history.leases.entry(key).or_insert_with(|| seat.clone());
        if *known != seat {
            history.contradictions.push((key, asked, seat));
        }
    }

    /// Asks what there is, when nobody else asks.
    fn look(&self, site: &Site) {
        for pool in 0..PRODUCTS.len() {
            for key in 0..KEYS {
                self.operate(site, pool, key, Asked::Renew, false).unwrap();
            }
        }
        let live: BTreeSet<String> = site.leases().iter().map(|lease| seat(lease).lease).collect();
        for pool in 0..PRODUCTS.len() {
            let leases = self.histories()[pool].leases.clone();
            for (key, Seat { lease, .. }) in leases {
                let (begun, told) =
                    (self.moment(), if live.contains(&lease) { Told::Live } else { Told::Ended });
                self.note(
                    pool,
                    Operation { key, asked: Asked::List, begun, told: Some((told, self.moment())) },
                );
            }
        }
    }

    fn checkout(&self, pool: usize, key: Key) -> Vec<u8> {
        let number = (self.round * PRODUCTS.len() + pool) * KEYS + key;
        let wish = json!({
            "product": PRODUCTS[pool],
            "holder": {"user": "ann", "host": "site"},
            "key": format!("{number:032x}"),
        });
        api::post("/v1/leases", wish.to_string().as_bytes())
    }

    fn moment(&self) -> Moment {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, pool: usize, operation: Operation) {
        self.histories()[pool].operations.push(operation);
    }

    fn histories(&self) -> MutexGuard<'_, Vec<History>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seat(document: &Value) -> Seat {
    let text = |field: &str| document[field].as_str().unwrap_or_else(|| panic!("{document}"));
    let epoch = text("epoch").parse().unwrap();
    Seat { lease: text("lease_id").to_owned(), epoch, slot: document["slot"].as_u64().unwrap() }
}
