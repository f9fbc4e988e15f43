//! SPEC BND: a bundle is opened whole or not at all.

use leasehold_protocol::artefact::{
    Answers, Artefact, Bundle, Item, Kind, ManifestEntry, RevokedSerials, Role, Seats,
};
use leasehold_protocol::bundle::{BundleError, open_bundle};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Mode, Realm, RealmId, VerifyError};
use leasehold_protocol::ids::{AccountId, AllocationId, GrantId, NodeId, PoolId};
use leasehold_protocol::limits;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::trust_root::RootError;

use crate::fixture::{REALM, World, id, item, key, sealed};

fn open(world: &World) -> Result<(), BundleError> {
    open_bundle(&world.trust(), &world.sealed_bundle()).map(|_| ())
}

/// Opens a bundle whose list of items was changed.
fn open_items(change: impl FnOnce(&mut Vec<Item>)) -> Result<(), BundleError> {
    let world = World::new();
    let mut items = world.items();
    change(&mut items);
    open_bundle(&world.trust(), &world.bundle_of(items)).map(|_| ())
}

fn inconsistent(what: &'static str) -> Result<(), BundleError> {
    Err(BundleError::Inconsistent(what))
}

fn without(kind: Kind) -> impl FnOnce(&mut Vec<Item>) {
    move |items| items.retain(|item| item.kind != kind.number())
}

#[test]
fn a_whole_bundle_opens() {
    let world = World::new();
    let opened = open_bundle(&world.trust(), &world.sealed_bundle()).unwrap();
    assert_eq!(*opened.head, world.head);
    assert_eq!(*opened.manifest, world.manifest);
    assert_eq!(*opened.grants[0], world.grant);
    assert_eq!(*opened.pools[0], world.pool);
    assert_eq!(*opened.certificate, world.certificate);
    assert_eq!(*opened.allocations[0], world.allocation);
    assert_eq!(opened.time.as_deref(), Some(&world.time));
    assert_eq!(opened.rows_of(world.pool.issue.id).count(), 1);
    assert!(opened.pool(world.digest(&world.pool)).is_some());
    assert!(opened.grant(world.digest(&world.pool)).is_none());
}

#[test]
fn a_bundle_without_time_or_rows_opens() {
    assert_eq!(open_items(without(Kind::TimeStatement)), Ok(()));
    assert_eq!(open_items(without(Kind::Allocation)), Ok(()));
}

#[test]
fn a_bundle_lacks_nothing_it_needs() {
    for (kind, what) in [
        (Kind::Root, "it does not hold the newest root"),
        (Kind::Head, "it has no head"),
        (Kind::Manifest, "it has no manifest"),
        (Kind::NodeCertificate, "it has no node certificate"),
        (Kind::Grant, "it lacks the grant of a pool"),
        (Kind::Pool, "its manifest names what it does not hold"),
    ] {
        // The row would miss its pool first.
        let change = |items: &mut Vec<Item>| {
            without(kind)(items);
            if kind == Kind::Pool {
                without(Kind::Allocation)(items);
            }
        };
        assert_eq!(open_items(change), inconsistent(what), "{kind}");
    }
    let pool_gone = World::with(|w| w.pool.issue.serial = 9);
    assert_eq!(open(&pool_gone), Ok(()));
}

#[test]
fn a_bundle_holds_one_of_what_there_is_one_of() {
    let two = "it holds two of what there is one of";
    for kind in [Kind::Head, Kind::Manifest, Kind::NodeCertificate, Kind::TimeStatement] {
        let double = |items: &mut Vec<Item>| {
            let at = items.iter().position(|item| item.kind == kind.number()).unwrap();
            items.insert(at, items[at].clone());
        };
        assert_eq!(open_items(double), inconsistent(two), "{kind}");
    }
}

#[test]
fn a_bundle_holds_nothing_else() {
    let world = World::new();
    let request = item(Kind::Request, world.seal(&world.request));
    let foreign = "it holds an item that does not belong into a bundle";
    assert_eq!(open_items(|items| items.push(request)), inconsistent(foreign));
    let unknown = Item { kind: 99, envelope: Bytes(Vec::new()) };
    assert_eq!(open_items(|items| items.push(unknown)), inconsistent(foreign));
}

#[test]
fn items_ascend_and_are_what_they_are_called() {
    let mut bundle = World::new().bundle;
    bundle.items = World::new().items();
    assert_eq!(bundle.check(), Ok(()));
    bundle.items.swap(1, 2);
    assert_eq!(bundle.check().map_err(|error| error.field), Err("items"));
    let error = open_items(|items| items[1].envelope = items[2].envelope.clone());
    let wrong = VerifyError::WrongKind { expected: Kind::Head, found: Kind::Manifest };
    assert_eq!(error, Err(BundleError::Item { kind: Kind::Head, error: wrong }));
}

#[test]
fn a_bundle_answers_a_request_or_is_one_of_a_series() {
    let series = |number, count| Answers::Series { series: [1; 16], number, count };
    for (number, count, holds) in [(0, 3, false), (1, 3, true), (3, 3, true), (4, 3, false), (1, 1, true)] {
        let bundle = Bundle { answers: series(number, count), ..World::new().bundle };
        assert_eq!(bundle.check().is_ok(), holds, "{number} of {count}");
    }
    assert!(Bundle { generation: 0, ..World::new().bundle }.check().is_err());
}

type Change = fn(&mut World);

/// What an artefact says, in a world whose digests are right.
const FACTS: &[(Change, &str)] = &[
    (|w| w.head.root_version = 2, "its head names another root"),
    (|w| w.head.status_generation = 2, "its head is of another status"),
    (|w| w.head.account = other_account(), "its head is another account's"),
    (
        |w| w.head.revoked = vec![RevokedSerials::new(Kind::Grant, [3, w.grant.issue.serial])],
        "it holds a grant that its head revokes",
    ),
    (
        |w| w.head.revoked = vec![RevokedSerials::new(Kind::Pool, [w.pool.issue.serial])],
        "it holds a pool that its head revokes",
    ),
    (|w| w.head.revocations = Some(Digest([9; 32])), "its head names a list that this version cannot read"),
    (|w| w.head.min_grant_generation = w.grant.generation + 1, "it holds a grant that its head revokes"),
    (
        |w| w.head.min_node_version = limits::READER_VERSION + 1,
        "its head asks for a newer version of the node",
    ),
    (|w| w.manifest.account = other_account(), "its manifest is another account's"),
    (|w| w.grant.account = other_account(), "it holds another account's grant"),
    (|w| w.pool.account = other_account(), "it holds another account's pool"),
    (|w| w.pool.grant = GrantId(id("other grant")), "it holds a pool of another grant"),
    (|w| w.certificate.node = other_node(), "its certificate is another node's"),
    (|w| w.certificate.account = other_account(), "its certificate is another account's"),
    (|w| w.certificate.generation = 2, "its certificate is of another generation"),
    (|w| w.time.node = other_node(), "its time statement is another node's"),
    (|w| w.time.account = other_account(), "its time statement is another node's"),
    (|w| w.allocation.node = other_node(), "it holds another node's allocation"),
    (|w| w.allocation.account = other_account(), "it holds another account's allocation"),
    (|w| w.allocation.sign_key = key("other node").id(), "it holds an allocation for another key"),
    (|w| w.allocation.generation = 2, "it holds an allocation of another generation"),
    (
        |w| w.allocation.issue.issued_at = w.certificate.not_after.plus(1),
        "the allocation was signed outside the certificate's time",
    ),
    (|w| w.certificate.caps.max_seats = Some(39), "the allocation is larger than the certificate allows"),
    (|w| w.allocation.pool = PoolId(id("other pool")), "it holds an allocation of another pool"),
    (|w| w.set_slots(71, 40), "it holds an allocation of slots that its pool has not"),
    (|w| w.pool.seats = Seats::Unlimited, "it holds an allocation of slots that its pool has not"),
];

/// By which digest or serial an artefact names another one.
const LINKS: &[(Change, &str)] = &[
    (|w| w.head.manifest = Digest([9; 32]), "its head names another manifest"),
    (|w| w.grant.version = 2, "its manifest lacks a grant it holds"),
    (|w| w.pool.overdraft = 9, "its manifest lacks a pool it holds"),
    (|w| w.allocation.pool_digest = Digest([9; 32]), "it lacks the pool of an allocation"),
    (
        |w| {
            w.manifest.entries[1].serial += 1;
            w.head.manifest = w.digest(&w.manifest);
        },
        "its manifest lacks a pool it holds",
    ),
    (
        |w| {
            w.manifest.entries.push(ManifestEntry { subject: (5, [0xFF; 16]), ..w.manifest.entries[1] });
            w.head.manifest = w.digest(&w.manifest);
        },
        "its manifest names what it does not hold",
    ),
];

fn other_account() -> AccountId {
    AccountId(id("other account"))
}

fn other_node() -> NodeId {
    NodeId(id("other node"))
}

/// One wrong link after the other, each named.
#[test]
fn everything_in_a_bundle_fits_together() {
    for (change, what) in FACTS {
        assert_eq!(open(&World::with(change)), inconsistent(what));
    }
    for (change, what) in LINKS {
        assert_eq!(open(&World::broken(change)), inconsistent(what));
    }
    assert_eq!(open(&World::with(|w| w.set_slots(70, 40))), Ok(()), "slots up to the pool's last one");
}

#[test]
fn no_slot_is_promised_twice() {
    let second = |change: fn(&mut leasehold_protocol::artefact::Allocation)| {
        let world = World::new();
        let mut row = world.allocation.clone();
        change(&mut row);
        open_items(|items| items.insert(6, item(Kind::Allocation, world.seal(&row))))
    };
    let shared = "two of its allocations share a slot";
    let other = AllocationId(id("other allocation"));
    assert_eq!(second(|row| row.issue.id = AllocationId(id("other allocation"))), inconsistent(shared));
    assert_eq!(second(|_| {}), inconsistent("it holds an allocation twice"));
    let apart = second(|row| {
        row.issue.id = AllocationId(id("other allocation"));
        row.slots = SlotSet::range(40, 10);
        row.borrow_slots = SlotSet::EMPTY;
    });
    assert_eq!(apart, Ok(()), "{other}");
}

/// From an older root the bundle leads to the newest one and is verified with its keys.
#[test]
fn roots_inside_are_followed_first() {
    let old = World::new();
    let mut new = World::with(|w| {
        w.root.version = 2;
        w.add_key(Role::Root, "root-2");
        w.add_key(Role::Alloc, "alloc-2");
        w.head.root_version = 2;
    });
    let newest = sealed(&REALM, &new.root, &["root", "root-2"]);
    let mut items = new.items();
    items[0] = item(Kind::Root, newest.clone());
    let bundle = Bundle { items: items.clone(), ..new.bundle.clone() };
    let opened = open_bundle(&old.trust(), &sealed(&REALM, &bundle, &["alloc-2"])).unwrap();
    assert_eq!(opened.root.root().version, 2);
    let from_newest = old.trust().advance(&newest).unwrap();
    assert!(open_bundle(&from_newest, &new.bundle_of(items.clone())).is_ok(), "known roots are skipped");

    // A bundle made before the root: the verifier is ahead of it.
    new.head.root_version = 1;
    let stale = open_bundle(&from_newest, &old.sealed_bundle()).map(|_| ());
    assert_eq!(stale, inconsistent("it does not hold the newest root"));
    // A root of our version that is not ours.
    let mut twin = old.root.clone();
    twin.realm_name = "Vectors Ltd.".into();
    let mut items = old.items();
    items[0] = item(Kind::Root, old.seal(&twin));
    let result = open_bundle(&old.trust(), &old.bundle_of(items)).map(|_| ());
    assert_eq!(result, Err(BundleError::Root(RootError::OtherOfSameVersion(1))));
}

#[test]
fn roots_that_do_not_follow_are_refused() {
    let mut third = World::new().root;
    third.version = 3;
    let result = open_items(|items| items.insert(1, item(Kind::Root, sealed(&REALM, &third, &["root"]))));
    assert_eq!(result, Err(BundleError::Root(RootError::NotNext { expected: 2, found: 3 })));
    assert_eq!(result.unwrap_err().code(), Code::BadSignature);
}

/// Another vendor's bundle is told from a forged one: people do different things about them.
#[test]
fn another_realm_is_told_from_a_bad_signature() {
    let ours = World::new().trust();
    for realm in
        [Realm { id: RealmId([9; 16]), mode: Mode::Live }, Realm { id: REALM.id, mode: Mode::Sandbox }]
    {
        let error = open_bundle(&ours, &World::of(realm).sealed_bundle()).unwrap_err();
        assert_eq!((error.clone(), error.code()), (BundleError::WrongRealm, Code::BundleWrongRealm));
    }
    let mut forged = World::new().sealed_bundle();
    *forged.last_mut().unwrap() ^= 1;
    let error = open_bundle(&ours, &forged).unwrap_err();
    assert_eq!(error, BundleError::Verify(VerifyError::BadSignature(key("alloc").id())));
    assert_eq!(error.code(), Code::BadSignature);
    let error = open_bundle(&ours, &forged[..forged.len() - 1]).unwrap_err();
    assert_eq!(error.code(), Code::Malformed);
    let head = World::new().seal(&World::new().head);
    assert_eq!(open_bundle(&ours, &head).unwrap_err().code(), Code::Malformed);
}

#[test]
fn an_item_that_does_not_verify_is_named() {
    let world = World::new();
    let forged = sealed(&REALM, &world.pool, &["alloc"]);
    let error = open_items(|items| items[4] = item(Kind::Pool, forged)).unwrap_err();
    let unknown = VerifyError::UnknownKey(key("alloc").id());
    assert_eq!(error, BundleError::Item { kind: Kind::Pool, error: unknown });
    assert_eq!(error.code(), Code::BadSignature);
}

/// Every bit of the outer envelope and of every item: nothing is accepted.
#[test]
fn a_damaged_bundle_never_opens() {
    let (world, trust) = (World::new(), World::new().trust());
    let bytes = world.sealed_bundle();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(open_bundle(&trust, &flipped).is_err(), "byte {at}");
        if at % 7 == 0 {
            assert!(open_bundle(&trust, &bytes[..at]).is_err(), "{at} bytes");
        }
    }
}
