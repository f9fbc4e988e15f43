//! SPEC ENV: what is an envelope, and that no byte of it is free.

use leasehold_protocol::artefact::{Artefact, Grant, Kind, Malformed};
use leasehold_protocol::canonical::{CodecError, encode};
use leasehold_protocol::envelope::{Envelope, EnvelopeError, MAGIC, VerifyError, container, verify};
use leasehold_protocol::limits;

use crate::fixture::{NOW, REALM, World, ring_of, sealed_payload};

fn parse(bytes: &[u8]) -> Result<(), EnvelopeError> {
    Envelope::parse(bytes).map(|_| ())
}

/// A good envelope with some bytes replaced.
fn patched(at: usize, with: &[u8]) -> Vec<u8> {
    let world = World::new();
    let mut bytes = world.seal(&world.grant);
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

#[test]
fn a_good_one_is_taken_apart_and_put_together_again() {
    let world = World::new();
    let bytes = world.seal(&world.grant);
    let envelope = Envelope::parse(&bytes).unwrap();
    assert_eq!((envelope.kind, envelope.version), (Kind::Grant, 1));
    assert_eq!(envelope.payload, encode(&world.grant));
    assert_eq!(envelope.to_bytes(), bytes);
}

#[test]
fn other_first_bytes_are_refused() {
    assert_eq!(parse(b""), Err(EnvelopeError::Empty));
    for at in 0..MAGIC.len() {
        assert_eq!(parse(&patched(at, b"?")), Err(EnvelopeError::BadMagic));
    }
}

#[test]
fn unknown_types_versions_and_flags_are_refused() {
    for number in (0..=20_u16).chain([0x0104, u16::MAX]) {
        let known = Kind::from_number(number).is_some();
        let result = parse(&patched(4, &number.to_le_bytes()));
        assert_eq!(result == Err(EnvelopeError::UnknownKind(number)), !known, "{number}");
    }
    for version in [0, 2, 255] {
        assert_eq!(parse(&patched(6, &[version])), Err(EnvelopeError::UnknownVersion(version)));
    }
    for bit in 0..8 {
        assert_eq!(parse(&patched(7, &[1 << bit])), Err(EnvelopeError::UnknownFlags));
    }
}

#[test]
fn a_kind_is_refused_where_another_belongs() {
    let world = World::new();
    let pool = world.seal(&world.pool);
    let error = verify::<Grant>(&pool, &ring_of("grant")).unwrap_err();
    assert_eq!(error, VerifyError::WrongKind { expected: Kind::Grant, found: Kind::Pool });
}

#[test]
fn every_prefix_is_cut_short_and_every_suffix_trails() {
    let world = World::new();
    for bytes in [world.seal(&world.grant), world.sealed_ticket(), world.proof().to_bytes()] {
        for len in 1..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Err(EnvelopeError::Truncated), "{len} of {}", bytes.len());
        }
        for more in [&b"\0"[..], b"\n", &bytes] {
            assert_eq!(parse(&[&bytes, more].concat()), Err(EnvelopeError::TrailingBytes));
        }
    }
}

#[test]
fn a_payload_length_that_lies_is_refused_without_reading_so_much() {
    assert_eq!(parse(&patched(8, &u32::MAX.to_le_bytes())), Err(EnvelopeError::Truncated));
}

/// A grant's envelope with the number of signatures replaced and `entries` copies of its signature.
fn with_signatures(count: u8, entries: usize) -> Vec<u8> {
    let world = World::new();
    let bytes = world.seal(&world.grant);
    let at = 12 + encode(&world.grant).len();
    [&bytes[..at], &[count], &bytes[at + 1..].repeat(entries)].concat()
}

#[test]
fn from_1_to_16_signatures_fit() {
    for (count, entries, expected) in [
        (0, 0, Err(EnvelopeError::SignatureCount)),
        (1, 1, Ok(())),
        (15, 15, Ok(())),
        (16, 16, Ok(())),
        (17, 17, Err(EnvelopeError::SignatureCount)),
        (255, 255, Err(EnvelopeError::SignatureCount)),
        (2, 1, Err(EnvelopeError::Truncated)),
        (1, 2, Err(EnvelopeError::TrailingBytes)),
    ] {
        assert_eq!(parse(&with_signatures(count, entries)), expected, "{count}, {entries} there");
    }
}

#[test]
fn a_container_has_no_signature() {
    let mut proof = World::new().proof().to_bytes();
    assert_eq!(parse(&proof), Ok(()));
    *proof.last_mut().unwrap() = 1;
    assert_eq!(parse(&proof), Err(EnvelopeError::SignatureCount));
    let signed_kind = container(Kind::Grant, &encode(&World::new().grant));
    assert_eq!(parse(&signed_kind), Err(EnvelopeError::SignatureCount));
}

#[test]
fn each_type_has_its_algorithm() {
    let world = World::new();
    let grant = world.seal(&world.grant);
    let alg_at = 12 + encode(&world.grant).len() + 1;
    for alg in (0..=255).filter(|&alg| alg != 1) {
        assert_eq!(parse(&patched(alg_at, &[alg])), Err(EnvelopeError::Algorithm), "{alg}");
    }
    assert_eq!(parse(&grant), Ok(()));
    let mut ticket = world.sealed_ticket();
    let alg_at = 12 + encode(&world.ticket).len() + 1;
    assert_eq!(ticket[alg_at], 4);
    for alg in (0..=255).filter(|&alg| alg != 4) {
        ticket[alg_at] = alg;
        assert_eq!(parse(&ticket), Err(EnvelopeError::Algorithm), "{alg}");
    }
}

#[test]
fn each_type_has_its_size() {
    const OVERHEAD: usize = 12 + 1 + 73;
    for (kind, limit, overhead) in [
        (Kind::Grant, limits::ENVELOPE_BYTES, OVERHEAD),
        (Kind::Manifest, limits::LARGE_ENVELOPE_BYTES, OVERHEAD),
        (Kind::Bundle, limits::LARGE_ENVELOPE_BYTES, OVERHEAD),
        (Kind::SeatProof, limits::PROOF_BYTES, 13),
    ] {
        for (size, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let bytes = envelope_of(kind, size - overhead);
            assert_eq!(bytes.len(), size);
            let expected = if fits { Ok(()) } else { Err(EnvelopeError::TooLarge { limit }) };
            assert_eq!(parse(&bytes), expected, "{kind} of {size} bytes");
        }
    }
}

fn envelope_of(kind: Kind, payload_bytes: usize) -> Vec<u8> {
    let payload = vec![0; payload_bytes];
    let empty = container(kind, &payload);
    if kind == Kind::SeatProof {
        return empty;
    }
    [&empty[..empty.len() - 1], &[1, 1], &[0; 72]].concat()
}

/// The signature is checked over the received bytes before anything parses them.
#[test]
fn a_payload_is_parsed_only_once_its_signature_is_right() {
    let forged = sealed_payload::<Grant>(&REALM, b"not a grant", "status");
    assert!(matches!(verify::<Grant>(&forged, &ring_of("grant")), Err(VerifyError::UnknownKey(_))));
    let signed = sealed_payload::<Grant>(&REALM, b"not a grant", "grant");
    let error = verify::<Grant>(&signed, &ring_of("grant")).unwrap_err();
    assert_eq!(error, VerifyError::Payload(CodecError::Undecodable));
}

#[test]
fn content_that_breaks_a_rule_is_refused_although_it_is_signed() {
    let mut grant = World::new().grant;
    grant.not_after = NOW;
    assert!(grant.check().is_err());
    let signed = sealed_payload::<Grant>(&REALM, &encode(&grant), "grant");
    let error = verify::<Grant>(&signed, &ring_of("grant")).unwrap_err();
    let rule = Malformed { field: "not_after", rule: "must be after not_before" };
    assert_eq!(error, VerifyError::Malformed(rule));
}
