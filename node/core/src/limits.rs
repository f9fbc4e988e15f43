//! Every bound of the node's core. Each is tested at limit − 1, limit and limit + 1.

/// Seats of one checkout.
pub const CHECKOUT_SEATS: u32 = 10_000;
/// Ended leases whose keys and ids are remembered.
pub const ENDED_LEASES: usize = 65_536;
/// Requests that a bundle may still answer.
pub const OPEN_REQUESTS: usize = 64;
/// Surrenders, and receipts, that are answered alike when asked again under their key.
pub const KEPT_ANSWERS: usize = 64;
/// Holders named by a denial.
pub const DENIAL_HOLDERS: usize = 8;
/// Bytes of the name of who acts.
pub const ACTOR_BYTES: usize = 128;
/// Bytes of the reason of an act.
pub const REASON_BYTES: usize = 1024;
/// Bytes of the address of the issuer.
pub const ISSUER_URL_BYTES: usize = 512;
/// The issuer's word is fetched anew at this age, half of that at which it is stale for a node online.
pub const EXCHANGE_MS: i64 = 12 * 3_600_000;
/// Denials are journaled as roll-ups of this span.
pub const DENIAL_ROLL_UP_MS: i64 = 60_000;
/// Roll-ups that one input writes.
pub const DENIAL_ROLL_UPS: usize = 32;
/// Least life worth granting; less is `ALLOCATION_ENDED`.
pub const LEASE_MIN_MS: i64 = 60_000;
/// Server grace G is a tenth of the TTL, but at least this.
pub const GRACE_MIN_MS: i64 = 5_000;
/// Items of one part of a snapshot: about 100 KiB.
pub const SNAPSHOT_PART_ITEMS: usize = 1024;
/// Leases for which a restored core makes room at once; more are no worse, but slower.
pub const LEASES_FORESEEN: usize = 4 * 1024 * 1024;
/// Drained leases that one idle tick ends.
pub const DRAINED_ENDS: usize = 256;
/// Run-out leases of an unlimited pool that one grant ends.
pub const UNLIMITED_EVICTIONS: usize = 4;
