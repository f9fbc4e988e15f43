//! Who is at the other end of a connection.

use leasehold_client_core::{ConnectionKey, NotProven, prove_node};
use leasehold_protocol::api::IdentityAnswer;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::proof::{ProofError, Step};
use leasehold_protocol::trust_root::TrustRoot;

use crate::vendor::Vendor;

const OWN: SpkiDigest = SpkiDigest([1; 32]);
const OTHER: SpkiDigest = SpkiDigest([2; 32]);

fn trust() -> TrustRoot {
    TrustRoot::pin(&Vendor::new("vendor").root).unwrap()
}

fn step_of(found: Result<impl Sized, NotProven>) -> String {
    let Err(error) = found else { panic!("it was proved") };
    let Problem { extra, code, .. } = error.problem("https://node:7580");
    assert_eq!(code.exit(), 6, "{error}");
    extra["step"].as_str().unwrap().to_owned()
}

#[test]
fn a_node_of_the_vendor_with_its_own_key_is_proved() {
    let answer = Vendor::new("vendor").identity(&[OWN, OTHER]);
    for key in [ConnectionKey::Proven(OWN), ConnectionKey::Proven(OTHER), ConnectionKey::Vouched] {
        let certificate = prove_node(&trust(), &answer, key).unwrap();
        assert_eq!(Some(certificate.node), answer.node_id);
    }
    // Who trusts a newer root than the node has needs none of its roots.
    let bare = IdentityAnswer { roots: Vec::new(), ..answer };
    assert!(prove_node(&trust(), &bare, ConnectionKey::Proven(OWN)).is_ok());
}

#[test]
fn a_relayed_answer_does_not_fit_the_connection() {
    let answer = Vendor::new("vendor").identity(&[OTHER]);
    let found = prove_node(&trust(), &answer, ConnectionKey::Proven(OWN));
    let Err(NotProven::OtherKey { node, key }) = &found else { panic!("{found:?}") };
    assert_eq!((Some(*node), *key), (answer.node_id, OWN));
    assert_eq!(step_of(found), "connection");
    // Only where the customer's own authority vouches for the connection.
    assert!(prove_node(&trust(), &answer, ConnectionKey::Vouched).is_ok());
}

#[test]
fn another_vendors_node_is_refused_whatever_vouches_for_it() {
    let mut answer = Vendor::new("another vendor").identity(&[OWN]);
    for key in [ConnectionKey::Proven(OWN), ConnectionKey::Vouched] {
        assert_eq!(step_of(prove_node(&trust(), &answer, key)), "root");
    }
    answer.roots = Vendor::new("vendor").identity(&[OWN]).roots;
    for key in [ConnectionKey::Proven(OWN), ConnectionKey::Vouched] {
        assert_eq!(step_of(prove_node(&trust(), &answer, key)), "certificate");
    }
}

#[test]
fn a_key_is_shown_in_words() {
    assert_eq!(ConnectionKey::Proven(OWN).to_string(), OWN.to_string());
    assert_eq!(ConnectionKey::Vouched.to_string(), "vouched for by an authority");
}

#[test]
fn whoever_shows_no_or_a_damaged_certificate_is_refused() {
    let good = Vendor::new("vendor").identity(&[OWN]);
    let key = ConnectionKey::Vouched;
    for (certificate, step) in [
        (None, "chain_missing"),
        (Some(String::new()), "certificate"),
        (good.certificate.as_ref().map(|text| text[..text.len() - 4].to_owned()), "certificate"),
        (good.roots.first().cloned(), "certificate"),
    ] {
        let answer = IdentityAnswer { certificate, ..good.clone() };
        assert_eq!(step_of(prove_node(&trust(), &answer, key)), step);
    }
    let roots = vec!["lh1_root_".to_owned()];
    let answer = IdentityAnswer { roots, ..good };
    let found = prove_node(&trust(), &answer, key);
    assert!(matches!(found, Err(NotProven::Chain(ProofError { step: Step::Root, .. }))));
}

#[test]
fn the_certificate_is_the_one_of_the_node_that_is_named() {
    let good = Vendor::new("vendor").identity(&[OWN]);
    for node_id in [None, Some(NodeId([9; 16]))] {
        let answer = IdentityAnswer { node_id, ..good.clone() };
        let found = prove_node(&trust(), &answer, ConnectionKey::Proven(OWN));
        assert!(matches!(found, Err(NotProven::OtherNode { .. })));
    }
}
