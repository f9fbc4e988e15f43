//! Every constant of `limits.rs` at limit − 1, limit and limit + 1. Sizes of whole envelopes are in `envelope`, of
//! text in `text`, of batches in `batch`.

use leasehold_protocol::artefact::{
    Artefact, Binding, Cutoff, Extension, Item, Limit, LimitValue, Malformed, ManifestEntry, Pool, PoolUsage,
    Released, RevokedSerials, Role, RoleKeys, ScheduledRevocation, SeatProof, Seats, TtlBounds,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::bytes::{Bytes, Digest, SpkiDigest};
use leasehold_protocol::ids::{AccountId, NodeId, PoolId, ProductId};
use leasehold_protocol::keys::KeyId;
use leasehold_protocol::limits;
use leasehold_protocol::slots::SlotSet;

use crate::fixture::{NOW, World, key};

/// Runs `verdict` below, at and above `limit`: the first two hold, the third breaks `rule` of `field`.
fn bounded(
    limit: usize,
    field: &'static str,
    rule: &'static str,
    verdict: impl Fn(&mut World, usize) -> Result<(), Malformed>,
) {
    for (count, expected) in
        [(limit - 1, Ok(())), (limit, Ok(())), (limit + 1, Err(Malformed { field, rule }))]
    {
        assert_eq!(verdict(&mut World::new(), count), expected, "{field} with {count}");
    }
}

const MANY: &str = "has too many entries";
const LONG: &str = "is too long";
const RANGES: &str = "are not in canonical ranges";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("name {n:06}")).collect()
}

/// `count` ranges of one slot each, none touching the next.
fn ranges(count: usize) -> SlotSet {
    (0..count).map(|n| 2 * u32::try_from(n).unwrap()).collect()
}

fn numbered(n: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(n as u64).to_be_bytes());
    bytes
}

fn id(n: usize) -> [u8; 16] {
    numbered(n)[16..].try_into().unwrap()
}

/// Keys that are points of the curve, ascending.
fn keys(count: usize) -> Vec<leasehold_protocol::keys::PublicKeyBytes> {
    let mut keys: Vec<_> = (0..count).map(|n| key(&format!("key {n}")).bytes()).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn lists_of_a_root() {
    // Its own keys stay: the list is filled up to the count.
    bounded(limits::ROOT_KEYS, "keys", MANY, |w, n| {
        let template = w.root.keys[0].clone();
        for public_key in keys(n - w.root.keys.len()) {
            w.root.keys.push(leasehold_protocol::artefact::RootKey { public_key, ..template.clone() });
        }
        w.root.keys.sort_by_key(|key| key.public_key);
        w.root.check()
    });
    bounded(limits::ROOT_CUTOFFS, "cutoffs", MANY, |w, n| {
        let cutoff = |n: usize| Cutoff { key_id: KeyId((n as u64).to_be_bytes()), log_index: 0 };
        w.root.cutoffs = (0..n).map(cutoff).collect();
        w.root.check()
    });
    bounded(limits::TLS_KEYS, "issuer_tls_keys", MANY, |w, n| {
        w.root.issuer_tls_keys = keys(n);
        w.root.check()
    });
    bounded(limits::SHORT_LIST, "log_policy.witnesses", MANY, |w, n| {
        w.root.log_policy.witnesses = keys(n);
        w.root.check()
    });
    bounded(limits::NAME_BYTES, "log_policy.origin", LONG, |w, n| {
        w.root.log_policy.origin = "o".repeat(n);
        w.root.check()
    });
    bounded(limits::NAME_BYTES, "realm_name", LONG, |w, n| {
        w.root.realm_name = "r".repeat(n);
        w.root.check()
    });
}

/// There are fewer roles than a list may have, so below the limit the list is refused for repeating itself.
#[test]
fn roles_of_a_root() {
    for (count, rule) in [
        (limits::ROOT_ROLES - 1, "must be sorted without repetition"),
        (limits::ROOT_ROLES, "must be sorted without repetition"),
        (limits::ROOT_ROLES + 1, MANY),
    ] {
        let mut root = World::new().root;
        root.roles = vec![RoleKeys { role: Role::Root, threshold: 1, keys: vec![key("root").id()] }; count];
        assert_eq!(root.check(), Err(Malformed { field: "roles", rule }));
    }
}

#[test]
fn lists_of_caps() {
    bounded(limits::SHORT_LIST, "caps.kinds", MANY, |w, n| {
        w.root.keys[0].caps.kinds = (0..u16::try_from(n).unwrap()).collect();
        w.root.check()
    });
    bounded(limits::SHORT_LIST, "caps.products", MANY, |w, n| {
        w.root.keys[0].caps.products = (0..n).map(|n| ProductId(id(n))).collect();
        w.root.check()
    });
    bounded(limits::SHORT_LIST, "caps.accounts", MANY, |w, n| {
        w.root.keys[0].caps.accounts = (0..n).map(|n| AccountId(id(n))).collect();
        w.root.check()
    });
}

#[test]
fn lists_of_head_and_manifest() {
    bounded(limits::INLINE_REVOCATIONS, "revoked", MANY, |w, n| {
        let split = n / 2;
        w.head.revoked = vec![
            RevokedSerials { kind: 4, gaps: vec![1; split] },
            RevokedSerials { kind: 5, gaps: vec![1; n - split] },
        ];
        w.head.check()
    });
    bounded(limits::SHORT_LIST, "revoked", MANY, |w, n| {
        w.head.revoked =
            (0..u16::try_from(n).unwrap()).map(|kind| RevokedSerials { kind, gaps: Vec::new() }).collect();
        w.head.check()
    });
    bounded(limits::INLINE_REVOCATIONS, "scheduled", MANY, |w, n| {
        let entry = |serial| ScheduledRevocation { subject: (4, serial), effective_at: NOW };
        w.head.scheduled = (0..n as u64).map(entry).collect();
        w.head.check()
    });
    bounded(limits::MANIFEST_ENTRIES, "entries", MANY, |w, n| {
        let entry = |n| ManifestEntry { subject: (4, id(n)), serial: 1, digest: Digest([0; 32]) };
        w.manifest.entries = (0..n).map(entry).collect();
        w.manifest.check()
    });
}

type SetName = fn(&mut World, String);

#[test]
fn lists_of_a_grant() {
    bounded(limits::FEATURES, "features", MANY, |w, n| {
        w.grant.features = names(n);
        w.grant.check()
    });
    bounded(limits::GRANT_LIMITS, "limits", MANY, |w, n| {
        w.grant.limits = names(n).into_iter().map(|name| Limit { name, value: LimitValue::None }).collect();
        w.grant.check()
    });
    bounded(limits::SHORT_LIST, "environments", MANY, |w, n| {
        w.grant.environments = names(n);
        w.grant.check()
    });
    bounded(limits::SHORT_LIST, "regions", MANY, |w, n| {
        w.grant.regions = names(n);
        w.grant.check()
    });
    bounded(limits::SHORT_LIST, "bindings", MANY, |w, n| {
        w.grant.bindings = (0..n).map(|n| Binding { component: 1, value: Digest(numbered(n)) }).collect();
        w.grant.check()
    });
    let fields: [(&str, SetName); 5] = [
        ("sku", |w, name| w.grant.sku = name),
        ("edition", |w, name| w.grant.edition = Some(name)),
        ("features", |w, name| w.grant.features = vec![name]),
        ("environments", |w, name| w.grant.environments = vec![name]),
        ("limits", |w, name| w.grant.limits = vec![Limit { name, value: LimitValue::Unlimited }]),
    ];
    for (field, set) in fields {
        bounded(limits::NAME_BYTES, field, LONG, |w, n| {
            set(w, "x".repeat(n));
            w.grant.check()
        });
    }
}

#[test]
fn seats_and_times_of_a_pool() {
    bounded(limits::POOL_SEATS as usize, "seats", "are more than a pool may hold", |w, n| {
        w.pool.seats = Seats::Value(u32::try_from(n).unwrap() - w.pool.overdraft);
        w.pool.check()
    });
    let ttl = |min_ms, max_ms| {
        let mut pool = World::new().pool;
        pool.ttl = TtlBounds { min_ms, default_ms: min_ms, max_ms };
        pool.check().is_ok()
    };
    for (min_ms, fits) in
        [(limits::TTL_MIN_MS - 1, false), (limits::TTL_MIN_MS, true), (limits::TTL_MIN_MS + 1, true)]
    {
        assert_eq!(ttl(min_ms, limits::TTL_MAX_MS), fits, "shortest {min_ms}");
    }
    for (max_ms, fits) in
        [(limits::TTL_MAX_MS - 1, true), (limits::TTL_MAX_MS, true), (limits::TTL_MAX_MS + 1, false)]
    {
        assert_eq!(ttl(limits::TTL_MIN_MS, max_ms), fits, "longest {max_ms}");
    }
    let pool = |linger_ms, idle_ms| Pool { linger_ms, idle_ms, ..World::new().pool }.check().is_ok();
    let longest_ms = TtlBounds::default().max_ms;
    for (linger_ms, fits) in [
        (-1, false),
        (0, true),
        (1, true),
        (longest_ms - 1, true),
        (longest_ms, true),
        (longest_ms + 1, false),
    ] {
        assert_eq!(pool(linger_ms, None), fits, "linger {linger_ms}");
    }
    for (idle_ms, fits) in
        [(limits::IDLE_MIN_MS - 1, false), (limits::IDLE_MIN_MS, true), (limits::IDLE_MIN_MS + 1, true)]
    {
        assert_eq!(pool(0, Some(idle_ms)), fits, "idle {idle_ms}");
    }
}

#[test]
fn ranges_of_slots() {
    bounded(limits::ALLOCATION_SLOT_RANGES, "slots", RANGES, |w, n| {
        w.allocation.slots = ranges(n);
        w.allocation.borrow_slots = SlotSet::EMPTY;
        w.allocation.check()
    });
    bounded(limits::LEASE_SLOT_RANGES, "slots", RANGES, |w, n| {
        w.ticket.slots = ranges(n);
        w.ticket.count = u32::try_from(n).unwrap();
        w.ticket.check()
    });
    bounded(limits::ALLOCATION_SLOT_RANGES, "released.slots", RANGES, |w, n| {
        w.receipt.released[0].slots = ranges(n);
        w.receipt.check()
    });
}

#[test]
fn keys_and_rows_of_a_node() {
    let tls_keys = |n| (0..n).map(|n| SpkiDigest(numbered(n))).collect();
    bounded(limits::TLS_KEYS, "tls_keys", MANY, |w, n| {
        w.certificate.tls_keys = tls_keys(n);
        w.certificate.check()
    });
    bounded(limits::TLS_KEYS, "tls_keys", MANY, |w, n| {
        w.request.tls_keys = tls_keys(n);
        w.request.check()
    });
    let released =
        |n| Released { allocation: Digest(numbered(n)), slots: SlotSet::range(0, 1), report_seq: 1 };
    bounded(limits::REPORTED_ROWS, "released", MANY, |w, n| {
        w.request.released = (0..n).map(released).collect();
        w.request.check()
    });
    bounded(limits::REPORTED_ROWS, "released", MANY, |w, n| {
        w.receipt.released = (0..n).map(released).collect();
        w.receipt.check()
    });
    bounded(limits::REPORTED_ROWS, "usage", MANY, |w, n| {
        let usage = |n| PoolUsage { pool: PoolId(id(n)), peak_seats: 0, granted: 0, denied: 0 };
        w.request.usage = (0..n).map(usage).collect();
        w.request.check()
    });
    bounded(limits::BUNDLE_ITEMS, "presented", MANY, |w, n| {
        let presented = |n| Bytes(numbered(n).to_vec());
        w.request.account = Some(AccountId(id(0)));
        w.request.node = Some(NodeId(id(0)));
        w.request.presented = Some((0..n).map(presented).collect());
        w.request.check()
    });
    bounded(limits::NAME_BYTES, "name", LONG, |w, n| {
        w.request.name = "n".repeat(n);
        w.request.check()
    });
}

#[test]
fn texts_of_a_ticket() {
    bounded(limits::HOLDER_USER_BYTES, "holder.user", LONG, |w, n| {
        w.ticket.holder.user = "u".repeat(n);
        w.ticket.check()
    });
    bounded(limits::HOLDER_HOST_BYTES, "holder.host", LONG, |w, n| {
        w.ticket.holder.host = "h".repeat(n);
        w.ticket.check()
    });
    bounded(limits::HOLDER_PROCESS_BYTES, "holder.process", LONG, |w, n| {
        w.ticket.holder.process = Some("p".repeat(n));
        w.ticket.check()
    });
    bounded(limits::FEATURES, "features", MANY, |w, n| {
        w.ticket.features = names(n);
        w.ticket.check()
    });
}

#[test]
fn items_of_a_bundle_and_roots_of_a_proof() {
    bounded(limits::BUNDLE_ITEMS, "items", MANY, |w, n| {
        w.bundle.items = vec![Item { kind: 6, envelope: Bytes::default() }; n];
        w.bundle.check()
    });
    for (count, fits) in
        [(limits::SHORT_LIST - 1, true), (limits::SHORT_LIST, true), (limits::SHORT_LIST + 1, false)]
    {
        let mut proof = World::new().proof();
        proof.chain.roots = vec![Bytes::default(); count];
        assert_eq!(SeatProof::from_bytes(&proof.to_bytes()).is_ok(), fits, "{count} roots");
    }
}

#[test]
fn extensions() {
    let extension = |tag: usize, bytes: usize| Extension {
        tag: u16::try_from(tag).unwrap(),
        critical: false,
        content: Bytes(vec![0; bytes]),
    };
    bounded(limits::EXTENSIONS, "ext", MANY, |w, n| {
        w.head.ext.0 = (0..n).map(|tag| extension(tag, 1)).collect();
        w.head.check()
    });
    bounded(limits::EXTENSION_BYTES, "ext", LONG, |w, n| {
        w.head.ext.0 = vec![extension(1, n)];
        w.head.check()
    });
}

#[test]
fn the_version_a_head_asks_for() {
    let opens = |version| {
        let world = World::with(|w| w.head.min_node_version = version);
        open_bundle(&world.trust(), &world.sealed_bundle()).is_ok()
    };
    let ours = limits::READER_VERSION;
    assert!(opens(ours - 1) && opens(ours) && !opens(ours + 1));
}

/// A constant that nobody tests is found here: each name stands in one of the test files.
#[test]
fn every_constant_is_tested() {
    const TESTS: [&str; 4] = [
        include_str!("limits.rs"),
        include_str!("envelope.rs"),
        include_str!("text.rs"),
        include_str!("batch.rs"),
    ];
    let names = include_str!("../../src/limits.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(':').map(|(name, _)| name));
    let mut count = 0;
    for name in names {
        count += 1;
        // These two bound numbers of signatures, which the tests write out.
        let written_out = ["SIGNATURES", "BATCH_TICKETS"].contains(&name);
        assert!(written_out || TESTS.iter().any(|test| test.contains(&format!("limits::{name}"))), "{name}");
    }
    assert!(count >= 25, "{count}");
}
