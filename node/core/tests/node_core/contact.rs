//! Contact with the issuer: whom the node asks, and when it does without being told to.

use leasehold_node_core::{Input, NamedIssuer, Reply, ReplyTo, limits};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;

use crate::rig::{Rig, cause, refused};

const HOUR_MS: i64 = 3_600_000;
const URL: &str = "https://issuer.example:7581";

#[test]
fn a_node_has_contact_once_it_knows_whom_to_ask_and_for_what() {
    let mut rig = Rig::new();
    assert!(name(&mut rig, URL));
    assert!(rig.core.contact(&rig.now).is_none(), "it has no account yet");
    rig.give(vec![leasehold_tests::vendor::PoolOffer::new(1, "cad", 1)]);
    let contact = rig.core.contact(&rig.now).unwrap();
    assert_eq!(contact.issuer, &NamedIssuer { url: URL.to_owned(), key: SpkiDigest([7; 32]) });
    assert!(!contact.exchange_due);
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
fn the_issuer_is_asked_daily() {
    let mut rig = Rig::with_seats(1);
    name(&mut rig, URL);
    let due = |rig: &Rig| rig.core.contact(&rig.now).unwrap().exchange_due;
    rig.wait(19 * HOUR_MS);
    assert!(!due(&rig));
    rig.wait(HOUR_MS + 60_000);
    assert!(due(&rig));
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
