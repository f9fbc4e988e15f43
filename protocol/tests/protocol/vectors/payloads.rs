//! Vectors of PC and of the content of each artefact: signed well, and refused for what they say.

#![expect(clippy::too_many_lines, reason = "each function is a table of vectors")]

use leasehold_protocol::artefact::{
    Allocation, Artefact, Bundle, Extension, Grant, Head, Kind, LeaseTicket, Manifest, NodeCertificate, Pool,
    Receipt, RecoverCause, Recovery, Request, RevokedSerials, Root, TimeStatement,
};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::canonical::encode;
use leasehold_protocol::slots::SlotSet;

use super::vector::Vector;
use crate::fixture::{REALM, World, sealed_payload};

pub(super) fn all() -> Vec<Vector> {
    [codec(), lists(), of_the_issuer(), of_nodes()].concat()
}

/// The name of the key that signs a kind in the vectors.
const fn signer(kind: Kind) -> &'static str {
    match kind {
        Kind::Root => "root",
        Kind::Head => "status",
        Kind::Manifest | Kind::Grant | Kind::Pool => "grant",
        Kind::Allocation | Kind::TimeStatement | Kind::Bundle => "alloc",
        Kind::NodeCertificate => "enrol",
        _ => "node",
    }
}

/// A payload, signed whatever it is.
fn payload<T: Artefact>(number: u16, rule: &str, name: &'static str, what: &str, payload: &[u8]) -> Vector {
    let by = signer(T::KIND);
    let envelope = sealed_payload::<T>(&REALM, payload, by);
    Vector::signed(number, rule, name, what, (T::KIND, &[by])).envelope(envelope)
}

/// Picks an artefact of the fixture.
type Choose<T> = fn(&mut World) -> &mut T;

/// The artefact of the fixture, changed, and signed although its rules are broken.
fn content<T: Artefact>(
    number: u16,
    rule: &str,
    name: &'static str,
    what: &str,
    change: (Choose<T>, fn(&mut T)),
) -> Vector {
    let mut world = World::new();
    let (of, change) = change;
    let artefact = of(&mut world);
    change(artefact);
    payload::<T>(number, rule, name, what, &encode(artefact))
}

fn codec() -> Vec<Vector> {
    let good = encode(&World::new().grant);
    let of = |number, rule, name, what, bytes: &[u8]| payload::<Grant>(number, rule, name, what, bytes);
    let replaced = |at: usize, gone: usize, with: &[u8]| [&good[..at], with, &good[at + gone..]].concat();
    vec![
        of(300, "PC-1", "no-grant", "a payload that is no grant", b"not a grant").malformed("do not decode"),
        of(301, "PC-1", "cut-payload", "the last byte of the payload is missing", &good[..good.len() - 1])
            .malformed("do not decode"),
        // 16 bytes of id, serial, 6 bytes of issue time, 16 of account, version, 16 of product, the SKU's length.
        of(
            302,
            "PC-1",
            "option-tag",
            "the tag of an option is 2",
            &replaced(16 + 1 + 6 + 16 + 1 + 16 + 4, 1, &[2]),
        )
        .malformed("do not decode"),
        of(303, "PC-2", "payload-trails", "a byte after the last field", &[&good[..], &[0]].concat())
            .malformed("bytes after the end"),
        of(304, "PC-3", "long-varint", "the serial 7 as the bytes 87 00", &replaced(16, 1, &[0x87, 0]))
            .malformed("not the canonical encoding"),
        of(
            305,
            "PC-3",
            "longer-varint",
            "the serial 7 as the bytes 87 80 80 00",
            &replaced(16, 1, &[0x87, 0x80, 0x80, 0]),
        )
        .malformed("not the canonical encoding"),
    ]
}

fn lists() -> Vec<Vector> {
    type Change = fn(&mut Grant);
    let of = |number, rule, name, what, change: Change| {
        content(number, rule, name, what, (|w| &mut w.grant, change))
    };
    vec![
        of(310, "PC-4", "unsorted", "features not ascending", |g| g.features.reverse())
            .malformed("features: must be sorted"),
        of(311, "PC-4", "twice", "a feature twice", |g| g.features = vec!["base".into(); 2])
            .malformed("features: must be sorted"),
        of(312, "PC-5", "64-regions", "as many regions as there may be", |g| g.regions = regions(64)),
        of(313, "PC-5", "65-regions", "one region more", |g| g.regions = regions(65))
            .malformed("regions: has too many entries"),
        of(314, "PC-6", "extension", "an unknown extension that is not critical", |g| {
            g.ext.0 = vec![extension(7, false)];
        }),
        of(315, "PC-6", "critical", "an unknown extension that is critical", |g| {
            g.ext.0 = vec![extension(7, true)];
        })
        .malformed("ext: holds a critical extension"),
        of(316, "PC-6", "extensions-unsorted", "extensions not ascending", |g| {
            g.ext.0 = vec![extension(8, false), extension(7, false)];
        })
        .malformed("ext: must be sorted"),
        of(317, "PC-7", "128-bytes", "a name as long as it may be", |g| g.sku = "x".repeat(128)),
        of(318, "PC-7", "129-bytes", "a name one byte longer", |g| g.sku = "x".repeat(129))
            .malformed("sku: is too long"),
        of(319, "PC-7", "empty-name", "an empty name", |g| g.sku.clear()).malformed("sku: must not be empty"),
        of(320, "PC-7", "control-character", "a line break in a name", |g| g.sku = "a\nb".into())
            .malformed("sku: must not hold control"),
    ]
}

fn regions(count: u8) -> Vec<String> {
    (0..count).map(|n| format!("r{n:02}")).collect()
}

fn extension(tag: u16, critical: bool) -> Extension {
    Extension { tag, critical, content: Bytes(vec![1, 2, 3]) }
}

fn of_the_issuer() -> Vec<Vector> {
    vec![
        content::<Root>(
            330,
            "ROOT-1",
            "root-without-root",
            "no role root",
            (
                |w| &mut w.root,
                |r| {
                    r.roles.remove(0);
                },
            ),
        )
        .malformed("roles: must hold the role root"),
        content::<Root>(
            331,
            "ROOT-1",
            "threshold-0",
            "a threshold of 0",
            (|w| &mut w.root, |r| r.roles[1].threshold = 0),
        )
        .malformed("roles.threshold: must be between"),
        content::<Root>(
            332,
            "ROOT-1",
            "missing-key",
            "a role names a key that is not there",
            (
                |w| &mut w.root,
                |r| {
                    r.roles[1].keys[0].0[0] ^= 1;
                },
            ),
        )
        .malformed("names a key that is missing"),
        content::<Head>(
            333,
            "HEAD-1",
            "fresh-for-0",
            "it is never fresh",
            (|w| &mut w.head, |h| h.fresh_for_ms = 0),
        )
        .malformed("fresh_for_ms"),
        content::<Head>(
            334,
            "HEAD-1",
            "gap-0",
            "a serial is revoked twice",
            (
                |w| &mut w.head,
                |h| {
                    h.revoked = vec![RevokedSerials { kind: 4, gaps: vec![3, 0] }];
                },
            ),
        )
        .malformed("revoked: must ascend"),
        content::<Manifest>(
            335,
            "MAN-1",
            "allocation-listed",
            "it lists an allocation",
            (
                |w| &mut w.manifest,
                |m| {
                    m.entries[1].subject.0 = 6;
                },
            ),
        )
        .malformed("must be grants and pools"),
        content::<Grant>(
            336,
            "GRANT-1",
            "ends-at-once",
            "it ends when it begins",
            (
                |w| &mut w.grant,
                |g| {
                    g.not_after = g.not_before;
                },
            ),
        )
        .malformed("not_after: must be after"),
        content::<Grant>(
            337,
            "GRANT-1",
            "negative-grace",
            "its grace is negative",
            (|w| &mut w.grant, |g| g.grace_ms = -1),
        )
        .malformed("grace_ms: must not be negative"),
        content::<Pool>(
            338,
            "POOL-1",
            "ten-million",
            "overdraft included it has 10 000 001 seats",
            (
                |w| &mut w.pool,
                |p| {
                    p.overdraft = 10_000_001 - 100;
                },
            ),
        )
        .malformed("seats: are more"),
        content::<Pool>(
            339,
            "POOL-1",
            "ttl-59s",
            "a lease may live 59.999 s only",
            (|w| &mut w.pool, |p| p.ttl.min_ms = 59_999),
        )
        .malformed("ttl: is out of bounds"),
        content::<Pool>(
            358,
            "POOL-1",
            "long-linger",
            "a seat lingers longer than any lease lives",
            (|w| &mut w.pool, |p| p.linger_ms = p.ttl.max_ms + 1),
        )
        .malformed("linger_ms: is out of bounds"),
        content::<Pool>(
            359,
            "POOL-1",
            "idle-59s",
            "a lease is idle after 59.999 s",
            (|w| &mut w.pool, |p| p.idle_ms = Some(59_999)),
        )
        .malformed("idle_ms: is too short"),
        content::<Allocation>(
            340,
            "ALLOC-1",
            "touching",
            "two ranges that touch",
            (
                |w| &mut w.allocation,
                |a| {
                    a.slots = touching();
                },
            ),
        )
        .malformed("slots: are not in canonical ranges"),
        content::<Allocation>(
            341,
            "ALLOC-1",
            "borrow-outside",
            "borrow slots outside of its slots",
            (
                |w| &mut w.allocation,
                |a| {
                    a.borrow_slots = SlotSet::range(39, 2);
                },
            ),
        )
        .malformed("borrow_slots: are not a part"),
        content::<Allocation>(
            342,
            "ALLOC-1",
            "renew-late",
            "to be renewed after its end",
            (
                |w| &mut w.allocation,
                |a| {
                    a.renew_after = a.not_after.plus(1);
                },
            ),
        )
        .malformed("renew_after: must not be after"),
        content::<NodeCertificate>(
            343,
            "CERT-1",
            "no-tls-key",
            "no TLS key",
            (|w| &mut w.certificate, |c| c.tls_keys.clear()),
        )
        .malformed("tls_keys: must not be empty"),
        content::<NodeCertificate>(
            344,
            "CERT-1",
            "generation-0",
            "generation 0",
            (|w| &mut w.certificate, |c| c.generation = 0),
        )
        .malformed("generation: must not be 0"),
        content::<TimeStatement>(
            345,
            "TIME-1",
            "reversed",
            "the latest time is before the earliest",
            (
                |w| &mut w.time,
                |t| {
                    t.latest = t.earliest.plus(-1);
                },
            ),
        )
        .malformed("latest: must not be before"),
        content::<Bundle>(
            346,
            "BND-1",
            "generation-0",
            "generation 0",
            (|w| &mut w.bundle, |b| b.generation = 0),
        )
        .malformed("generation: must not be 0"),
        content::<Bundle>(
            347,
            "BND-1",
            "descending",
            "items not ascending by kind",
            (
                |w| &mut w.bundle,
                |b| {
                    b.items = [4, 3]
                        .map(|kind| leasehold_protocol::artefact::Item { kind, envelope: Bytes::default() })
                        .to_vec();
                },
            ),
        )
        .malformed("items: must ascend"),
    ]
}

/// Slots 0 to 3 as two ranges, which no set of ours is: decoded from its bytes.
fn touching() -> SlotSet {
    leasehold_protocol::canonical::decode(&[2, 0, 2, 2, 2]).unwrap()
}

fn of_nodes() -> Vec<Vector> {
    vec![
        content::<Request>(
            350,
            "REQ-1",
            "node-without-account",
            "a node without its account",
            (
                |w| &mut w.request,
                |r| {
                    r.node = Some(leasehold_protocol::ids::NodeId([1; 16]));
                },
            ),
        )
        .malformed("account: must come together"),
        content::<Request>(
            351,
            "REQ-1",
            "released-twice",
            "a row released twice",
            (
                |w| &mut w.request,
                |r| {
                    r.released = vec![released(), released()];
                },
            ),
        )
        .malformed("released: must be sorted"),
        content::<Request>(
            356,
            "REQ-1",
            "recovery-of-nobody",
            "RECOVER of a node that was never enrolled",
            (
                |w| &mut w.request,
                |r| {
                    let cause = RecoverCause::Ticket;
                    r.recovery = Some(Recovery { cause, waited: false, attested: false });
                },
            ),
        )
        .malformed("recovery: is of an enrolled node"),
        content::<Request>(
            357,
            "REQ-1",
            "presented-by-nobody",
            "artefacts that a node presents which was never enrolled",
            (
                |w| &mut w.request,
                |r| {
                    r.presented = Some(Vec::new());
                },
            ),
        )
        .malformed("presented: is of an enrolled node"),
        content::<Receipt>(
            352,
            "RCT-1",
            "nothing-released",
            "a row of which nothing is released",
            (
                |w| &mut w.receipt,
                |r| {
                    r.released[0].slots = SlotSet::EMPTY;
                },
            ),
        )
        .malformed("released.slots"),
        ticket(353, "count", "a count that is not the number of slots", |t| t.count = 2)
            .malformed("count: must be"),
        ticket(354, "unknown-flag", "a flag that is not known", |t| t.flags.0 = 4).malformed("flags: holds"),
        ticket(355, "reversed-interval", "it was issued before its floor", |t| {
            t.issued.hi = t.issued.floor.plus(-1);
        })
        .malformed("issued: must be an interval"),
    ]
}

fn released() -> leasehold_protocol::artefact::Released {
    World::new().receipt.released.swap_remove(0)
}

fn ticket(number: u16, name: &'static str, what: &str, change: fn(&mut LeaseTicket)) -> Vector {
    let mut ticket = World::new().ticket;
    change(&mut ticket);
    let by: (Kind, &[&str]) = (Kind::LeaseTicket, &["node"]);
    Vector::signed(number, "LEASE-1", name, what, by)
        .envelope(crate::fixture::sealed_ticket(&REALM, &ticket, "node"))
}
