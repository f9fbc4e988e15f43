//! The rules of single artefacts, and of the values they are made of.

use leasehold_protocol::artefact::{
    Artefact, Binding, Grant, Kind, Malformed, RevokedSerials, ScheduledRevocation,
};
use leasehold_protocol::bytes::{Digest, Nonce};
use leasehold_protocol::canonical::encode;
use leasehold_protocol::ids::{LeaseId, uuid_v7};
use leasehold_protocol::keys::{KeyId, PublicKeyBytes};
use leasehold_protocol::slots::{SlotRange, SlotSet};
use leasehold_protocol::time::UnixMs;

use crate::fixture::{NOW, World, key};

/// The field whose rule `change` breaks.
fn broken<T: Artefact>(of: fn(&mut World) -> &mut T, change: impl FnOnce(&mut T)) -> Option<&'static str> {
    let mut world = World::new();
    let artefact = of(&mut world);
    assert_eq!(artefact.check(), Ok(()));
    change(artefact);
    artefact.check().err().map(|Malformed { field, .. }| field)
}

#[test]
fn rules_of_a_head() {
    let broken = |change: fn(&mut leasehold_protocol::artefact::Head)| broken(|w| &mut w.head, change);
    let revoked = |kind, gaps: &[u64]| RevokedSerials { kind, gaps: gaps.to_vec() };
    assert_eq!(broken(|h| h.fresh_for_ms = 0), Some("fresh_for_ms"));
    assert_eq!(broken(|h| h.root_version = 0), Some("root_version"));
    assert_eq!(broken(|h| h.revoked = vec![RevokedSerials { kind: 4, gaps: vec![3, 0] }]), Some("revoked"));
    let overflow = broken(|h| h.revoked = vec![RevokedSerials { kind: 4, gaps: vec![u64::MAX, 1] }]);
    assert_eq!(overflow, Some("revoked"));
    let twice = |h: &mut leasehold_protocol::artefact::Head| {
        h.revoked = [4, 4].map(|kind| RevokedSerials { kind, gaps: vec![1] }).to_vec();
    };
    assert_eq!(broken(twice), Some("revoked"));
    assert_eq!(revoked(4, &[5, 1, 10]).serials().collect::<Vec<_>>(), [5, 6, 16]);
    assert_eq!(broken(|h| h.revoked = vec![RevokedSerials { kind: 4, gaps: vec![0, 1] }]), None);
}

#[test]
fn rules_of_a_manifest() {
    let broken =
        |change: fn(&mut leasehold_protocol::artefact::Manifest)| broken(|w| &mut w.manifest, change);
    assert_eq!(broken(|m| m.entries.reverse()), Some("entries"));
    assert_eq!(broken(|m| m.entries[1] = m.entries[0]), Some("entries"));
    assert_eq!(broken(|m| m.entries[1].subject.0 = 6), Some("entries"));
    let world = World::new();
    let grant = world.manifest.entry(Kind::Grant, world.grant.issue.id.0);
    assert_eq!(grant.map(|entry| entry.serial), Some(7));
    assert_eq!(world.manifest.entry(Kind::Pool, world.grant.issue.id.0), None);
}

#[test]
fn rules_of_a_grant() {
    let broken = |change: fn(&mut Grant)| broken(|w| &mut w.grant, change);
    assert_eq!(broken(|g| g.version = 0), Some("version"));
    assert_eq!(broken(|g| g.sku.clear()), Some("sku"));
    assert_eq!(broken(|g| g.sku = "a\u{7f}".into()), Some("sku"));
    assert_eq!(broken(|g| g.edition = Some(String::new())), Some("edition"));
    assert_eq!(broken(|g| g.features.reverse()), Some("features"));
    assert_eq!(broken(|g| g.features[1] = g.features[0].clone()), Some("features"));
    assert_eq!(broken(|g| g.limits = vec![g.limits[0].clone(); 2]), Some("limits"));
    assert_eq!(broken(|g| g.not_after = g.not_before), Some("not_after"));
    assert_eq!(broken(|g| g.not_after = g.not_before.plus(1)), None);
    assert_eq!(broken(|g| g.grace_ms = -1), Some("grace_ms"));
    assert_eq!(broken(|g| g.environments = vec!["b".into(), "a".into()]), Some("environments"));
    assert_eq!(broken(|g| g.regions = vec!["a".into(), "a".into()]), Some("regions"));
    let same = broken(|g| g.bindings = vec![Binding { component: 1, value: Digest([0; 32]) }; 2]);
    assert_eq!(same, Some("bindings"));
    let grant = World::new().grant;
    assert_eq!(grant.grace_end(), grant.not_after.plus(grant.grace_ms));
}

#[test]
fn rules_of_a_pool() {
    let broken = |change: fn(&mut leasehold_protocol::artefact::Pool)| broken(|w| &mut w.pool, change);
    assert_eq!(broken(|p| p.ttl.default_ms = p.ttl.min_ms - 1), Some("ttl"));
    assert_eq!(broken(|p| p.ttl.default_ms = p.ttl.max_ms + 1), Some("ttl"));
    assert_eq!(broken(|p| p.borrow.max_ms = -1), Some("borrow.max_ms"));
    assert_eq!(broken(|p| p.overdraft = u32::MAX), Some("seats"), "the sum does not wrap");
}

#[test]
fn rules_of_an_allocation() {
    let broken =
        |change: fn(&mut leasehold_protocol::artefact::Allocation)| broken(|w| &mut w.allocation, change);
    assert_eq!(broken(|a| a.borrow_slots = SlotSet::range(39, 2)), Some("borrow_slots"));
    assert_eq!(broken(|a| a.slots = SlotSet::range(u32::MAX, 2)), Some("slots"));
    assert_eq!(broken(|a| a.mclt_ms = -1), Some("mclt_ms"));
    assert_eq!(broken(|a| a.suspect_budget_ms = -1), Some("suspect_budget_ms"));
    assert_eq!(broken(|a| a.renew_after = a.not_before.plus(-1)), Some("renew_after"));
    assert_eq!(broken(|a| a.renew_after = a.not_after.plus(1)), Some("renew_after"));
    assert_eq!(broken(|a| a.renew_after = a.not_after), None);
}

#[test]
fn rules_of_a_certificate() {
    let broken = |change: fn(&mut leasehold_protocol::artefact::NodeCertificate)| {
        broken(|w| &mut w.certificate, change)
    };
    assert_eq!(broken(|c| c.sign_key = PublicKeyBytes([0; 32])), Some("sign_key"));
    assert_eq!(broken(|c| c.tls_keys.clear()), Some("tls_keys"));
    assert_eq!(broken(|c| c.tls_keys = vec![c.tls_keys[0]; 2]), Some("tls_keys"));
    assert_eq!(broken(|c| c.generation = 0), Some("generation"));
    assert_eq!(broken(|c| c.not_after = c.not_before), Some("not_after"));
}

#[test]
fn rules_of_a_time_statement_and_a_receipt() {
    let time = |change: fn(&mut leasehold_protocol::artefact::TimeStatement)| broken(|w| &mut w.time, change);
    assert_eq!(time(|t| t.earliest = t.latest.plus(1)), Some("latest"));
    assert_eq!(time(|t| t.earliest = t.latest), None);
    let receipt = |change: fn(&mut leasehold_protocol::artefact::Receipt)| broken(|w| &mut w.receipt, change);
    assert_eq!(receipt(|r| r.generation = 0), Some("generation"));
    assert_eq!(receipt(|r| r.released = vec![r.released[0].clone(); 2]), Some("released"));
}

#[test]
fn rules_of_a_ticket() {
    let broken =
        |change: fn(&mut leasehold_protocol::artefact::LeaseTicket)| broken(|w| &mut w.ticket, change);
    let none = broken(|t| (t.slots, t.count) = (SlotSet::EMPTY, 0));
    assert_eq!(none, Some("count"), "of an unlimited pool");
    assert_eq!(broken(|t| t.count = 2), Some("count"));
    assert_eq!(broken(|t| t.holder.user.clear()), Some("holder.user"));
    assert_eq!(broken(|t| t.holder.host = "a\nb".into()), Some("holder.host"));
    assert_eq!(broken(|t| t.holder.process = Some(String::new())), Some("holder.process"));
    assert_eq!(broken(|t| t.features = vec!["b".into(), "a".into()]), Some("features"));
    assert_eq!(broken(|t| t.ttl_ms = 0), Some("ttl_ms"));
    assert_eq!(broken(|t| t.issued.hi = t.issued.floor.plus(-1)), Some("issued"));
    assert_eq!(broken(|t| t.flags.0 = 4), Some("flags"));
    assert_eq!(broken(|t| t.flags.0 = 3), None);
}

#[test]
fn slots_at_the_ends_of_their_numbers() {
    let last = SlotSet::range(u32::MAX - 1, 1);
    assert!(last.is_well_formed(1) && last.contains(u32::MAX - 1) && !last.contains(u32::MAX));
    assert!(!SlotSet::range(u32::MAX, 1).contains(u32::MAX), "the end of a range must be a number too");
    assert_eq!(SlotSet::range(0, u32::MAX).len(), u32::MAX);
    assert_eq!(SlotRange { first: u32::MAX, count: u32::MAX }.end(), u32::MAX);
    assert_eq!(SlotSet::range(7, 0), SlotSet::EMPTY);
    assert!(SlotSet::EMPTY.is_well_formed(0) && SlotSet::EMPTY.first().is_none());
    assert!(SlotSet::range(0, 4).contains_all(&SlotSet::EMPTY));
    assert!(!SlotSet::range(0, 4).intersects(&SlotSet::range(4, 1)));
}

#[test]
fn ids_are_text_for_people_and_bytes_in_artefacts() {
    let lease = LeaseId::new(NOW, &[0xFF; 10]);
    assert_eq!(encode(&lease), lease.0);
    assert_eq!(serde_json::to_value(lease).unwrap(), lease.to_string());
    assert_eq!(serde_json::from_value::<LeaseId>(lease.to_string().into()).unwrap(), lease);
    for text in ["", "lse_", "acc_00000000000000000000000000", "lse_80000000000000000000000000"] {
        assert!(serde_json::from_value::<LeaseId>(text.into()).is_err(), "{text}");
    }
    for (at, first) in [(UnixMs(0), [0; 6]), (UnixMs(-5), [0; 6]), (UnixMs((1 << 48) - 1), [0xFF; 6])] {
        let uuid = uuid_v7(at, &[0; 10]);
        assert_eq!((&uuid[..6], uuid[6] >> 4, uuid[8] >> 6), (&first[..], 7, 2), "{at}");
    }
    assert!(LeaseId::new(NOW, &[0; 10]) < LeaseId::new(NOW.plus(1), &[0; 10]), "ids ascend with time");
}

#[test]
fn hashes_are_hex_for_people_and_bytes_in_artefacts() {
    let nonce = Nonce([0xAB; 32]);
    assert_eq!(encode(&nonce), nonce.0);
    assert_eq!(serde_json::to_value(nonce).unwrap(), "ab".repeat(32));
    assert_eq!("AB".repeat(32).parse(), Ok(nonce));
    for text in ["", "ab", &"ab".repeat(33), &"xy".repeat(32)] {
        assert_eq!(text.parse::<Nonce>().map_err(|error| error.digits), Err(64), "{text}");
    }
}

/// `KEY-1`, from its description.
#[test]
fn a_key_id_is_a_hash_of_its_key() {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest([b"LH1-key\x0A\x01".as_slice(), &key("node").bytes().0].concat());
    assert_eq!(key("node").id(), KeyId(hash[..8].try_into().unwrap()));
}

#[test]
fn a_head_says_what_is_revoked_and_from_when() {
    let mut head = World::new().head;
    head.revoked = vec![RevokedSerials::new(Kind::Grant, [9, 4, 9, 1 << 40])];
    assert_eq!(head.revoked[0].serials().collect::<Vec<_>>(), [4, 9, 1 << 40]);
    head.scheduled = vec![ScheduledRevocation { subject: (Kind::Grant.number(), 12), effective_at: NOW }];
    assert_eq!(head.check(), Ok(()));
    assert!([4, 9, 1 << 40].into_iter().all(|serial| head.revokes(Kind::Grant, serial)));
    assert!(!head.revokes(Kind::Grant, 12) && !head.revokes(Kind::Pool, 4));
    assert_eq!(head.revoked_from(Kind::Grant, 12), Some(NOW));
    assert_eq!(head.revoked_from(Kind::Pool, 12), None);
    head.scheduled.push(head.scheduled[0]);
    assert_eq!(head.check().map_err(|malformed| malformed.field), Err("scheduled"));
}

#[test]
fn only_a_row_that_is_not_fixed_is_asked_to_shrink() {
    let mut row = World::new().allocation;
    (row.fixed, row.shrink_to) = (false, Some(0));
    assert_eq!(row.check(), Ok(()));
    row.fixed = true;
    assert_eq!(row.check().map_err(|malformed| malformed.field), Err("shrink_to"));
}
