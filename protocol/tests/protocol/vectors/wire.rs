//! Vectors of PAE, KEY, ENV and VER: the envelope and who signed it.

#![expect(clippy::too_many_lines, reason = "each function is a table of vectors")]

use leasehold_protocol::artefact::{Caps, Grant, KeyState, Kind, Role};
use leasehold_protocol::canonical::encode;
use leasehold_protocol::envelope::{Envelope, Mode, Realm, RealmId, SignatureEntry, container};
use leasehold_protocol::ids::{AccountId, ProductId};
use leasehold_protocol::keys::{KeyId, Signer};
use sha2::{Digest as _, Sha256};

use super::vector::{Check, Vector};
use crate::fixture::{
    DAY_MS, NOW, REALM, World, id, joined, key, message, sealed, sealed_payload, sealed_ticket,
};

pub(super) fn all() -> Vec<Vector> {
    [messages(), frame(), sizes(), signers(), bounds()].concat()
}

const GRANT: (Kind, &[&str]) = (Kind::Grant, &["grant"]);

fn grant() -> Vec<u8> {
    World::new().seal(&World::new().grant)
}

/// The grant with its signature made over another message, or under another key id.
fn signed_over(message: &[u8], key_id: Option<KeyId>) -> Vec<u8> {
    let (payload, key) = (encode(&World::new().grant), key("grant"));
    let entry =
        SignatureEntry::Ed25519 { key_id: key_id.unwrap_or(key.id()), signature: key.sign(message).unwrap() };
    Envelope { kind: Kind::Grant, version: 1, payload: &payload, signatures: vec![entry] }.to_bytes()
}

fn messages() -> Vec<Vector> {
    let payload = encode(&World::new().grant);
    let right = message(b"lh/grant/1", 1, &REALM, &payload);
    let concatenated = [b"LH1lh/grant/1\x01".as_slice(), &REALM.id.0, &[1], &payload].concat();
    let without_context = joined(&[b"LH1", b"lh/grant/1", &[1], &REALM.id.0, &[1], &payload]);
    let bare_id = KeyId(Sha256::digest(key("grant").bytes().0)[..8].try_into().unwrap());
    let foreign = Realm { id: RealmId([9; 16]), mode: Mode::Live };
    let sandbox = Realm { mode: Mode::Sandbox, ..REALM };
    let id = |parts: &[u8]| Sha256::digest(parts).into();
    let right_id = joined(&[b"LH1-id", b"lh/grant/1", &REALM.id.0, &[1], &payload]);
    let signed = |number, rule, name, what| Vector::signed(number, rule, name, what, GRANT);
    let of_id = |number, name, what| {
        Vector::new(number, "ENV-9", name, what, Check::Id).in_realm(REALM).envelope(grant())
    };
    vec![
        signed(100, "ENV-7", "grant", "a good grant").envelope(signed_over(&right, None)),
        signed(101, "PAE-1", "concatenation", "the parts of the message are signed without their lengths")
            .envelope(signed_over(&concatenated, None))
            .forged("does not verify"),
        signed(102, "ENV-7", "no-context", "the empty context is left out of the message")
            .envelope(signed_over(&without_context, None))
            .forged("does not verify"),
        signed(103, "ENV-7", "other-version", "signed as version 2 of the type")
            .envelope(signed_over(&message(b"lh/grant/2", 1, &REALM, &payload), None))
            .forged("does not verify"),
        signed(104, "ENV-7", "other-alg", "signed with the algorithm number of batches")
            .envelope(signed_over(&message(b"lh/grant/1", 4, &REALM, &payload), None))
            .forged("does not verify"),
        signed(105, "ENV-7", "payload-only", "the payload alone is signed")
            .envelope(signed_over(&payload, None))
            .forged("does not verify"),
        signed(106, "KEY-1", "bare-key-id", "the key id is a hash of the key without its prefix")
            .envelope(signed_over(&right, Some(bare_id)))
            .forged("may not sign it here"),
        signed(107, "ENV-8", "other-realm", "signed for another realm")
            .envelope(sealed(&foreign, &World::new().grant, &["grant"]))
            .forged("does not verify"),
        signed(108, "ENV-8", "sandbox", "signed for the sandbox, verified as live")
            .envelope(sealed(&sandbox, &World::new().grant, &["grant"]))
            .forged("does not verify"),
        signed(109, "ENV-8", "sandbox-in-sandbox", "the same, verified as sandbox")
            .in_realm(sandbox)
            .envelope(sealed(&sandbox, &World::new().grant, &["grant"])),
        of_id(110, "id", "the id of a grant").digest(id(&right_id)),
        of_id(111, "id-of-payload", "SHA-256 of the payload is not its id").digest(id(&payload)).differs(),
        of_id(112, "id-without-realm", "an id without realm and mode is not its id")
            .digest(id(&joined(&[b"LH1-id", b"lh/grant/1", &payload])))
            .differs(),
    ]
}

fn patched(at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = grant();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn frame() -> Vec<Vector> {
    let count_at = 12 + encode(&World::new().grant).len();
    let good = grant();
    let signed = |number, rule, name, what| Vector::signed(number, rule, name, what, GRANT);
    let repeated = [&good[..count_at], &[17], &good[count_at + 1..].repeat(17)].concat();
    let ticket = World::new().ticket;
    let tickets: (Kind, &[&str]) = (Kind::LeaseTicket, &["node"]);
    vec![
        signed(120, "ENV-1", "empty", "no bytes at all").envelope([]).malformed("is empty"),
        signed(121, "ENV-1", "magic", "the first byte is another one")
            .envelope(patched(0, b"\x88"))
            .malformed("does not begin like"),
        signed(122, "ENV-2", "unknown-type", "type 99").envelope(patched(4, &[99])).malformed("type 99"),
        signed(123, "ENV-2", "big-endian-type", "the type number is big-endian")
            .envelope(patched(4, &[0, 4]))
            .malformed("type 1024"),
        signed(124, "ENV-2", "unknown-version", "version 2")
            .envelope(patched(6, &[2]))
            .malformed("version 2"),
        signed(125, "ENV-2", "flags", "a flag is set").envelope(patched(7, &[1])).malformed("has flags"),
        signed(126, "ENV-4", "no-signature", "a signed type without a signature")
            .envelope(container(Kind::Grant, &encode(&World::new().grant)))
            .malformed("number of signatures"),
        signed(127, "ENV-4", "17-signatures", "17 signatures")
            .envelope(repeated)
            .malformed("number of signatures"),
        signed(128, "ENV-5", "unknown-alg", "algorithm 2")
            .envelope(patched(count_at + 1, &[2]))
            .malformed("of an algorithm"),
        Vector::signed(129, "ENV-5", "plain-ticket", "a lease ticket with a signature of its own", tickets)
            .envelope(sealed(&REALM, &ticket, &["node"]))
            .malformed("of an algorithm"),
        signed(130, "ENV-5", "batch-signed-grant", "a batch signature on a grant")
            .envelope(patched(count_at + 1, &[4]))
            .malformed("of an algorithm"),
        signed(131, "ENV-6", "cut", "the last byte is missing")
            .envelope(&good[..good.len() - 1])
            .malformed("is cut short"),
        signed(132, "ENV-6", "cut-header", "11 bytes").envelope(&good[..11]).malformed("is cut short"),
        signed(133, "ENV-6", "trailing", "a byte after the end")
            .envelope([&good[..], b"\n"].concat())
            .malformed("bytes after its end"),
        signed(134, "ENV-6", "payload-length", "the payload length says 4 GiB")
            .envelope(patched(8, &[0xFF; 4]))
            .malformed("is cut short"),
    ]
}

fn sizes() -> Vec<Vector> {
    let proof = |bytes: usize| container(Kind::SeatProof, &vec![0; bytes - 13]);
    let under =
        |number, name, what| Vector::under(number, "ENV-3", name, what, (Check::Proof, &World::new()));
    vec![
        under(140, "proof-of-16385-bytes", "a proof one byte over its 16 KiB")
            .envelope(proof(16 * 1024 + 1))
            .fails_at(leasehold_protocol::proof::Step::Container, "larger than 16384 bytes"),
    ]
}

fn signers() -> Vec<Vector> {
    let world = World::new();
    let by = |signers: &[&str]| sealed(&REALM, &world.grant, signers);
    let signed = |number, rule, name, what| Vector::signed(number, rule, name, what, GRANT);
    let two: (Kind, &[&str]) = (Kind::Grant, &["grant", "grant-2"]);
    let mut second_wrong = by(&["grant", "grant-2"]);
    *second_wrong.last_mut().unwrap() ^= 1;
    vec![
        signed(200, "VER-1", "unknown-before-malformed", "a payload that does not decode, by an unknown key")
            .envelope(sealed_payload::<Grant>(&REALM, b"not a grant", "stranger"))
            .forged("may not sign it here"),
        signed(
            201,
            "VER-1",
            "signature-before-payload",
            "a payload that does not decode, changed after signing",
        )
        .envelope({
            let mut bytes = sealed_payload::<Grant>(&REALM, b"not a grant", "grant");
            bytes[12] ^= 1;
            bytes
        })
        .forged("does not verify"),
        signed(202, "VER-2", "pool-for-grant", "a pool where a grant belongs")
            .envelope(world.seal(&world.pool))
            .malformed("a pool where a grant belongs"),
        signed(203, "VER-3", "unknown-key", "signed by a key that may not")
            .envelope(by(&["stranger"]))
            .forged("may not sign it here"),
        signed(204, "VER-3", "unknown-second-key", "signed by a key that may and by one that may not")
            .envelope(by(&["grant", "stranger"]))
            .forged("may not sign it here"),
        Vector::signed(205, "VER-3", "second-signature-wrong", "one of two signatures is wrong", two)
            .envelope(second_wrong)
            .forged("does not verify"),
        signed(206, "VER-3", "bit-of-payload", "a bit of the payload is flipped")
            .envelope(patched(12, &[grant()[12] ^ 1]))
            .forged("does not verify"),
        signed(207, "VER-4", "signed-twice", "one key signs twice")
            .envelope(by(&["grant", "grant"]))
            .forged("more than once"),
        Vector::signed(208, "VER-5", "2-of-2", "two of two keys sign", two)
            .threshold(2)
            .envelope(by(&["grant", "grant-2"])),
        Vector::signed(209, "VER-5", "1-of-2", "one of two keys signs", two)
            .threshold(2)
            .envelope(by(&["grant-2"]))
            .forged("1 of the 2 signatures"),
        signed(210, "VER-3", "kinds", "the signature of a grant under the type number of a manifest")
            .of_kind(Kind::Manifest)
            .envelope(patched(4, &[3]))
            .forged("does not verify"),
        Vector::under(
            211,
            "VER-3",
            "ticket-by-alloc",
            "a lease ticket signed by the issuer",
            (Check::Rooted, &world),
        )
        .of_kind(Kind::LeaseTicket)
        .envelope(sealed_ticket(&REALM, &world.ticket, "alloc"))
        .forged("may not sign it here"),
        Vector::under(
            212,
            "VER-5",
            "approval-alone",
            "only a key of role approve signs",
            (Check::Rooted, &world),
        )
        .of_kind(Kind::Grant)
        .envelope(by(&["approve"]))
        .forged("0 of the 1 signatures"),
        time_by(213, "seconded", "a time statement signed by keys of alloc and status", &["alloc", "status"]),
        time_by(214, "seconder-alone", "a time statement signed by a key of status only", &["status"])
            .forged("0 of the 1 signatures"),
    ]
}

/// The time statement, signed by these keys.
fn time_by(number: u16, name: &'static str, what: &str, signers: &[&str]) -> Vector {
    let world = World::new();
    Vector::under(number, "VER-10", name, what, (Check::Rooted, &world))
        .of_kind(Kind::TimeStatement)
        .envelope(sealed(&REALM, &world.time, signers))
}

type Change = fn(&mut World);

/// A grant signed by these keys, under a root that was changed.
fn grant_under(number: u16, rule: &str, name: &'static str, what: &str, by: (&[&str], Change)) -> Vector {
    let (signers, change) = by;
    let world = World::with(change);
    Vector::under(number, rule, name, what, (Check::Rooted, &world)).of_kind(Kind::Grant).envelope(sealed(
        &REALM,
        &world.grant,
        signers,
    ))
}

fn cap(world: &mut World) -> &mut Caps {
    &mut world.key_mut("grant").caps
}

fn bounds() -> Vec<Vector> {
    let one: &[&str] = &["grant"];
    let approved: &[&str] = &["grant", "approve"];
    let capped = |number, name, what, change| grant_under(number, "VER-7", name, what, (one, change));
    vec![
        grant_under(
            220,
            "VER-6",
            "window-begins",
            "issued in the first millisecond of the key",
            (one, |w| {
                w.key_mut("grant").not_before = NOW;
            }),
        ),
        grant_under(
            221,
            "VER-6",
            "before-window",
            "issued a millisecond before the key begins",
            (one, |w| {
                w.key_mut("grant").not_before = NOW.plus(1);
            }),
        )
        .forged("outside the time"),
        grant_under(
            222,
            "VER-6",
            "after-window",
            "issued a millisecond after the key ended",
            (one, |w| {
                w.key_mut("grant").not_after = NOW.plus(-1);
            }),
        )
        .forged("outside the time"),
        grant_under(
            223,
            "ROOT-7",
            "retired",
            "signed by a key now retired",
            (one, |w| {
                w.key_mut("grant").state = KeyState::Retired;
            }),
        ),
        grant_under(
            224,
            "ROOT-7",
            "prepared",
            "signed by a key only prepared",
            (one, |w| {
                w.key_mut("grant").state = KeyState::Prepared;
            }),
        )
        .forged("may not sign it here"),
        capped(230, "cap-validity-reached", "as long as the cap allows", |w| {
            cap(w).max_validity_ms = Some(365 * DAY_MS);
        }),
        capped(231, "cap-validity", "a millisecond longer than the cap allows", |w| {
            cap(w).max_validity_ms = Some(365 * DAY_MS - 1);
        })
        .forged("the validity"),
        capped(232, "cap-kind", "the key may sign pools only", |w| cap(w).kinds = vec![5])
            .forged("the kind of artefact"),
        capped(233, "cap-product", "the key may sign for another product only", |w| {
            cap(w).products = vec![ProductId(id("other"))];
        })
        .forged("the product"),
        capped(234, "cap-account", "the key may sign for another account only", |w| {
            cap(w).accounts = vec![AccountId(id("other"))];
        })
        .forged("the account"),
        {
            let world = World::with(|w| cap(w).max_seats = Some(109));
            Vector::under(
                235,
                "VER-7",
                "cap-seats",
                "100 seats and an overdraft of 10 under a cap of 109",
                (Check::Rooted, &world),
            )
            .of_kind(Kind::Pool)
            .envelope(world.seal(&world.pool))
            .forged("the number of seats")
        },
        grant_under(
            240,
            "VER-8",
            "approved",
            "beyond the cap, and approved",
            (approved, |w| {
                cap(w).max_validity_ms = Some(DAY_MS);
            }),
        ),
        grant_under(
            241,
            "VER-8",
            "approver-capped",
            "approved beyond the cap of the approver",
            (approved, |w| {
                cap(w).max_validity_ms = Some(DAY_MS);
                w.key_mut("approve").caps.max_validity_ms = Some(DAY_MS);
            }),
        )
        .forged("the validity"),
        grant_under(
            242,
            "VER-8",
            "one-approval-of-two",
            "one approval where two are needed",
            (approved, |w| {
                cap(w).max_validity_ms = Some(DAY_MS);
                w.add_key(Role::Approve, "approve-2");
                w.set_threshold(Role::Approve, 2);
            }),
        )
        .forged("the validity"),
        grant_under(
            243,
            "VER-8",
            "self-approval",
            "the key has both roles and signs alone",
            (one, |w| {
                cap(w).max_validity_ms = Some(DAY_MS);
                w.add_key(Role::Approve, "grant");
            }),
        )
        .forged("the validity"),
        grant_under(
            244,
            "VER-9",
            "must-be-logged",
            "the key owes a log proof",
            (one, |w| {
                cap(w).must_be_logged = true;
            }),
        )
        .forged("log proof"),
        grant_under(
            245,
            "VER-9",
            "must-be-logged-approved",
            "the key owes a log proof, and it is approved",
            (approved, |w| cap(w).must_be_logged = true),
        )
        .forged("log proof"),
    ]
}
