//! Applications at work while a node dies, and what must be true of it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde_json::Value;

use crate::api::{self, Answer};
use crate::site::{Daemon, Site};

/// Fewer than the applications want at the same time, now and then.
pub(crate) const SEATS: u32 = 4;
const APPLICATIONS: usize = 3;
const ROUNDS: usize = 20;

/// Who holds what: lease, epoch and slot.
pub(crate) type Seat = (String, String, u64);

/// What an application knows about the seat under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It asked, and has no answer.
    Asked,
    /// It was told that there is none.
    Denied,
    Held(Seat),
    /// It gave it back, and has no answer.
    Returning(Seat),
    Returned(Seat),
}

/// By key.
pub(crate) type Knowledge = BTreeMap<usize, Known>;

/// Applications check out, renew and release until they are done or the node does not answer any more.
pub(crate) fn work(site: &Site) -> Knowledge {
    let one = |application: usize| {
        let mut knowledge = Knowledge::new();
        for round in 0..ROUNDS {
            if round_of(site, application * ROUNDS + round, &mut knowledge).is_none() {
                break;
            }
        }
        knowledge
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..APPLICATIONS).map(|application| scope.spawn(move || one(application))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Takes so many seats, which must be free.
pub(crate) fn hold(site: &Site, seats: usize) -> Knowledge {
    let take = |key| match decision(site, key) {
        Some(Decision::Seat(seat)) => (key, Known::Held(seat)),
        _ => panic!("no seat for key {key}"),
    };
    (0..seats).map(take).collect()
}

/// One seat is taken, renewed, and mostly given back. None if there was no answer.
fn round_of(site: &Site, key: usize, knowledge: &mut Knowledge) -> Option<()> {
    knowledge.insert(key, Known::Asked);
    let seat = match decision(site, key)? {
        Decision::Seat(seat) => seat,
        Decision::Full => {
            knowledge.insert(key, Known::Denied);
            return Some(());
        }
        Decision::Ended => panic!("nobody released the lease of key {key}"),
    };
    knowledge.insert(key, Known::Held(seat.clone()));
    served(ask(site, &api::post(&format!("/v1/leases/{}/renew", seat.0), b"{}")))?;
    if key.is_multiple_of(8) {
        return Some(());
    }
    knowledge.insert(key, Known::Returning(seat.clone()));
    let answer = served(ask(site, &api::delete(&format!("/v1/leases/{}", seat.0))))?;
    assert_eq!(answer["released"], true, "{answer}");
    knowledge.insert(key, Known::Returned(seat));
    Some(())
}

enum Decision {
    Seat(Seat),
    Full,
    Ended,
}

/// None if there was no answer, or the node refused to decide.
fn decision(site: &Site, key: usize) -> Option<Decision> {
    let answer = served(ask(site, &api::checkout("ann", key)))?;
    match (answer["decision"].as_str(), answer["code"].as_str()) {
        (Some("allow"), _) => Some(Decision::Seat(seat(&answer))),
        (_, Some("POOL_EXHAUSTED")) => Some(Decision::Full),
        (_, Some("LEASE_ENDED")) => Some(Decision::Ended),
        _ => panic!("{answer}"),
    }
}

fn ask(site: &Site, request: &[u8]) -> Option<Answer> {
    api::ask(&site.socket(), request).ok()
}

/// The document of an answer; a 503 is none.
fn served(answer: Option<Answer>) -> Option<Value> {
    answer.filter(|answer| answer.status != 503)?.json()
}

fn seat(answer: &Value) -> Seat {
    let text = |field: &str| answer[field].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text("lease_id"), text("epoch"), answer["slot"].as_u64().unwrap())
}

/// Starts the usual node where another one ended badly: in time, with everything that was acknowledged, one seat for each
/// key, and no more seats than there are.
#[track_caller]
pub(crate) fn check_after(site: &Site, knowledge: &Knowledge) {
    let daemon = site.try_run().unwrap_or_else(|done| panic!("it does not start: {done:?}"));
    check_kept(site, knowledge);
    check_retries(site, knowledge);
    stop(daemon);
    assert_eq!(site.json(&["journal", "verify"])["verified"], true);
}

#[track_caller]
pub(crate) fn stop(daemon: Daemon) {
    daemon.ask_to_end();
    assert_eq!(daemon.end(), 0);
}

/// Each lease that was acknowledged and not given back is there as it was, and none that was.
#[track_caller]
pub(crate) fn check_kept(site: &Site, knowledge: &Knowledge) {
    let live: BTreeSet<Seat> = site.leases().iter().map(seat).collect();
    for (key, known) in knowledge {
        match known {
            Known::Held(seat) => {
                assert!(live.contains(seat), "key {key}: {seat:?} is lost, there are {live:?}");
            }
            Known::Returned(seat) => assert!(!live.contains(seat), "key {key}: {seat:?} came back"),
            Known::Asked | Known::Denied | Known::Returning(_) => {}
        }
    }
    let slots: BTreeSet<u64> = live.iter().map(|(_, _, slot)| *slot).collect();
    let epochs: BTreeSet<&String> = live.iter().map(|(_, epoch, _)| epoch).collect();
    assert!(live.len() <= SEATS as usize, "{live:?}");
    assert_eq!((slots.len(), epochs.len()), (live.len(), live.len()), "given twice: {live:?}");
}

/// The same key asks for the same seat, whatever became of the first answer.
#[track_caller]
fn check_retries(site: &Site, knowledge: &Knowledge) {
    for (key, known) in knowledge {
        let now = decision(site, *key).unwrap_or_else(|| panic!("no answer for key {key}"));
        match (known, now) {
            (Known::Held(before) | Known::Returning(before), Decision::Seat(now)) => {
                assert_eq!(*before, now, "key {key}");
            }
            // Others may hold all seats that were asked for and not given.
            (Known::Returned(_) | Known::Returning(_), Decision::Ended)
            | (Known::Asked | Known::Denied, Decision::Seat(_) | Decision::Full) => {}
            (known, _) => panic!("key {key}: {known:?} became something else"),
        }
    }
    assert!(site.leases().len() <= SEATS as usize);
}
