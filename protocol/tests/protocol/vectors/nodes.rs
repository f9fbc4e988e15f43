//! Vectors of BATCH and REQ: what nodes sign.

#![expect(clippy::too_many_lines, reason = "each function is a table of vectors")]

use leasehold_protocol::artefact::{Kind, LeaseTicket};
use leasehold_protocol::canonical::encode;
use leasehold_protocol::envelope::{
    BatchSignature, Envelope, Mode, Realm, RealmId, SignatureEntry, TicketBatch,
};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::Signer;

use super::vector::{Check, Vector};
use crate::fixture::{REALM, World, key, message, sealed};

pub(super) fn all() -> Vec<Vector> {
    [batches(), requests()].concat()
}

const SIZE: u8 = 5;

fn tickets() -> Vec<LeaseTicket> {
    (0..SIZE).map(|n| LeaseTicket { lease: LeaseId([n; 16]), ..World::new().ticket }).collect()
}

/// The last of five tickets under one signature, with its place in the tree changed.
fn placed(change: impl FnOnce(&mut BatchSignature)) -> Vec<u8> {
    placed_in(&REALM, 4, change)
}

fn placed_in(realm: &Realm, index: u16, change: impl FnOnce(&mut BatchSignature)) -> Vec<u8> {
    let tickets = tickets();
    let leaves: Vec<_> = tickets.iter().map(|ticket| TicketBatch::leaf(&REALM, ticket)).collect();
    let batch = TicketBatch::sign(realm, &leaves, &key("node")).unwrap();
    let bytes = batch.envelope(&tickets[usize::from(index)], index).unwrap();
    let mut envelope = Envelope::parse(&bytes).unwrap();
    let SignatureEntry::Batch(place) = &mut envelope.signatures[0] else {
        panic!("tickets are batch-signed")
    };
    change(place);
    envelope.to_bytes()
}

fn batches() -> Vec<Vector> {
    let by: (Kind, &[&str]) = (Kind::LeaseTicket, &["node"]);
    let of = |number, rule, name, what, envelope: Vec<u8>| {
        Vector::signed(number, rule, name, what, by).envelope(envelope)
    };
    let alone = &World::new().ticket;
    let plain = key("node").sign(&message(b"lh/lease/1", 4, &REALM, &encode(&tickets()[4]))).unwrap();
    vec![
        of(
            500,
            "BATCH-1",
            "alone",
            "a tree of one ticket",
            crate::fixture::sealed_ticket(&REALM, alone, "node"),
        ),
        of(501, "BATCH-3", "first-of-five", "index 0 of 5, three hashes", placed_in(&REALM, 0, |_| {})),
        of(502, "BATCH-3", "last-of-five", "index 4 of 5, one hash", placed(|_| {})),
        of(503, "BATCH-1", "index-5-of-5", "an index beyond the tree", placed(|place| place.index = 5))
            .malformed("place in the tree"),
        of(504, "BATCH-1", "65-leaves", "a tree of 65 leaves", placed(|place| place.size = 65))
            .malformed("place in the tree"),
        of(505, "BATCH-1", "0-leaves", "a tree of no leaves", placed(|place| place.size = 0))
            .malformed("place in the tree"),
        of(506, "BATCH-1", "path-too-long", "a hash too many", placed(|place| place.path.push([0; 32])))
            .malformed("bytes after its end"),
        of(507, "BATCH-2", "other-leaf", "the path of another leaf", {
            let tickets = tickets();
            let leaves: Vec<_> = tickets.iter().map(|ticket| TicketBatch::leaf(&REALM, ticket)).collect();
            TicketBatch::sign(&REALM, &leaves, &key("node")).unwrap().envelope(&tickets[1], 0).unwrap()
        })
        .forged("does not verify"),
        of(
            508,
            "BATCH-2",
            "unprefixed",
            "the message of the ticket is signed, not its tree",
            placed(|place| place.signature = plain),
        )
        .forged("does not verify"),
        of(
            509,
            "BATCH-3",
            "path-damaged",
            "a hash of the path is another one",
            placed(|place| place.path[0][0] ^= 1),
        )
        .forged("does not verify"),
        of(
            510,
            "BATCH-3",
            "other-index",
            "index 3, whose path is longer, with that path",
            placed_in(&REALM, 3, |place| place.index = 2),
        )
        .forged("does not verify"),
        of(
            511,
            "BATCH-3",
            "other-size",
            "size 6, where the path of index 0 has the same length",
            placed_in(&REALM, 0, |place| place.size = 6),
        )
        .forged("does not verify"),
        of(
            512,
            "BATCH-3",
            "root-of-another-realm",
            "the tree is signed for another realm",
            placed_in(&Realm { id: RealmId([9; 16]), mode: Mode::Live }, 4, |_| {}),
        )
        .forged("does not verify"),
    ]
}

fn requests() -> Vec<Vector> {
    let request = &World::new().request;
    let sealed_by = |name| sealed(&REALM, request, &[name]);
    let of = |number, rule, name, what, check| Vector::new(number, rule, name, what, check).in_realm(REALM);
    vec![
        of(550, "REQ-2", "possessed", "signed with the key it names", Check::Request)
            .envelope(sealed_by("node")),
        of(551, "REQ-2", "not-possessed", "signed with another key than it names", Check::Request)
            .envelope(sealed_by("other node"))
            .forged("may not sign it here"),
        of(552, "REQ-2", "key-exchanged", "the key inside was exchanged after signing", Check::Request)
            .envelope({
                let mut bytes = sealed_by("node");
                let at = bytes.windows(32).position(|window| window == key("node").bytes().0).unwrap();
                bytes[at..at + 32].copy_from_slice(&key("other node").bytes().0);
                bytes
            })
            .forged("may not sign it here"),
        of(560, "REQ-3", "join", "the join code is known", Check::Join)
            .envelope(sealed_by("node"))
            .secret([0x33; 16]),
        of(561, "REQ-3", "join-other-code", "another join code is known", Check::Join)
            .envelope(sealed_by("node"))
            .secret([0x34; 16])
            .refused(leasehold_protocol::code::Code::JoinCodeInvalid, ""),
        of(562, "REQ-3", "join-other-keys", "the proof was made for another node's keys", Check::Join)
            .envelope({
                let mut stolen = request.clone();
                stolen.sign_key = key("other node").bytes();
                sealed(&REALM, &stolen, &["other node"])
            })
            .secret([0x33; 16])
            .refused(leasehold_protocol::code::Code::JoinCodeInvalid, ""),
    ]
}
