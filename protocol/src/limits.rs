//! Every bound of the artefacts. Each is tested at limit − 1, limit and limit + 1.

/// This version as heads name it: major << 16 | minor. A head that asks for a newer one is refused.
pub const READER_VERSION: u32 = 1;

/// Bytes of one envelope, except manifest, request and bundle.
pub const ENVELOPE_BYTES: usize = 64 * 1024;
/// Bytes of a manifest, request or bundle envelope.
pub const LARGE_ENVELOPE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a `SeatProof` container.
pub const PROOF_BYTES: usize = 16 * 1024;
/// Signatures on one envelope.
pub const SIGNATURES: usize = 16;
/// Tickets under one batch signature.
pub const BATCH_TICKETS: usize = 64;
/// Slot ranges of an allocation.
pub const ALLOCATION_SLOT_RANGES: usize = 64;
/// Slot ranges of a lease.
pub const LEASE_SLOT_RANGES: usize = 8;
/// Seats of one pool, overdraft included.
pub const POOL_SEATS: u32 = 10_000_000;
/// Keys of a root, over all roles.
pub const ROOT_KEYS: usize = 64;
/// Distinct roles in a root.
pub const ROOT_ROLES: usize = 16;
/// Cutoffs in a root.
pub const ROOT_CUTOFFS: usize = 64;
/// TLS keys of a node certificate: the replicas of a cluster.
pub const TLS_KEYS: usize = 8;
/// Features of a grant or lease.
pub const FEATURES: usize = 256;
/// Limits of a grant.
pub const GRANT_LIMITS: usize = 256;
/// Entries of the other short lists (environments, regions, bindings, products and accounts in caps, …).
pub const SHORT_LIST: usize = 64;
/// Entries of a manifest.
pub const MANIFEST_ENTRIES: usize = 65_536;
/// Items of a bundle.
pub const BUNDLE_ITEMS: usize = 65_536;
/// Revoked serials of a head, and as many scheduled ones: together they fit into its envelope.
pub const INLINE_REVOCATIONS: usize = 2048;
/// Released or reported rows of a request or receipt.
pub const REPORTED_ROWS: usize = 1024;
/// Bytes of a name: SKU, feature, edition, region, node name, …
pub const NAME_BYTES: usize = 128;
/// Bytes of a holder's user.
pub const HOLDER_USER_BYTES: usize = 128;
/// Bytes of a holder's host.
pub const HOLDER_HOST_BYTES: usize = 128;
/// Bytes of a holder's process.
pub const HOLDER_PROCESS_BYTES: usize = 64;
/// Extensions of one artefact.
pub const EXTENSIONS: usize = 16;
/// Bytes of one extension.
pub const EXTENSION_BYTES: usize = 4096;
/// Bytes of armoured text: base64 of the largest envelope, line ends and frame.
pub const ARMOUR_BYTES: usize = LARGE_ENVELOPE_BYTES / 3 * 4 + LARGE_ENVELOPE_BYTES / 24 + 4096;
/// Shortest lease a pool may promise, and the least rest of an allocation under which a lease is granted.
pub const TTL_MIN_MS: i64 = 60_000;
/// Shortest idle timeout of a pool.
pub const IDLE_MIN_MS: i64 = 60_000;
/// Longest lease a pool may promise.
pub const TTL_MAX_MS: i64 = 24 * 3_600_000;
