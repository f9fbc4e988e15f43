//! SPEC PROOF: with the trust root alone, a seat is proved or the step that fails is named.

use leasehold_protocol::artefact::{Extensions, Interval, Role, SeatProof, Seats};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, GrantId, NodeId, PoolId};
use leasehold_protocol::proof::{ProofFault, ProvedSeat, Step, verify_proof};
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use sha2::{Digest as _, Sha256};

use crate::fixture::{NOW, REALM, World, id, joined, key, sealed, sealed_ticket};

/// The step that fails, and the sentence.
fn failure(world: &World, proof: &SeatProof) -> Option<(Step, String)> {
    let error = verify_proof(&world.trust(), &proof.to_bytes()).err()?;
    Some((error.step, error.fault.to_string()))
}

fn seat(world: &World) -> ProvedSeat {
    verify_proof(&world.trust(), &world.proof().to_bytes()).unwrap().1
}

#[test]
fn a_seat_is_proved_with_the_trust_root_alone() {
    let world = World::new();
    let (chain, seat) = verify_proof(&world.trust(), &world.proof().to_bytes()).unwrap();
    assert_eq!(*seat.ticket, world.ticket);
    assert_eq!(seat.not_after, world.allocation.not_after);
    assert_eq!(**chain.grant(), world.grant);
    assert_eq!(**chain.pool(), world.pool);
    assert_eq!(**chain.allocation(), world.allocation);
    assert!(
        chain.verify_ticket(&world.sealed_ticket()).is_ok(),
        "a chain is good for every ticket of its row"
    );
}

#[test]
fn a_chain_is_named_by_all_of_it_but_the_ticket() {
    let mut chain = World::new().chain();
    chain.roots = vec![Bytes(b"root".to_vec())];
    let parts = joined(&[
        b"LH1-chain",
        b"root",
        &chain.grant.0,
        &chain.pool.0,
        &chain.allocation.0,
        &chain.certificate.0,
    ]);
    assert_eq!(chain.digest().0, <[u8; 32]>::from(Sha256::digest(parts)));
}

#[test]
fn every_step_fails_by_its_own_name() {
    let world = World::new();
    let broken = |change: fn(&mut SeatProof)| {
        let mut proof = world.proof();
        change(&mut proof);
        failure(&world, &proof).unwrap().0
    };
    assert_eq!(broken(|p| p.chain.roots.push(Bytes(b"no root".to_vec()))), Step::Root);
    assert_eq!(broken(|p| *p.chain.grant.0.last_mut().unwrap() ^= 1), Step::Grant);
    assert_eq!(broken(|p| *p.chain.pool.0.last_mut().unwrap() ^= 1), Step::Pool);
    assert_eq!(broken(|p| *p.chain.allocation.0.last_mut().unwrap() ^= 1), Step::Allocation);
    assert_eq!(broken(|p| *p.chain.certificate.0.last_mut().unwrap() ^= 1), Step::Certificate);
    assert_eq!(broken(|p| *p.ticket.0.last_mut().unwrap() ^= 1), Step::Ticket);
    assert_eq!(broken(|p| p.ext = critical()), Step::Container);
}

fn critical() -> Extensions {
    let content = Bytes(Vec::new());
    Extensions(vec![leasehold_protocol::artefact::Extension { tag: 1, critical: true, content }])
}

/// A bit of every byte: of the container, and of every envelope inside.
#[test]
fn a_damaged_proof_never_verifies() {
    let (trust, bytes) = (World::new().trust(), World::new().proof().to_bytes());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(verify_proof(&trust, &flipped).is_err(), "byte {at}");
        assert!(verify_proof(&trust, &bytes[..at]).is_err(), "{at} bytes");
    }
}

#[test]
fn what_is_no_proof_is_told_from_what_is_false() {
    let world = World::new();
    let error = |bytes: &[u8]| verify_proof(&world.trust(), bytes).unwrap_err();
    let bare = error(&world.sealed_ticket());
    assert_eq!((bare.step, bare.code()), (Step::ChainMissing, Code::ProofInvalid));
    for bytes in [&b""[..], b"lh1", &world.seal(&world.grant), &world.proof().to_bytes()[..100]] {
        let error = error(bytes);
        assert_eq!((error.step, error.code()), (Step::Container, Code::Malformed));
        assert!(matches!(error.fault, ProofFault::Bytes(_)));
    }
    let foreign = World::of(leasehold_protocol::envelope::Realm {
        mode: leasehold_protocol::envelope::Mode::Sandbox,
        ..REALM
    });
    let error = error(&foreign.proof().to_bytes());
    assert_eq!((error.step, error.code()), (Step::Grant, Code::ProofInvalid));
    assert!(error.to_string().starts_with("the proof fails at step grant: "), "{error}");
}

#[test]
fn the_steps_have_stable_names() {
    let steps = [
        (Step::Container, "container"),
        (Step::ChainMissing, "chain_missing"),
        (Step::Root, "root"),
        (Step::Grant, "grant"),
        (Step::Pool, "pool"),
        (Step::Allocation, "allocation"),
        (Step::Certificate, "certificate"),
        (Step::Ticket, "ticket"),
    ];
    for (step, name) in steps {
        assert_eq!(step.to_string(), name);
        assert_eq!(serde_json::to_value(step).unwrap(), name);
    }
}

type Change = fn(&mut World);

/// What an artefact says, in a world whose digests are right.
const FACTS: &[(Change, Step, &str)] = &[
    (|w| w.pool.grant = GrantId(id("other")), Step::Pool, "the pool is of another grant"),
    (|w| w.pool.account = other_account(), Step::Pool, "pool and grant are of different accounts"),
    (|w| w.allocation.pool = PoolId(id("other")), Step::Allocation, "the allocation is of another pool"),
    (
        |w| w.allocation.account = other_account(),
        Step::Allocation,
        "allocation and pool are of different accounts",
    ),
    (|w| w.set_slots(71, 40), Step::Allocation, "the allocation holds slots that the pool has not"),
    (
        |w| w.pool.seats = Seats::Unlimited,
        Step::Allocation,
        "the allocation holds slots that the pool has not",
    ),
    (|w| w.certificate.node = NodeId(id("other")), Step::Certificate, "the certificate is another node's"),
    (
        |w| w.certificate.account = other_account(),
        Step::Certificate,
        "certificate and allocation are of different accounts",
    ),
    (
        |w| w.certificate.sign_key = key("other node").bytes(),
        Step::Certificate,
        "the allocation is for another key of the node",
    ),
    (
        |w| w.certificate.generation = 2,
        Step::Certificate,
        "the allocation is for another generation of the node",
    ),
    (
        |w| w.certificate.not_before = NOW.plus(1),
        Step::Certificate,
        "the allocation was signed outside the certificate's time",
    ),
    (
        |w| w.allocation.issue.issued_at = w.certificate.not_after.plus(1),
        Step::Certificate,
        "the allocation was signed outside the certificate's time",
    ),
    (
        |w| w.certificate.caps.max_seats = Some(39),
        Step::Certificate,
        "the allocation is larger than the certificate allows",
    ),
    (|w| w.ticket.generation = 2, Step::Ticket, "the ticket is of another generation of the node"),
    (|w| w.ticket.slots = SlotSet::range(40, 1), Step::Ticket, "the ticket's slots are not the allocation's"),
    (|w| w.ticket.slots = SlotSet::EMPTY, Step::Ticket, "the ticket's slots are not the allocation's"),
    (
        |w| {
            w.pool.seats = Seats::Unlimited;
            w.set_slots(0, 0);
        },
        Step::Ticket,
        "the ticket's slots are not the allocation's",
    ),
    (
        |w| w.ticket.features = vec!["other".into()],
        Step::Ticket,
        "the ticket names a feature that the grant lacks",
    ),
    (|w| w.ticket.ttl_ms = 900_001, Step::Ticket, "the ticket lives longer than the pool allows"),
    (
        |w| w.ticket.issued.hi = w.allocation.not_after.plus(-900_000 + 1),
        Step::Ticket,
        "the ticket lives beyond the end of the allocation",
    ),
    (
        |w| w.ticket.issued = Interval { floor: w.allocation.not_after, hi: UnixMs::MAX },
        Step::Ticket,
        "the ticket lives beyond the end of the allocation",
    ),
    (
        |w| (w.ticket.issued.hi, w.allocation.suspect_budget_ms) = (UnixMs::MAX, 0),
        Step::Ticket,
        "the ticket was issued without knowing the time, for which the allocation has no budget",
    ),
    (
        |w| (w.ticket.issued.hi, w.allocation.fixed) = (UnixMs::MAX, false),
        Step::Ticket,
        "the ticket was issued without knowing the time, for which the allocation has no budget",
    ),
];

/// By which digest an artefact names another one.
const LINKS: &[(Change, Step, &str)] = &[
    (|w| w.grant.grace_ms = 0, Step::Pool, "the pool was cut from another version of the grant"),
    (
        |w| w.allocation.pool_digest = Digest([9; 32]),
        Step::Allocation,
        "the allocation was cut from another version of the pool",
    ),
    (|w| w.ticket.allocation = Digest([9; 32]), Step::Ticket, "the ticket names another allocation"),
];

fn other_account() -> AccountId {
    AccountId(id("other account"))
}

/// Every link of the chain, each broken alone.
#[test]
fn every_artefact_is_nested_in_the_one_above_it() {
    let verdict = |world: &World| failure(world, &world.proof());
    for (change, step, what) in FACTS {
        assert_eq!(verdict(&World::with(change)), Some((*step, (*what).to_owned())));
    }
    for (change, step, what) in LINKS {
        assert_eq!(verdict(&World::broken(change)), Some((*step, (*what).to_owned())));
    }
}

#[test]
fn every_bound_of_a_chain_is_included() {
    let bounds = World::with(|w| {
        w.certificate.caps.max_seats = Some(40);
        w.certificate.not_after = NOW.plus(1);
        w.allocation.issue.issued_at = NOW.plus(1);
        w.set_slots(70, 40);
        w.ticket.slots = SlotSet::range(109, 1);
        w.ticket.issued.hi = w.allocation.not_after.plus(-900_000);
    });
    assert_eq!(failure(&bounds, &bounds.proof()), None);
}

#[test]
fn a_seat_of_an_unlimited_pool_has_no_slot() {
    let unlimited = World::with(|w| {
        w.pool.seats = Seats::Unlimited;
        w.set_slots(0, 0);
        w.ticket.slots = SlotSet::EMPTY;
        w.ticket.count = 5;
    });
    assert_eq!(failure(&unlimited, &unlimited.proof()), None);
}

#[test]
fn only_the_key_of_the_certificate_signs_tickets() {
    let world = World::new();
    let mut proof = world.proof();
    for signer in ["alloc", "other node"] {
        proof.ticket = Bytes(sealed_ticket(&REALM, &world.ticket, signer));
        assert_eq!(failure(&world, &proof).map(|(step, _)| step), Some(Step::Ticket));
    }
}

#[test]
fn a_proof_brings_the_roots_after_the_verifiers_own() {
    let old = World::new();
    let new = World::with(|w| {
        w.root.version = 2;
        w.add_key(Role::Grant, "grant-2");
    });
    let mut proof = new.proof();
    proof.chain.grant = Bytes(sealed(&REALM, &new.grant, &["grant-2"]));
    assert_eq!(
        failure(&old, &proof).map(|(step, _)| step),
        Some(Step::Grant),
        "the new key is not known yet"
    );
    proof.chain.roots = vec![Bytes(sealed(&REALM, &new.root, &["root"]))];
    assert_eq!(failure(&old, &proof), None);
    proof.chain.roots.push(Bytes(sealed(&REALM, &new.root, &["stranger"])));
    assert_eq!(
        failure(&old, &proof).map(|(step, _)| step),
        Some(Step::Root),
        "what is carried along is whole"
    );
    proof.chain.roots.truncate(1);
    assert_eq!(failure(&new, &proof), None, "the verifier's own root may be carried along");
    proof.chain.roots[0] = Bytes(sealed(&REALM, &new.root, &["stranger"]));
    assert_eq!(failure(&new, &proof).map(|(step, _)| step), Some(Step::Root), "also where it is not needed");
    assert_eq!(failure(&old, &proof).map(|(step, _)| step), Some(Step::Root));
}

/// live iff floor ≤ at < min(hi + ttl, the end of the allocation).
#[test]
fn a_seat_is_live_from_its_floor_to_its_end() {
    let check = |world: &World, first: UnixMs, end: UnixMs| {
        let seat = seat(world);
        for (at, live) in [(first.plus(-1), false), (first, true), (end.plus(-1), true), (end, false)] {
            assert_eq!(seat.is_live(at), live, "{at}");
        }
    };
    let world = World::new();
    check(&world, NOW, NOW.plus(300_000 + 900_000));
    let to_the_end = World::with(|w| w.ticket.issued.hi = w.allocation.not_after.plus(-900_000));
    check(&to_the_end, NOW, world.allocation.not_after);
    let unknown = World::with(|w| w.ticket.issued.hi = UnixMs::MAX);
    check(&unknown, NOW, world.allocation.not_after);
    assert!(!seat(&unknown).is_live(UnixMs::MAX));
    let no_floor = World::with(|w| w.ticket.issued.floor = UnixMs::MIN);
    assert!(seat(&no_floor).is_live(UnixMs::MIN));
}
