//! SPEC ROOT: what a trust root says, and how a verifier comes from one to the next.

use leasehold_protocol::artefact::{Artefact, Cutoff, Grant, KeyState, Kind, Role, Root, RootKey};
use leasehold_protocol::envelope::{Mode, Realm, RealmId, VerifyError, verify};
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::trust_root::{RootError, TrustRoot};

use crate::fixture::{DAY_MS, NOW, REALM, World, key, root_of, sealed};

/// Version 2, whose ROOT key is another one.
fn second() -> Root {
    let mut root = root_of(REALM, &[(Role::Root, &["root-2"]), (Role::Grant, &["grant"])]);
    root.version = 2;
    root
}

fn third() -> Root {
    Root { version: 3, ..second() }
}

fn advance(root: &Root, signers: &[&str]) -> Result<u32, RootError> {
    World::new().trust().advance(&sealed(&REALM, root, signers)).map(|next| next.root().version)
}

fn below(found: usize, needed: usize) -> Result<u32, RootError> {
    Err(RootError::Verify(VerifyError::Threshold { found, needed }))
}

#[test]
fn a_root_is_pinned_if_it_verifies_under_its_own_keys() {
    let world = World::new();
    let trust = TrustRoot::pin(&world.seal(&world.root)).unwrap();
    assert_eq!(trust.realm(), REALM);
    assert_eq!(**trust.root(), world.root);
    assert!(TrustRoot::pin(&sealed(&REALM, &world.root, &["grant"])).is_err());
    assert!(TrustRoot::pin(&world.seal(&world.head)).is_err());
    let two_of_two = World::with(|w| {
        w.add_key(Role::Root, "root-b");
        w.set_threshold(Role::Root, 2);
    });
    assert!(TrustRoot::pin(&sealed(&REALM, &two_of_two.root, &["root"])).is_err());
    assert!(TrustRoot::pin(&sealed(&REALM, &two_of_two.root, &["root", "root-b"])).is_ok());
}

#[test]
fn the_next_root_needs_the_keys_of_both_versions() {
    assert_eq!(advance(&second(), &["root", "root-2"]), Ok(2));
    assert_eq!(advance(&second(), &["root"]), below(0, 1), "without its own");
    assert_eq!(advance(&second(), &["root-2"]), below(0, 1), "without ours");
}

#[test]
fn the_thresholds_of_both_versions_hold() {
    let old = World::with(|w| {
        w.add_key(Role::Root, "root-b");
        w.set_threshold(Role::Root, 2);
    });
    let trust = TrustRoot::pin(&sealed(&REALM, &old.root, &["root", "root-b"])).unwrap();
    let mut next = root_of(REALM, &[(Role::Root, &["new-a", "new-b"])]);
    next.version = 2;
    next.roles[0].threshold = 2;
    let advance = |signers| trust.advance(&sealed(&REALM, &next, signers)).map(|root| root.root().version);
    assert_eq!(advance(&["root", "root-b", "new-a", "new-b"]), Ok(2));
    assert_eq!(advance(&["root", "new-a", "new-b"]), below(1, 2));
    assert_eq!(advance(&["root", "root-b", "new-b"]), below(1, 2));
}

#[test]
fn no_version_is_skipped_or_repeated() {
    assert_eq!(advance(&third(), &["root", "root-2"]), Err(RootError::NotNext { expected: 2, found: 3 }));
    let again = World::new().root;
    assert_eq!(advance(&again, &["root"]), Err(RootError::NotNext { expected: 2, found: 1 }));
}

#[test]
fn the_next_root_is_of_the_same_realm_and_mode() {
    for realm in
        [Realm { id: RealmId([9; 16]), mode: Mode::Live }, Realm { id: REALM.id, mode: Mode::Sandbox }]
    {
        let mut foreign = second();
        (foreign.realm, foreign.mode) = (realm.id, realm.mode);
        // Whether it is signed for its own realm or, by our keys, for ours.
        for signed_for in [realm, REALM] {
            let bytes = sealed(&signed_for, &foreign, &["root", "root-2"]);
            let result = World::new().trust().advance(&bytes).map(|_| ());
            assert_eq!(result, Err(RootError::WrongRealm));
        }
    }
}

#[test]
fn a_list_of_roots_is_followed_and_older_ones_are_skipped() {
    let old = World::new();
    let first = old.seal(&old.root);
    let second = sealed(&REALM, &second(), &["root", "root-2"]);
    let third = sealed(&REALM, &third(), &["root-2"]);
    let trust = old.trust();
    let follow = |trust: &TrustRoot, list: &[&Vec<u8>]| {
        trust.follow(list.iter().map(|bytes| bytes.as_slice())).map(|root| root.root().version)
    };
    assert_eq!(follow(&trust, &[]), Ok(1));
    assert_eq!(follow(&trust, &[&first, &second, &third]), Ok(3));
    assert_eq!(follow(&trust, &[&third]), below(0, 1), "signed by nobody we know yet");
    let newest = trust.follow([&second[..], &third[..]]).unwrap();
    assert_eq!(follow(&newest, &[&first, &second]), Ok(3), "a rollback is no step");
}

/// Root expiry warns people; it denies nothing.
#[test]
fn a_root_past_its_end_still_verifies() {
    let world = World::with(|w| w.root.not_after = NOW.plus(-400 * DAY_MS));
    assert_eq!(TrustRoot::pin(&world.seal(&world.root)).map(|_| ()), Ok(()));
    let world = World::with(|w| {
        w.key_mut("root").not_before = NOW.plus(-2);
        w.key_mut("root").not_after = NOW.plus(-1);
    });
    assert_eq!(TrustRoot::pin(&world.seal(&world.root)).map(|_| ()), Ok(()), "nor the window of a ROOT key");
}

type Change = fn(&mut World, PublicKeyBytes);

#[test]
fn a_malformed_root_is_refused() {
    let weak = {
        let mut identity = [0; 32];
        identity[0] = 1;
        PublicKeyBytes(identity)
    };
    let cases: &[(&str, Change)] = &[
        ("version", |w, _| w.root.version = 0),
        ("realm_name", |w, _| w.root.realm_name.clear()),
        ("realm_name", |w, _| w.root.realm_name = "two\nlines".into()),
        ("roles", |w, _| w.root.roles.reverse()),
        ("roles", |w, _| w.root.roles.retain(|entry| entry.role != Role::Root)),
        ("roles.threshold", |w, _| w.set_threshold(Role::Grant, 0)),
        ("roles.threshold", |w, _| w.set_threshold(Role::Grant, 2)),
        ("roles.keys", |w, _| w.root.roles[0].keys = vec![key("stranger").id()]),
        ("roles.keys", |w, _| w.root.roles[0].keys = vec![key("root").id(), key("root").id()]),
        ("keys", |w, _| w.root.keys.reverse()),
        ("keys", |w, weak| {
            w.root.keys.insert(0, RootKey { public_key: weak, ..w.root.keys[0].clone() });
        }),
        ("keys", |w, _| w.root.keys[0].not_after = w.root.keys[0].not_before.plus(-1)),
        ("caps.kinds", |w, _| w.root.keys[0].caps.kinds = vec![4, 4]),
        ("caps.max_validity_ms", |w, _| w.root.keys[0].caps.max_validity_ms = Some(-1)),
        ("issuer_tls_keys", |w, weak| w.root.issuer_tls_keys = vec![weak]),
        ("log_policy.witnesses", |w, weak| w.root.log_policy.witnesses = vec![weak]),
    ];
    assert_eq!(World::new().root.check(), Ok(()));
    for (field, change) in cases {
        let mut world = World::new();
        change(&mut world, weak);
        assert_eq!(world.root.check().map_err(|error| error.field), Err(*field));
    }
}

#[test]
fn kinds_that_nodes_sign_have_no_key_in_a_root() {
    let trust = World::new().trust();
    for kind in [Kind::LeaseTicket, Kind::Request, Kind::Receipt, Kind::SeatProof] {
        let ring = format!("{:?}", trust.ring(kind));
        assert!(ring.contains("candidates: {}"), "{kind}");
    }
}

#[test]
fn retired_root_keys_and_keys_with_a_cutoff_sign_no_more() {
    let retired = World::with(|w| {
        w.add_key(Role::Root, "root-2");
        w.key_mut("root-2").state = KeyState::Retired;
    });
    let next = Root { version: 2, ..retired.root.clone() };
    let after = |trust: &TrustRoot, signer| trust.advance(&sealed(&REALM, &next, &[signer])).map(|_| ());
    assert_eq!(after(&retired.trust(), "root-2"), Err(VerifyError::Threshold { found: 0, needed: 1 }.into()));
    assert_eq!(after(&retired.trust(), "root"), Ok(()));

    let cut = World::with(|w| {
        w.root.cutoffs = vec![Cutoff { key_id: key("grant").id(), log_index: u64::MAX }];
    });
    let grant = sealed(&REALM, &cut.grant, &["grant"]);
    let verdict = verify::<Grant>(&grant, &cut.trust().ring(Kind::Grant)).map(|_| ());
    assert_eq!(verdict, Err(VerifyError::UnknownKey(key("grant").id())));
}
