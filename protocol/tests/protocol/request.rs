//! SPEC REQ: a request proves its key, and who sends it.

use leasehold_protocol::artefact::{Artefact, Kind, Malformed, PoolUsage, Receipt, Released, Request};
use leasehold_protocol::bytes::{Digest, SpkiDigest};
use leasehold_protocol::canonical::encode;
use leasehold_protocol::envelope::{VerifyError, verify};
use leasehold_protocol::ids::{NodeId, PoolId};
use leasehold_protocol::keys::{PublicKeyBytes, Signer as _};
use leasehold_protocol::request::{JoinSecret, open_receipt, open_request};
use leasehold_protocol::slots::SlotSet;

use crate::fixture::{REALM, World, id, joined, key, ring_of, sealed, sealed_payload};

#[test]
fn a_request_is_signed_with_the_key_it_names() {
    let request = World::new().request;
    let opened = open_request(&sealed(&REALM, &request, &["node"]), REALM).unwrap();
    assert_eq!(*opened, request);
    let stolen = open_request(&sealed(&REALM, &request, &["other node"]), REALM).map(|_| ());
    assert_eq!(stolen, Err(VerifyError::UnknownKey(key("other node").id())));
    let mut bytes = sealed(&REALM, &request, &["node"]);
    *bytes.last_mut().unwrap() ^= 1;
    let forged = open_request(&bytes, REALM).map(|_| ());
    assert_eq!(forged, Err(VerifyError::BadSignature(key("node").id())));
}

#[test]
fn a_receipt_is_signed_with_the_key_that_is_enrolled_for_its_node() {
    let world = World::new();
    let bytes = sealed(&REALM, &world.receipt, &["node"]);
    let of_node = |receipt: &Receipt| (receipt.node == world.receipt.node).then(|| key("node").public_key());
    assert_eq!(*open_receipt(&bytes, REALM, of_node).unwrap(), world.receipt);
    for enrolled in [None, Some(key("other node").public_key())] {
        let refused = open_receipt(&bytes, REALM, |_| enrolled).map(|_| ());
        assert_eq!(refused, Err(VerifyError::UnknownKey(key("node").id())));
    }
    let request = sealed(&REALM, &world.request, &["node"]);
    let refused = open_receipt(&request, REALM, of_node).map(|_| ());
    assert_eq!(refused, Err(VerifyError::WrongKind { expected: Kind::Receipt, found: Kind::Request }));
}

#[test]
fn a_request_with_a_weak_key_proves_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let request = Request { sign_key: PublicKeyBytes(identity), ..World::new().request };
    let bytes = sealed_payload::<Request>(&REALM, &encode(&request), "node");
    let refused = Malformed { field: "sign_key", rule: "is weak or not canonical" };
    assert_eq!(open_request(&bytes, REALM).map(|_| ()), Err(VerifyError::Malformed(refused)));
    assert_eq!(request.check(), Err(refused));
}

#[test]
fn something_else_is_no_request() {
    let world = World::new();
    let error = open_request(&world.seal(&world.receipt), REALM).unwrap_err();
    assert_eq!(error, VerifyError::WrongKind { expected: Kind::Request, found: Kind::Receipt });
}

#[test]
fn the_join_code_is_proved_and_never_told() {
    let (secret, other) = (JoinSecret([0x33; 16]), JoinSecret([0x34; 16]));
    let request = World::new().request;
    let join = request.join.unwrap();
    assert!(secret.accepts(&join, request.sign_key, &request.tls_keys));
    assert!(!other.accepts(&join, request.sign_key, &request.tls_keys), "another code");
    assert!(!secret.accepts(&join, key("other node").bytes(), &request.tls_keys), "another sign key");
    assert!(!secret.accepts(&join, request.sign_key, &[SpkiDigest([0x12; 32])]), "another TLS key");
    assert!(!secret.accepts(&join, request.sign_key, &[]), "a TLS key less");
    let mut forged = join;
    forged.mac.0[31] ^= 1;
    assert!(!secret.accepts(&forged, request.sign_key, &request.tls_keys), "another MAC");
    forged = join;
    forged.join_id[0] ^= 1;
    assert!(!secret.accepts(&forged, request.sign_key, &request.tls_keys), "another id");
    let bytes = encode(&request);
    assert!(!bytes.windows(16).any(|window| window == secret.0), "the code is not in the request");
    assert_eq!(format!("{secret:?}"), "JoinSecret([redacted])");
}

/// Id and MAC from their description.
#[test]
fn a_join_proof_is_made_as_specified() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};
    let join = World::new().request.join.unwrap();
    let id = Sha256::new().chain_update("LH1-join-id").chain_update([0x33; 16]).finalize();
    assert_eq!(join.join_id, id[..16]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&[0x33; 16]).unwrap();
    mac.update(&joined(&[b"LH1-join", &key("node").bytes().0, &[0x11; 32]]));
    assert_eq!(join.mac.0, <[u8; 32]>::from(mac.finalize().into_bytes()));
}

type Change = fn(&mut Request);

#[test]
fn a_malformed_request_is_refused() {
    let cases: &[(&str, Change)] = &[
        ("name", |r| r.name.clear()),
        ("account", |r| r.node = Some(NodeId(id("node")))),
        ("tls_keys", |r| r.tls_keys.clear()),
        ("tls_keys", |r| r.tls_keys = vec![SpkiDigest([2; 32]), SpkiDigest([1; 32])]),
        ("released", |r| r.released = vec![released(2), released(1)]),
        ("released.slots", |r| r.released = vec![Released { slots: SlotSet::EMPTY, ..released(1) }]),
        ("usage", |r| r.usage = vec![usage("same"), usage("same")]),
    ];
    assert_eq!(World::new().request.check(), Ok(()));
    for (field, change) in cases {
        let mut request = World::new().request;
        change(&mut request);
        assert_eq!(request.check().map_err(|error| error.field), Err(*field));
    }
}

fn released(byte: u8) -> Released {
    Released { allocation: Digest([byte; 32]), slots: SlotSet::range(0, 1), report_seq: 1 }
}

fn usage(name: &str) -> PoolUsage {
    PoolUsage { pool: PoolId(id(name)), peak_seats: 1, granted: 1, denied: 0 }
}

#[test]
fn a_receipt_is_verified_with_the_key_of_its_node() {
    let world = World::new();
    let bytes = world.seal(&world.receipt);
    let receipt = verify::<leasehold_protocol::artefact::Receipt>(&bytes, &ring_of("node")).unwrap();
    assert_eq!(*receipt, world.receipt);
    assert!(verify::<leasehold_protocol::artefact::Receipt>(&bytes, &ring_of("other node")).is_err());
}
