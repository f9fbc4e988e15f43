//! SPEC PC: the one encoding of a payload. Each way in which postcard alone would take a second one is refused.

use leasehold_protocol::artefact::{
    Allocation, Artefact, Extension, Extensions, Grant, Head, LeaseTicket, Manifest, NodeCertificate, Pool,
    Receipt, Request, Root, TimeStatement,
};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::canonical::{CodecError, decode, encode};
use leasehold_protocol::envelope::{VerifyError, verify};

use crate::fixture::{REALM, World, ring_of, sealed_payload};

#[test]
fn every_artefact_survives_its_encoding() {
    let world = World::new();
    assert_eq!(decode(&encode(&world.root)), Ok(world.root));
    assert_eq!(decode(&encode(&world.head)), Ok(world.head));
    assert_eq!(decode(&encode(&world.manifest)), Ok(world.manifest));
    assert_eq!(decode(&encode(&world.grant)), Ok(world.grant));
    assert_eq!(decode(&encode(&world.pool)), Ok(world.pool));
    assert_eq!(decode(&encode(&world.allocation)), Ok(world.allocation));
    assert_eq!(decode(&encode(&world.certificate)), Ok(world.certificate));
    assert_eq!(decode(&encode(&world.time)), Ok(world.time));
    assert_eq!(decode(&encode(&world.request)), Ok(world.request));
    assert_eq!(decode(&encode(&world.receipt)), Ok(world.receipt));
    assert_eq!(decode(&encode(&world.bundle)), Ok(world.bundle));
    assert_eq!(decode(&encode(&world.ticket)), Ok(world.ticket));
}

#[test]
fn bytes_after_the_value_are_refused() {
    let payload = encode(&World::new().grant);
    for more in [&b"\0"[..], &[0; 16], &payload] {
        assert_eq!(decode::<Grant>(&[&payload, more].concat()), Err(CodecError::TrailingBytes));
    }
}

#[test]
fn every_prefix_is_refused() {
    let payload = encode(&World::new().grant);
    for len in 0..payload.len() {
        assert_eq!(decode::<Grant>(&payload[..len]), Err(CodecError::Undecodable));
    }
}

#[test]
fn numbers_have_one_encoding() {
    assert_eq!(decode::<u64>(&[5]), Ok(5));
    for long in [&[0x85, 0x00][..], &[0x85, 0x80, 0x80, 0x80, 0x00], &[0x80, 0x00]] {
        assert_eq!(decode::<u64>(long), Err(CodecError::NotCanonical), "{long:02x?}");
    }
    // The last byte of the longest form holds what is left of the number, and no more.
    assert_eq!(decode::<u16>(&[0xFF, 0xFF, 0x03]), Ok(u16::MAX));
    assert_eq!(decode::<u16>(&[0xFF, 0xFF, 0x07]), Err(CodecError::Undecodable));
    assert_eq!(decode::<i64>(&[1]), Ok(-1));
}

#[test]
fn a_number_too_long_is_refused_inside_of_a_signed_artefact() {
    let grant = World::new().grant;
    let payload = encode(&grant);
    // After the 16 bytes of the id comes the serial, here 7.
    assert_eq!(payload[16], 7);
    let long = [&payload[..16], &[0x87, 0x00], &payload[17..]].concat();
    let signed = sealed_payload::<Grant>(&REALM, &long, "grant");
    let error = verify::<Grant>(&signed, &ring_of("grant")).unwrap_err();
    assert_eq!(error, VerifyError::Payload(CodecError::NotCanonical));
}

#[test]
fn truth_options_and_variants_have_their_tags_only() {
    assert_eq!(decode::<bool>(&[1]), Ok(true));
    assert_eq!(decode::<bool>(&[2]), Err(CodecError::Undecodable));
    assert_eq!(decode::<Option<u8>>(&[1, 9]), Ok(Some(9)));
    assert_eq!(decode::<Option<u8>>(&[2, 9]), Err(CodecError::Undecodable));
    assert_eq!(
        decode::<leasehold_protocol::artefact::Seats>(&[1]),
        Ok(leasehold_protocol::artefact::Seats::Unlimited)
    );
    assert_eq!(decode::<leasehold_protocol::artefact::Seats>(&[2]), Err(CodecError::Undecodable));
    assert_eq!(decode::<String>(&[1, 0xFF]), Err(CodecError::Undecodable));
}

#[test]
fn a_length_that_lies_is_refused_without_taking_memory_for_it() {
    assert_eq!(decode::<Vec<u64>>(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Err(CodecError::Undecodable));
    assert_eq!(decode::<Bytes>(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Err(CodecError::Undecodable));
}

/// What postcard alone does: the new last field of a newer writer would be dropped without a word.
#[test]
fn a_field_that_an_older_reader_does_not_know_is_refused() {
    let grant = World::new().grant;
    let newer = encode(&(grant, 5_u64));
    assert_eq!(decode::<Grant>(&newer), Err(CodecError::TrailingBytes));
}

/// Runs `check` on an artefact of each kind with these extensions.
fn verdicts(ext: &Extensions) -> Vec<bool> {
    fn accepts<T: Artefact>(mut artefact: T, ext: &Extensions, set: impl Fn(&mut T, Extensions)) -> bool {
        set(&mut artefact, ext.clone());
        decode::<T>(&encode(&artefact)).is_ok_and(|read| read.check().is_ok())
    }
    let world = World::new();
    vec![
        accepts::<Root>(world.root, ext, |a, ext| a.ext = ext),
        accepts::<Head>(world.head, ext, |a, ext| a.ext = ext),
        accepts::<Manifest>(world.manifest, ext, |a, ext| a.ext = ext),
        accepts::<Grant>(world.grant, ext, |a, ext| a.ext = ext),
        accepts::<Pool>(world.pool, ext, |a, ext| a.ext = ext),
        accepts::<Allocation>(world.allocation, ext, |a, ext| a.ext = ext),
        accepts::<NodeCertificate>(world.certificate, ext, |a, ext| a.ext = ext),
        accepts::<LeaseTicket>(world.ticket, ext, |a, ext| a.ext = ext),
        accepts::<TimeStatement>(world.time, ext, |a, ext| a.ext = ext),
        accepts::<Request>(world.request, ext, |a, ext| a.ext = ext),
        accepts::<Receipt>(world.receipt, ext, |a, ext| a.ext = ext),
        accepts::<leasehold_protocol::artefact::Bundle>(world.bundle, ext, |a, ext| a.ext = ext),
    ]
}

fn extension(tag: u16, critical: bool) -> Extension {
    Extension { tag, critical, content: Bytes(vec![1, 2, 3]) }
}

#[test]
fn unknown_extensions_are_ignored_unless_they_are_critical() {
    let lenient = Extensions(vec![extension(1, false), extension(900, false)]);
    assert_eq!(verdicts(&lenient), vec![true; 12]);
    let critical = Extensions(vec![extension(1, false), extension(900, true)]);
    assert_eq!(verdicts(&critical), vec![false; 12]);
}

#[test]
fn extensions_ascend_and_are_unique() {
    for tags in [[2, 1], [1, 1]] {
        let ext = Extensions(tags.map(|tag| extension(tag, false)).to_vec());
        assert_eq!(verdicts(&ext), vec![false; 12], "{tags:?}");
    }
}

#[test]
fn a_proof_refuses_critical_extensions_too() {
    use leasehold_protocol::artefact::SeatProof;
    let mut proof = World::new().proof();
    proof.ext = Extensions(vec![extension(1, false)]);
    assert_eq!(SeatProof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
    proof.ext = Extensions(vec![extension(1, true)]);
    assert!(SeatProof::from_bytes(&proof.to_bytes()).is_err());
}
