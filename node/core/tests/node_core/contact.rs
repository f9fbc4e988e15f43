//! Contact with the issuer: whom the node asks, and when it does without being told to.

use leasehold_node_core::{Input, NamedIssuer, Reply, ReplyTo, limits};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer, RowOffer};

use crate::rig::{Rig, cause, refused, surrender};

const HOUR_MS: i64 = 3_600_000;
const URL: &str = "https://issuer.example:7581";

#[test]
fn a_node_has_contact_once_it_knows_whom_to_ask_and_for_what() {
    let mut rig = Rig::new();
    assert!(name(&mut rig, URL));
    assert!(rig.core.contact(&rig.now).is_none(), "it has no account yet");
    rig.give(vec![PoolOffer::new(1, "cad", 1)]);
    let contact = rig.core.contact(&rig.now).unwrap();
    assert_eq!(contact.issuer, &NamedIssuer { url: URL.to_owned(), key: SpkiDigest([7; 32]) });
    assert!(!contact.word_due && !contact.has_report);
    assert_eq!(rig.status().issuer.url.as_deref(), Some(URL));
    rig.restart();
    assert!(rig.core.contact(&rig.now).is_some());
    assert!(Rig::with_seats(1).core.contact(&rig.now).is_none(), "it works by files");
}

#[test]
fn an_address_is_bounded() {
    let mut rig = Rig::new();
    for (bytes, fits) in [(0, false), (1, true), (limits::ISSUER_URL_BYTES, true)] {
        assert_eq!(name(&mut rig, &"x".repeat(bytes)), fits, "{bytes}");
    }
    assert!(!name(&mut rig, &"x".repeat(limits::ISSUER_URL_BYTES + 1)));
}

#[test]
fn the_issuer_is_asked_before_its_word_is_stale() {
    let mut rig = Rig::with_seats(1);
    name(&mut rig, URL);
    let due = |rig: &Rig| rig.core.contact(&rig.now).unwrap().word_due;
    rig.wait(12 * HOUR_MS - 1);
    assert!(!due(&rig));
    rig.wait(1);
    assert!(due(&rig));
}

#[test]
fn how_long_a_word_lasts_is_not_for_the_clock_to_say() {
    let mut rig = Rig::with_seats(1);
    name(&mut rig, URL);
    let seen = |rig: &Rig| {
        let contact = rig.core.contact(&rig.now).unwrap();
        (contact.word_due, contact.word_ms)
    };
    assert_eq!(seen(&rig), (false, 12 * HOUR_MS));
    rig.now.wall_ms = rig.now.wall_ms.plus(20 * DAY_MS);
    assert_eq!(seen(&rig), (true, 12 * HOUR_MS));
    rig.give(vec![PoolOffer::new(1, "cad", 1)]);
    assert_eq!(seen(&rig), (true, 12 * HOUR_MS), "an answer does not change what the clock says");
}

#[test]
fn the_next_exchange_is_due_with_the_first_of_its_reasons() {
    let mut rig = Rig::new();
    assert_eq!(rig.core.next_exchange_at(), None);
    let row = |renew_after| {
        let rows = vec![RowOffer { renew_after, ..RowOffer::new(1, SlotSet::range(0, 2)) }];
        vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 2) }]
    };
    rig.give(row(NOW.plus(300 * DAY_MS)));
    assert_eq!(rig.core.next_exchange_at(), Some(NOW.plus(12 * HOUR_MS)));
    let mut rig = Rig::with(row(NOW.plus(HOUR_MS)));
    assert_eq!(rig.core.next_exchange_at(), Some(NOW.plus(HOUR_MS)), "the row asks for it");
    rig.wait(2 * HOUR_MS);
    let mut offer = rig.offer(row(NOW.plus(HOUR_MS)));
    offer.issued_at = rig.now.wall_ms;
    rig.take(&offer);
    assert_eq!(rig.core.next_exchange_at(), Some(NOW.plus(14 * HOUR_MS)), "the issuer had nothing newer");
    let half = NOW.plus(365 * DAY_MS / 2);
    let mut offer = rig.offer(row(NOW.plus(HOUR_MS)));
    offer.issued_at = half.plus(-HOUR_MS);
    rig.take(&offer);
    assert_eq!(rig.core.next_exchange_at(), Some(half), "of the certificate's life");
}

#[test]
fn seats_that_went_back_are_told_at_once_and_asked_about_once() {
    let mut rig = Rig::with_seats(2);
    rig.ask(surrender(1, 1));
    assert_eq!(rig.core.next_exchange_at(), Some(UnixMs::MIN));
    let request = rig.request();
    assert_eq!(rig.core.next_exchange_at(), Some(UnixMs::MIN), "the request may be lost");
    let offer = rig.offer(vec![PoolOffer::new(1, "cad", 2)]);
    let bundle = rig.vendor.answer(&request, &offer);
    rig.import(bundle);
    assert_eq!(rig.core.next_exchange_at(), Some(NOW.plus(12 * HOUR_MS)), "whatever the issuer makes of it");
    rig.restart();
}

fn name(rig: &mut Rig, url: &str) -> bool {
    let issuer = NamedIssuer { url: url.to_owned(), key: SpkiDigest([7; 32]) };
    match rig.ask(Input::NameIssuer { to: ReplyTo(0), cause: cause(), issuer }) {
        Reply::IssuerNamed => true,
        other => {
            assert_eq!(refused(other).code, Code::InvalidRequest);
            false
        }
    }
}
