//! SPEC VER: who signed, whether they may, and within which bounds.

use leasehold_protocol::artefact::{
    Allocation, Artefact, Bundle, Caps, CapsExceeded, Grant, Head, KeyState, Kind, LeaseTicket, Manifest,
    NodeCertificate, Pool, Receipt, Request, Role, Seats, TimeStatement,
};
use leasehold_protocol::canonical::encode;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{KeyRing, Mode, Realm, RealmId, VerifyError, verify};
use leasehold_protocol::ids::{AccountId, ProductId};
use leasehold_protocol::keys::{Signer, SignerFailed};
use leasehold_protocol::trust_root::TrustRoot;

use crate::fixture::{DAY_MS, NOW, REALM, World, id, key, message, ring_of, sealed, sealed_ticket};

fn verdict<T: Artefact>(bytes: &[u8], ring: &KeyRing) -> Result<(), VerifyError> {
    verify::<T>(bytes, ring).map(|_| ())
}

/// The grant of `world`, signed by these keys, against the root of `world`.
fn grant_by(world: &World, signers: &[&str]) -> Result<(), VerifyError> {
    verdict::<Grant>(&sealed(&REALM, &world.grant, signers), &world.trust().ring(Kind::Grant))
}

fn never_verifies_with_a_bit_flipped(name: &str, bytes: &[u8], accepts: impl Fn(&[u8]) -> bool) {
    assert!(accepts(bytes), "{name} as it is");
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepts(&flipped), "{name} with bit {bit} flipped");
    }
}

#[test]
fn no_bit_of_any_artefact_is_free() {
    fn flip<T: Artefact>(world: &World, artefact: &T, ring: &KeyRing) {
        never_verifies_with_a_bit_flipped(T::KIND.name(), &world.seal(artefact), |b| {
            verify::<T>(b, ring).is_ok()
        });
    }
    let world = World::new();
    let trust = world.trust();
    never_verifies_with_a_bit_flipped("root", &world.seal(&world.root), |b| TrustRoot::pin(b).is_ok());
    flip::<Head>(&world, &world.head, &trust.ring(Kind::Head));
    flip::<Manifest>(&world, &world.manifest, &trust.ring(Kind::Manifest));
    flip::<Grant>(&world, &world.grant, &trust.ring(Kind::Grant));
    flip::<Pool>(&world, &world.pool, &trust.ring(Kind::Pool));
    flip::<Allocation>(&world, &world.allocation, &trust.ring(Kind::Allocation));
    flip::<NodeCertificate>(&world, &world.certificate, &trust.ring(Kind::NodeCertificate));
    flip::<TimeStatement>(&world, &world.time, &trust.ring(Kind::TimeStatement));
    flip::<Bundle>(&world, &world.bundle, &trust.ring(Kind::Bundle));
    flip::<Request>(&world, &world.request, &ring_of("node"));
    flip::<Receipt>(&world, &world.receipt, &ring_of("node"));
    let ring = ring_of("node");
    never_verifies_with_a_bit_flipped("lease", &world.sealed_ticket(), |b| {
        verify::<LeaseTicket>(b, &ring).is_ok()
    });
}

#[test]
fn a_verified_value_keeps_its_bytes_and_its_id() {
    let world = World::new();
    let bytes = world.seal(&world.grant);
    let verified = verify::<Grant>(&bytes, &ring_of("grant")).unwrap();
    assert_eq!(verified.envelope(), bytes);
    assert_eq!(*verified, world.grant);
    let parts = crate::fixture::joined(&[b"LH1-id", b"lh/grant/1", &REALM.id.0, &[1], &encode(&world.grant)]);
    assert_eq!(verified.digest().0, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(parts)));
    let other_signer = sealed(&REALM, &world.grant, &["approve"]);
    let by_other = verify::<Grant>(&other_signer, &ring_of("approve")).unwrap();
    assert_eq!(by_other.digest(), verified.digest(), "whoever signed it");
}

#[test]
fn every_signer_must_be_known_and_right_and_sign_once() {
    let world = World::with(|w| w.add_key(Role::Grant, "grant-2"));
    assert_eq!(grant_by(&world, &["grant"]), Ok(()));
    assert_eq!(grant_by(&world, &["grant", "grant-2"]), Ok(()));
    assert_eq!(grant_by(&world, &["stranger"]), Err(VerifyError::UnknownKey(key("stranger").id())));
    assert_eq!(grant_by(&world, &["grant", "stranger"]), Err(VerifyError::UnknownKey(key("stranger").id())));
    assert_eq!(grant_by(&world, &["grant", "grant"]), Err(VerifyError::DuplicateSigner(key("grant").id())));
    let mut bytes = sealed(&REALM, &world.grant, &["grant", "grant-2"]);
    *bytes.last_mut().unwrap() ^= 1;
    let ring = world.trust().ring(Kind::Grant);
    assert_eq!(verdict::<Grant>(&bytes, &ring), Err(VerifyError::BadSignature(key("grant-2").id())));
}

#[test]
fn a_threshold_counts_distinct_keys() {
    let world = World::with(|w| {
        w.add_key(Role::Grant, "grant-2");
        w.add_key(Role::Grant, "grant-3");
        w.set_threshold(Role::Grant, 2);
    });
    assert_eq!(grant_by(&world, &["grant", "grant-3"]), Ok(()));
    assert_eq!(grant_by(&world, &["grant"]), Err(VerifyError::Threshold { found: 1, needed: 2 }));
    assert_eq!(grant_by(&world, &["grant", "grant"]), Err(VerifyError::DuplicateSigner(key("grant").id())));
}

#[test]
fn an_approval_is_no_signature_of_the_role_grant() {
    let world = World::new();
    assert_eq!(grant_by(&world, &["approve"]), Err(VerifyError::Threshold { found: 0, needed: 1 }));
    assert_eq!(grant_by(&world, &["grant", "approve"]), Ok(()));
    let manifest = sealed(&REALM, &world.manifest, &["grant", "approve"]);
    let ring = world.trust().ring(Kind::Manifest);
    assert_eq!(verdict::<Manifest>(&manifest, &ring), Err(VerifyError::UnknownKey(key("approve").id())));
}

#[test]
fn nobody_approves_himself() {
    let world = World::with(|w| {
        w.add_key(Role::Approve, "grant");
        w.key_mut("grant").caps.accounts = vec![AccountId(id("other account"))];
    });
    assert_eq!(grant_by(&world, &["grant"]), Err(VerifyError::Caps(CapsExceeded::Account)));
    assert_eq!(grant_by(&world, &["grant", "approve"]), Ok(()));
}

/// Which role signs which kind: every other role of the root is refused.
#[test]
fn every_kind_has_one_role() {
    fn check<T: Artefact>(world: &World, artefact: &T, role: &str) {
        let ring = world.trust().ring(T::KIND);
        for name in ["root", "grant", "alloc", "status", "enrol", "node"] {
            let result = verdict::<T>(&sealed(&REALM, artefact, &[name]), &ring);
            let expected = match name {
                _ if name == role => Ok(()),
                // It may second a time statement, and that is not enough.
                "root" | "grant" | "status" | "enrol" if T::KIND == Kind::TimeStatement => {
                    Err(VerifyError::Threshold { found: 0, needed: 1 })
                }
                _ => Err(VerifyError::UnknownKey(key(name).id())),
            };
            assert_eq!(result, expected, "{} signed by {name}", T::KIND);
        }
    }
    let world = World::new();
    check(&world, &world.head, "status");
    check(&world, &world.manifest, "grant");
    check(&world, &world.grant, "grant");
    check(&world, &world.pool, "grant");
    check(&world, &world.allocation, "alloc");
    check(&world, &world.time, "alloc");
    check(&world, &world.bundle, "alloc");
    check(&world, &world.certificate, "enrol");
    // What nodes sign verifies under no key of a root.
    check(&world, &world.request, "nobody");
    check(&world, &world.receipt, "nobody");
    let ring = world.trust().ring(Kind::LeaseTicket);
    assert!(verify::<LeaseTicket>(&sealed_ticket(&REALM, &world.ticket, "alloc"), &ring).is_err());
}

type Change = fn(&mut Caps, bool);

/// Each cap: the grant's demand at the bound and beyond it.
#[test]
fn each_cap_bounds_what_a_key_signs() {
    let cells: [(CapsExceeded, Change); 5] = [
        (CapsExceeded::Kind, |caps, within| caps.kinds = if within { vec![3, 4] } else { vec![3, 5] }),
        (CapsExceeded::Product, |caps, within| {
            caps.products = vec![ProductId(id(if within { "product" } else { "other" }))];
        }),
        (CapsExceeded::Account, |caps, within| {
            caps.accounts = vec![AccountId(id(if within { "account" } else { "other" }))];
        }),
        (CapsExceeded::Validity, |caps, within| {
            caps.max_validity_ms = Some(365 * DAY_MS - i64::from(!within));
        }),
        (CapsExceeded::Logged, |caps, within| caps.must_be_logged = !within),
    ];
    for (cell, change) in cells {
        let within = World::with(|w| change(&mut w.key_mut("grant").caps, true));
        assert_eq!(grant_by(&within, &["grant"]), Ok(()), "{cell}");
        let beyond = World::with(|w| change(&mut w.key_mut("grant").caps, false));
        assert_eq!(grant_by(&beyond, &["grant"]), Err(VerifyError::Caps(cell)));
        let waived = if cell == CapsExceeded::Logged { Err(VerifyError::Caps(cell)) } else { Ok(()) };
        assert_eq!(grant_by(&beyond, &["grant", "approve"]), waived, "approved beyond {cell}");
        let capped_approver = World::with(|w| {
            change(&mut w.key_mut("grant").caps, false);
            change(&mut w.key_mut("approve").caps, false);
        });
        assert_eq!(grant_by(&capped_approver, &["grant", "approve"]), Err(VerifyError::Caps(cell)));
    }
}

#[test]
fn seats_are_capped_with_overdraft_and_unlimited_exceeds_every_number() {
    fn pool_under(max_seats: u32, seats: Seats, signers: &[&str]) -> Result<(), VerifyError> {
        let world = World::with(|w| {
            w.pool.seats = seats;
            w.key_mut("grant").caps.max_seats = Some(max_seats);
        });
        verdict::<Pool>(&sealed(&REALM, &world.pool, signers), &world.trust().ring(Kind::Pool))
    }
    let exceeded = Err(VerifyError::Caps(CapsExceeded::Seats));
    // The overdraft is 10.
    assert_eq!(pool_under(110, Seats::Value(99), &["grant"]), Ok(()));
    assert_eq!(pool_under(110, Seats::Value(100), &["grant"]), Ok(()));
    assert_eq!(pool_under(110, Seats::Value(101), &["grant"]), exceeded);
    assert_eq!(pool_under(110, Seats::Value(101), &["grant", "approve"]), Ok(()));
    assert_eq!(pool_under(u32::MAX - 1, Seats::Unlimited, &["grant"]), exceeded);
}

#[test]
fn an_allocation_is_capped_by_its_slots_and_time() {
    for (change, cap) in [
        ((|caps| caps.max_seats = Some(39)) as fn(&mut Caps), CapsExceeded::Seats),
        (|caps| caps.max_validity_ms = Some(380 * DAY_MS - 1), CapsExceeded::Validity),
        (|caps| caps.kinds = vec![12, 15], CapsExceeded::Kind),
    ] {
        let world = World::with(|w| change(&mut w.key_mut("alloc").caps));
        let ring = world.trust().ring(Kind::Allocation);
        let bytes = sealed(&REALM, &world.allocation, &["alloc"]);
        assert_eq!(verdict::<Allocation>(&bytes, &ring), Err(VerifyError::Caps(cap)));
    }
    let world = World::with(|w| {
        w.key_mut("alloc").caps.max_seats = Some(40);
        w.key_mut("alloc").caps.max_validity_ms = Some(380 * DAY_MS);
    });
    let bytes = sealed(&REALM, &world.allocation, &["alloc"]);
    assert_eq!(verdict::<Allocation>(&bytes, &world.trust().ring(Kind::Allocation)), Ok(()));
}

#[test]
fn approvals_have_a_threshold_of_their_own() {
    let world = World::with(|w| {
        w.key_mut("grant").caps.max_validity_ms = Some(DAY_MS);
        w.add_key(Role::Approve, "approve-2");
        w.set_threshold(Role::Approve, 2);
    });
    let exceeded = Err(VerifyError::Caps(CapsExceeded::Validity));
    assert_eq!(grant_by(&world, &["grant", "approve"]), exceeded);
    assert_eq!(grant_by(&world, &["grant", "approve", "approve-2"]), Ok(()));
}

/// Every signer keeps its own caps: a second key does not stretch those of the first.
#[test]
fn a_second_signature_does_not_lift_the_caps_of_the_first() {
    let world = World::with(|w| {
        w.add_key(Role::Grant, "grant-2");
        w.key_mut("grant-2").caps.max_validity_ms = Some(DAY_MS);
    });
    let exceeded = Err(VerifyError::Caps(CapsExceeded::Validity));
    assert_eq!(grant_by(&world, &["grant", "grant-2"]), exceeded);
}

/// Windows are compared with the time of issue, both ends included.
#[test]
fn a_key_is_good_for_what_was_issued_in_its_window() {
    let window = Err(VerifyError::KeyWindow(key("grant").id()));
    for (not_before, not_after, expected) in
        [(0, 0, Ok(())), (1, 1, window.clone()), (-1, -1, window.clone()), (-1, 0, Ok(())), (0, 1, Ok(()))]
    {
        let world = World::with(|w| {
            w.key_mut("grant").not_before = NOW.plus(not_before);
            w.key_mut("grant").not_after = NOW.plus(not_after);
        });
        assert_eq!(grant_by(&world, &["grant"]), expected, "{not_before}..={not_after}");
    }
}

#[test]
fn prepared_keys_do_not_verify_and_retired_ones_do() {
    for (state, expected) in [
        (KeyState::Prepared, Err(VerifyError::UnknownKey(key("grant").id()))),
        (KeyState::Active, Ok(())),
        (KeyState::Retired, Ok(())),
    ] {
        let world = World::with(|w| w.key_mut("grant").state = state);
        assert_eq!(grant_by(&world, &["grant"]), expected, "{state:?}");
    }
}

#[test]
fn realms_and_modes_do_not_mix() {
    let world = World::new();
    let ring = world.trust().ring(Kind::Grant);
    for realm in
        [Realm { id: RealmId([9; 16]), mode: Mode::Live }, Realm { id: REALM.id, mode: Mode::Sandbox }]
    {
        let bytes = sealed(&realm, &world.grant, &["grant"]);
        assert_eq!(verdict::<Grant>(&bytes, &ring), Err(VerifyError::BadSignature(key("grant").id())));
        let ticket = sealed_ticket(&realm, &world.ticket, "node");
        let bad = Err(VerifyError::BadSignature(key("node").id()));
        assert_eq!(verdict::<LeaseTicket>(&ticket, &ring_of("node")), bad);
    }
}

/// A signature of one kind is none of another, although payload and key are the same.
#[test]
fn kinds_do_not_mix() {
    let world = World::new();
    let mut bytes = world.seal(&world.grant);
    bytes[4..6].copy_from_slice(&Kind::Manifest.number().to_le_bytes());
    let bad = Err(VerifyError::BadSignature(key("grant").id()));
    assert_eq!(verdict::<Manifest>(&bytes, &ring_of("grant")), bad);
}

/// The message is exactly that of the specification: any other way to join its parts is refused.
#[test]
fn what_is_signed_is_what_is_specified() {
    struct Fixed([u8; 64]);
    impl Signer for Fixed {
        fn public_key(&self) -> leasehold_protocol::keys::PublicKey {
            key("grant").public_key()
        }
        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignerFailed> {
            Ok(self.0)
        }
    }
    let world = World::new();
    let payload = encode(&world.grant);
    let signed = |text: &[u8]| {
        let signer = Fixed(key("grant").sign(text).unwrap());
        leasehold_protocol::envelope::seal(&REALM, &world.grant, &[&signer]).unwrap().envelope
    };
    let right = message(b"lh/grant/1", 1, &REALM, &payload);
    assert_eq!(verdict::<Grant>(&signed(&right), &ring_of("grant")), Ok(()));
    let concatenated = [b"LH1lh/grant/1\x01".as_slice(), &REALM.id.0, &[1], &payload].concat();
    for wrong in [
        payload.clone(),
        concatenated,
        message(b"lh/grant/2", 1, &REALM, &payload),
        message(b"lh/grant/1", 4, &REALM, &payload),
    ] {
        let bad = Err(VerifyError::BadSignature(key("grant").id()));
        assert_eq!(verdict::<Grant>(&signed(&wrong), &ring_of("grant")), bad);
    }
}

#[test]
fn malformed_is_told_from_forged() {
    let world = World::new();
    let ring = ring_of("grant");
    let good = world.seal(&world.grant);
    let code = |bytes: &[u8]| verdict::<Grant>(bytes, &ring).map_err(|error| error.code());
    assert_eq!(code(&good), Ok(()));
    assert_eq!(code(&good[1..]), Err(Code::Malformed));
    assert_eq!(code(&world.seal(&world.pool)), Err(Code::Malformed));
    let mut forged = good;
    forged[20] ^= 1;
    assert_eq!(code(&forged), Err(Code::BadSignature));
}

#[test]
fn a_root_is_not_spoilt_by_signatures_of_others() {
    let root = World::new().root;
    assert!(TrustRoot::pin(&sealed(&REALM, &root, &["root", "stranger"])).is_ok());
    let mut bytes = sealed(&REALM, &root, &["root", "stranger"]);
    *bytes.last_mut().unwrap() ^= 1;
    assert!(TrustRoot::pin(&bytes).is_ok(), "a foreign signature does not count");
    assert!(TrustRoot::pin(&sealed(&REALM, &root, &["stranger"])).is_err());
    assert!(TrustRoot::pin(&sealed(&REALM, &root, &["root", "root"])).is_err());
}

/// What is far ahead needs more than one role: a node asks which roles stand behind a time statement.
#[test]
fn a_time_statement_says_which_roles_signed_it() {
    let world = World::with(|w| {
        w.add_key(Role::Approve, "approve-2");
        w.set_threshold(Role::Approve, 2);
        w.add_key(Role::Alloc, "alloc-2");
        // One key in two roles.
        w.add_key(Role::Enrol, "alloc-2");
    });
    let ring = world.trust().ring(Kind::TimeStatement);
    let roles = |signers: &[&str]| {
        let verified = verify::<TimeStatement>(&sealed(&REALM, &world.time, signers), &ring)?;
        Ok::<_, VerifyError>(verified.roles().to_vec())
    };
    assert_eq!(roles(&["alloc"]), Ok(vec![Role::Alloc]));
    assert_eq!(roles(&["alloc", "alloc-2"]), Ok(vec![Role::Alloc]), "two keys of one role");
    assert_eq!(roles(&["alloc", "status"]), Ok(vec![Role::Alloc, Role::Status]));
    assert_eq!(roles(&["alloc", "root"]), Ok(vec![Role::Root, Role::Alloc]));
    assert_eq!(roles(&["alloc", "approve"]), Ok(vec![Role::Alloc]), "one of the two that its role needs");
    assert_eq!(roles(&["alloc", "approve", "approve-2"]), Ok(vec![Role::Approve, Role::Alloc]));
    assert_eq!(roles(&["status"]), Err(VerifyError::Threshold { found: 0, needed: 1 }));
    assert_eq!(roles(&["root"]), Err(VerifyError::Threshold { found: 0, needed: 1 }));
    assert_eq!(roles(&["alloc", "stranger"]), Err(VerifyError::UnknownKey(key("stranger").id())));
    let allocation = sealed(&REALM, &world.allocation, &["alloc", "status"]);
    let seconded = verdict::<Allocation>(&allocation, &world.trust().ring(Kind::Allocation));
    assert_eq!(seconded, Err(VerifyError::UnknownKey(key("status").id())), "of nothing else");
}
