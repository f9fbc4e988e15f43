//! What was acknowledged survives `kill -9`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::api;
use crate::site::{Daemon, Site};
use crate::vendor::Vendor;

const KILLS: usize = 50;
const SEATS: u32 = 4000;
const APPLICATIONS: usize = 8;
/// The kill comes after 1 to so many answers.
const ANSWERS_MAX: usize = 24;

/// What an application was told: epoch and slot by lease.
type Acknowledged = BTreeMap<String, (String, u64)>;

#[test]
fn no_acknowledged_lease_is_lost_by_fifty_kills() {
    let site = Vendor::new().site_with("plant", SEATS);
    let mut acknowledged = Acknowledged::new();
    let keys = AtomicUsize::new(0);
    for round in 0..KILLS {
        let daemon = site.run();
        let new = checkouts_until_killed(&site, daemon, &keys, 1 + round * 7 % ANSWERS_MAX);
        assert!(!new.is_empty());
        acknowledged.extend(new);
        let daemon = site.run();
        check_all_there(&site, &acknowledged);
        daemon.kill();
    }
    assert_eq!(site.json(&["journal", "verify"])["verified"], true);
}

/// Applications check out as fast as they can until the daemon is killed after so many answers, others being under way.
fn checkouts_until_killed(site: &Site, daemon: Daemon, keys: &AtomicUsize, answers: usize) -> Acknowledged {
    let (told, hear) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..APPLICATIONS {
            let told = told.clone();
            scope.spawn(move || {
                while let Some(seat) = checkout(site, keys.fetch_add(1, Ordering::Relaxed)) {
                    told.send(seat).unwrap();
                }
            });
        }
        drop(told);
        let mut acknowledged: Acknowledged = hear.iter().take(answers).collect();
        daemon.kill();
        acknowledged.extend(hear);
        acknowledged
    })
}

/// A seat, unless the answer is not a whole one.
fn checkout(site: &Site, key: usize) -> Option<(String, (String, u64))> {
    let answer = api::ask(&site.socket(), &api::checkout("ann", key)).ok()?;
    let seat = answer.json()?;
    assert_eq!(seat["decision"], "allow", "{answer:?}");
    Some(identity(&seat))
}

fn check_all_there(site: &Site, acknowledged: &Acknowledged) {
    let leases: Acknowledged = site.leases().iter().map(identity).collect();
    for (lease, seat) in acknowledged {
        assert_eq!(leases.get(lease), Some(seat), "{lease} is not as it was acknowledged");
    }
    let slots: BTreeSet<u64> = leases.values().map(|(_, slot)| *slot).collect();
    let epochs: BTreeSet<&String> = leases.values().map(|(epoch, _)| epoch).collect();
    assert_eq!(
        (slots.len(), epochs.len()),
        (leases.len(), leases.len()),
        "a slot or an epoch was given twice"
    );
}

fn identity(seat: &Value) -> (String, (String, u64)) {
    let text = |field: &str| seat[field].as_str().unwrap().to_owned();
    (text("lease_id"), (text("epoch"), seat["slot"].as_u64().unwrap()))
}
