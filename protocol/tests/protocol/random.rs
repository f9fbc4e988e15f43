//! Whatever comes in: nothing panics, and what is written is read back.

use std::sync::LazyLock;

use leasehold_protocol::armour::{armour, one_line, unarmour};
use leasehold_protocol::artefact::{
    Artefact, Caps, Extension, Interval, Limit, LimitValue, SeatProof, Seats,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::canonical::{decode, encode};
use leasehold_protocol::envelope::Envelope;
use leasehold_protocol::inspect::describe;
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::proof::verify_proof;
use leasehold_protocol::request::open_request;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::fixture::{REALM, World};

/// Puts bytes through every door there is.
fn knock(trust: &TrustRoot, bytes: &[u8]) {
    let _ = Envelope::parse(bytes);
    let _ = TrustRoot::pin(bytes);
    let _ = trust.advance(bytes);
    let _ = open_bundle(trust, bytes);
    let _ = verify_proof(trust, bytes);
    let _ = open_request(bytes, REALM);
    let _ = SeatProof::from_bytes(bytes);
    let _ = unarmour(bytes);
    let _ = describe(bytes, Some(trust));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<JoinCode>();
    }
}

static TRUST: LazyLock<TrustRoot> = LazyLock::new(|| World::new().trust());

/// Good envelopes, to be damaged.
static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let world = World::new();
    vec![
        world.seal(&world.root),
        world.seal(&world.request),
        world.sealed_bundle(),
        world.proof().to_bytes(),
        world.sealed_ticket(),
        armour(&world.seal(&world.grant)).unwrap().into_bytes(),
        one_line(&world.seal(&world.grant)).unwrap().into_bytes(),
    ]
});

fn round_trip<T: Artefact + PartialEq + std::fmt::Debug>(artefact: &T) {
    assert_eq!(decode::<T>(&encode(artefact)).as_ref(), Ok(artefact));
}

fn slots() -> impl Strategy<Value = SlotSet> {
    vec(any::<u16>(), 0..20).prop_map(|slots| slots.into_iter().map(u32::from).collect())
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let content = vec(any::<u8>(), 0..40).prop_map(Bytes);
    vec((any::<u16>(), any::<bool>(), content), 0..4).prop_map(|list| {
        list.into_iter().map(|(tag, critical, content)| Extension { tag, critical, content }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600), as_envelope in any::<bool>(), kind in 0_u8..20) {
        let framed = [&b"\x89LH1"[..], &[kind, 0, 1, 0], &u32::try_from(bytes.len()).unwrap().to_le_bytes(), &bytes, &[1, 1], &[0; 72]];
        if as_envelope { knock(&TRUST, &framed.concat()) } else { knock(&TRUST, &bytes) }
    }

    #[test]
    fn damaged_artefacts_never_panic(which in 0_usize..7, at in any::<prop::sample::Index>(), with in any::<[u8; 4]>(), cut in any::<bool>()) {
        let mut bytes = GOOD[which].clone();
        let at = at.index(bytes.len());
        for (byte, with) in bytes[at..].iter_mut().zip(with) {
            *byte = with;
        }
        if cut {
            bytes.truncate(at);
        }
        knock(&TRUST, &bytes);
    }

    /// Whatever decodes, encodes to the very bytes it came from.
    #[test]
    fn there_is_one_encoding(bytes in vec(any::<u8>(), 0..80)) {
        if let Ok(value) = decode::<Caps>(&bytes) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn slots_and_numbers_survive(
        slots in slots(),
        ext in extensions(),
        number in any::<u64>(),
        time in any::<i64>(),
        hash in any::<[u8; 32]>(),
    ) {
        let mut world = World::new();
        world.allocation.slots = slots.clone();
        world.allocation.seq = number;
        world.allocation.not_after = UnixMs(time);
        world.allocation.prev = Some(Digest(hash));
        world.allocation.ext.0 = ext.clone();
        round_trip(&world.allocation);
        world.receipt.released[0].slots = slots.clone();
        world.receipt.report_seq = number;
        round_trip(&world.receipt);
        world.ticket.slots = slots;
        world.ticket.issued = Interval { floor: UnixMs(time), hi: UnixMs::MAX };
        world.ticket.epoch = number;
        world.ticket.ext.0 = ext;
        round_trip(&world.ticket);
    }

    #[test]
    fn texts_survive(names in btree_set(".{0,20}", 0..6), number in any::<u64>(), seats in any::<u32>()) {
        let mut world = World::new();
        world.grant.features = names.iter().cloned().collect();
        world.grant.limits = names.iter().map(|name| Limit { name: name.clone(), value: LimitValue::Value(number) }).collect();
        world.grant.supersedes = Some(number);
        round_trip(&world.grant);
        world.pool.seats = Seats::Value(seats);
        world.pool.max_offline_base_ms = Some(number.cast_signed());
        round_trip(&world.pool);
        world.root.realm_name = names.into_iter().collect();
        world.root.keys[0].caps.max_seats = Some(seats);
        round_trip(&world.root);
        world.head.version = number;
        round_trip(&world.head);
        world.request.report_seq = number;
        round_trip(&world.request);
        world.bundle.issue.serial = number;
        round_trip(&world.bundle);
        world.time.floor_reset = Some(UnixMs(number.cast_signed()));
        round_trip(&world.time);
        world.certificate.generation = seats;
        round_trip(&world.certificate);
        world.manifest.entries[0].serial = number;
        round_trip(&world.manifest);
    }

    #[test]
    fn text_forms_survive(payload in vec(any::<u8>(), 0..300)) {
        let envelope = leasehold_protocol::envelope::container(leasehold_protocol::artefact::Kind::SeatProof, &payload);
        let block = armour(&envelope).unwrap();
        let line = one_line(&envelope).unwrap();
        prop_assert_eq!(unarmour(block.as_bytes()), Ok(envelope.clone()));
        prop_assert_eq!(unarmour(line.as_bytes()), Ok(envelope));
    }
}
