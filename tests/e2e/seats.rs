//! Never more seats than sold.

use std::collections::BTreeSet;

use crate::parallel;
use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const SEATS: u32 = 100;
const PROCESSES: usize = 500;
const RELEASED: usize = 10;
const AT_ONCE: usize = 32;

#[test]
fn five_hundred_processes_get_a_hundred_seats() {
    let vendor = Vendor::new();
    let site = vendor.site_with("plant", SEATS);
    let _daemon = site.run();
    hundred_of_five_hundred(&site, &site.socket_address());
}

/// A site's node with a hundred seats gives so many to five hundred processes that reach it at `address`, and what is
/// given back to the next.
pub(crate) fn hundred_of_five_hundred(site: &Site, address: &str) {
    let leases = allowed(checkouts(site, address, PROCESSES), SEATS as usize);
    let proofs = leases.iter().take(RELEASED).map(|(_, number)| site.text(&format!("proof-{number}.lh")));
    for proof in proofs {
        assert_eq!(site.app(&["verify", &proof]).done()["live"], true);
    }
    for (lease, _) in leases.iter().take(RELEASED) {
        assert_eq!(site.app_at(address, &["release", lease]).done()["released"], true);
    }
    allowed(checkouts(site, address, 2 * RELEASED), RELEASED);

    let live = site.leases();
    let slots: BTreeSet<u64> = live.iter().map(|lease| lease["slot"].as_u64().unwrap()).collect();
    assert_eq!((live.len(), slots), (SEATS as usize, (0..u64::from(SEATS)).collect()));
}

fn checkouts(site: &Site, address: &str, processes: usize) -> Vec<(Done, usize)> {
    parallel::for_each(processes, AT_ONCE, |number| {
        let proof = site.text(&format!("proof-{number}.lh"));
        (site.app_at(address, &["checkout", "--product", PRODUCT, "--proof", &proof]), number)
    })
}

/// The leases of exactly so many seats, with distinct slots and proofs that verified. All others were refused properly.
#[track_caller]
fn allowed(answers: Vec<(Done, usize)>, seats: usize) -> Vec<(String, usize)> {
    let (allowed, denied): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(done, _)| done.exit == 0);
    for (denial, _) in denied {
        assert_eq!((denial.exit, denial.code().as_str()), (3, "POOL_EXHAUSTED"), "{denial:?}");
        assert_eq!(denial.json()["decision"], "deny");
    }
    let seat_answers: Vec<_> = allowed.iter().map(|(done, number)| (done.json(), *number)).collect();
    let slots: BTreeSet<u64> = seat_answers.iter().map(|(seat, _)| seat["slot"].as_u64().unwrap()).collect();
    assert_eq!((seat_answers.len(), slots.len()), (seats, seats));
    let lease = |(seat, number): (serde_json::Value, usize)| {
        assert_eq!((&seat["decision"], &seat["proof"]), (&"allow".into(), &"verified".into()), "{seat}");
        (seat["lease_id"].as_str().unwrap().to_owned(), number)
    };
    seat_answers.into_iter().map(lease).collect()
}
