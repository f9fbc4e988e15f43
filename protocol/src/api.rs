//! The words of the node's HTTP/JSON API (`/v1`), shared by node and client. Bodies refuse unknown fields; answers may
//! gain fields. Instants are RFC 3339 text, spans `_ms` integers, epochs decimal text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::{Digest, hex_bytes};
use crate::code::{Code, UnknownCode, exit};
use crate::ids::{AllocationId, BundleId, LeaseId, NodeId, PoolId};
use crate::slots::SlotRange;
use crate::time::UnixMs;

hex_bytes!(
    /// A client-chosen 128-bit idempotency key: the same key asks for the same seat.
    IdempotencyKey,
    16
);

/// `POST /v1/leases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckoutRequest {
    /// SKU; one of `product` and `pool` must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// A certain pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// Features that the seat must include.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Seats, all or nothing.
    #[serde(default = "one")]
    pub count: u32,
    /// Who holds the lease.
    pub holder: HolderName,
    /// Chosen by the client; a retry repeats it.
    pub key: IdempotencyKey,
    /// Wished life of the lease; the pool's bounds cut it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
}

fn one() -> u32 {
    1
}

/// Who an application says that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderName {
    /// User name, ≤ 128 bytes.
    pub user: String,
    /// Host name, ≤ 128 bytes.
    pub host: String,
    /// Process, ≤ 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

/// Answer to a checkout or renewal. A denial is a decision, not an error: HTTP 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    /// A seat.
    Allow(Seat),
    /// No seat, and why.
    Deny(Denial),
}

/// A seat that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// `ALLOWED`, `ALLOWED_GRACE` or `ALLOWED_OVERAGE`.
    pub code: Code,
    /// The lease; the same over its renewals.
    pub lease_id: LeaseId,
    /// Fencing number: strictly ascending per pool.
    #[serde(with = "decimal")]
    pub epoch: u64,
    /// The pool it came from.
    pub pool_id: PoolId,
    /// The seat's number, if it is one seat of a limited pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The seats' numbers, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<u32>>,
    /// SKU.
    pub product: String,
    /// Features it was checked out for.
    pub features: Vec<String>,
    /// `user@host`.
    pub holder: String,
    /// Life of the lease from its grant or last renewal.
    pub ttl_ms: i64,
    /// Service time from the grant or last renewal to this answer, rounded up.
    pub age_ms: i64,
    /// `ttl_ms − age_ms`, not below 0.
    pub expires_in_ms: i64,
    /// 0.80 · `ttl_ms` − `age_ms`; ≤ 0 means: renew before use.
    pub stop_in_ms: i64,
    /// The lease ticket, `lh1_lease_…`.
    pub ticket: String,
    /// Digest of the chain that proves the ticket: `GET /v1/proof/{digest}`.
    pub chain: Digest,
}

/// Why there is no seat.
///
/// A denial with a code that this version does not know is a denial all the same: it is read as
/// [`Code::Unrecognised`], with the code's text before its detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReceivedDenial")]
pub struct Denial {
    /// From the registry.
    pub code: Code,
    /// What happened, until when, with which numbers.
    pub detail: String,
    /// What to do.
    pub hint: String,
    /// Place in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u32>,
    /// Earliest time at which a seat may be free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// Who holds the seats, `user@host`; at most the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<String>,
    /// What would allow it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_allow: Vec<String>,
}

/// A denial as it came, of this version or a newer one.
#[derive(Deserialize)]
struct ReceivedDenial {
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    hint: String,
    queue_position: Option<u32>,
    retry_after_ms: Option<i64>,
    #[serde(default)]
    held_by: Vec<String>,
    #[serde(default)]
    would_allow: Vec<String>,
}

impl From<ReceivedDenial> for Denial {
    fn from(received: ReceivedDenial) -> Self {
        let ReceivedDenial { code, detail, hint, queue_position, retry_after_ms, held_by, would_allow } =
            received;
        let (code, detail) = match code.parse() {
            Ok(known) => (known, detail),
            Err(UnknownCode(text)) => (Code::Unrecognised, format!("{text}: {detail}")),
        };
        Self { code, detail, hint, queue_position, retry_after_ms, held_by, would_allow }
    }
}

impl Denial {
    /// How a program exits that was denied: by the code, and as denied where the code is one of a newer node.
    pub const fn exit(&self) -> u8 {
        match self.code {
            Code::Unrecognised => exit::DENIED,
            code => code.exit(),
        }
    }
}

/// `POST /v1/leases/{id}/renew`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// How long the seat was not used, if the application knows: from the pool's bound on there is no renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<i64>,
    /// The lease's newest ticket, `lh1_lease_…`, where the node has asked for it (`TICKET_NEEDED`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The seat is in use: inside its STOP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// `DELETE /v1/leases/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAnswer {
    /// False if the lease was unknown or had ended: nothing was done.
    pub released: bool,
}

/// `GET /v1/proof/{chain digest}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainAnswer {
    /// Envelopes of all roots the node has, ascending, `lh1_root_…`.
    pub roots: Vec<String>,
    /// `lh1_grant_…`.
    pub grant: String,
    /// `lh1_pool_…`.
    pub pool: String,
    /// `lh1_allocation_…`.
    pub allocation: String,
    /// `lh1_certificate_…`.
    pub certificate: String,
}

/// `GET /v1/identity`: who the node is, before anything else is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityAnswer {
    /// None before the first bundle.
    pub node_id: Option<NodeId>,
    /// Envelopes of all roots the node has, ascending.
    pub roots: Vec<String>,
    /// `lh1_certificate_…`; none before the first bundle.
    pub certificate: Option<String>,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// None before the first bundle.
    pub node_id: Option<NodeId>,
    /// What the customer calls the node.
    pub name: String,
    /// Node-wide trust state.
    pub trust_state: TrustState,
    /// Why it is so.
    pub trust_cause: String,
    /// When it changes by itself.
    pub next_transition_at: Option<String>,
    /// The node's idea of time.
    pub clock: ClockStatus,
    /// The node's contact with the issuer.
    pub issuer: IssuerContact,
    /// The pools it serves.
    pub pools: Vec<PoolStatus>,
    /// Its journal.
    pub journal: JournalStatus,
    /// Whether a daemon is serving.
    pub running: bool,
}

/// Trust state of a node or of one of its rows, first match wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TrustState {
    /// No root, certificate or allocation.
    Unprovisioned,
    /// The grant was revoked: running leases drain.
    Revoked,
    /// The node's ledger may have regressed: nothing but what holders show is served.
    Recover,
    /// The issuer has heard something else from the node: rows are not extended.
    Forked,
    /// Grant end and grace passed, or offline for too long.
    Expired,
    /// The grant's end passed.
    Grace,
    /// The head is older than it promises to be good for.
    Stale,
    /// None of these.
    Fresh,
}

/// The node's idea of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// `GOOD`, `COARSE` or `SUSPECT`.
    pub status: String,
    /// Proven lower bound of true time; null before the first signed time.
    pub floor: Option<String>,
    /// What counts for customer-facing validity.
    pub best: String,
    /// Lowest valid upper bound of true time; null = not known.
    pub hi: Option<String>,
    /// The wall clock.
    pub wall: String,
    /// Service time.
    pub svc_ms: i64,
    /// The kernel says that a time service disciplines the wall clock.
    #[serde(default)]
    pub kernel_synchronised: bool,
    /// What is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What heals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Running time since the wall clock became `SUSPECT`, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect_for_ms: Option<i64>,
    /// A signed time too far ahead to be believed: it waits for an operator's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_kept_aside: Option<String>,
}

/// The node's contact with the issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerContact {
    /// Where the node reaches it; null: it works by files.
    pub url: Option<String>,
    /// Whether the last try reached it; null: no daemon has tried.
    pub reachable: Option<bool>,
    /// Why the last try did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// When the last word of the issuer was applied.
    pub last_sync_at: Option<String>,
}

/// A pool as this node serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Which.
    pub pool_id: PoolId,
    /// SKU.
    pub product: String,
    /// Seats this node may serve; null = unlimited.
    pub seats: Option<u32>,
    /// Seats in use.
    pub in_use: u32,
    /// Of which borrowed.
    pub borrowed: u32,
    /// Of which were given back and wait for the same user and host.
    #[serde(default)]
    pub lingering: u32,
    /// Of which end with their promise.
    #[serde(default)]
    pub draining: u32,
    /// Of leases that ran out: not in use, and free for whoever needs them.
    #[serde(default)]
    pub evictable: u32,
    /// Held beyond those sold.
    #[serde(default)]
    pub overage: u32,
    /// Of which are counted although no holder is known: of a ledger that may have regressed.
    #[serde(default)]
    pub quarantined: u32,
    /// Requests waiting.
    pub queued: u32,
    /// Denials of the last hour.
    pub denied_1h: u64,
    /// Features of its grant.
    pub features: Vec<String>,
    /// End of its grant, without grace.
    pub grant_ends_at: String,
    /// Its rows.
    pub allocations: Vec<AllocationStatus>,
    /// Trust state.
    pub trust_state: TrustState,
    /// Why it is so, and what to do.
    pub trust_cause: String,
    /// When it changes by itself.
    pub next_transition_at: Option<String>,
}

/// One row of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationStatus {
    /// Which.
    pub allocation_id: AllocationId,
    /// Its seats; null = unlimited.
    pub seats: Option<u32>,
    /// Its end.
    pub not_after: String,
    /// Running time for which it is served on, while nothing bounds how late it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_left_ms: Option<i64>,
}

/// `GET /v1/pools`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolsAnswer {
    /// The pools this node serves.
    pub pools: Vec<PoolStatus>,
}

/// How far the journal reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Seq of the last record.
    pub seq: u64,
    /// Chain hash after it.
    pub head: Digest,
    /// The newest snapshot of the state: a start replays what came after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
}

/// A snapshot of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// Seq of the last record that it is of.
    pub seq: u64,
    /// When it was made, by the wall clock.
    pub made_at: String,
}

/// `GET /v1/leases` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasesAnswer {
    /// Every lease not yet ended.
    pub leases: Vec<LeaseStatus>,
}

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Which.
    pub lease_id: LeaseId,
    /// Its pool.
    pub pool_id: PoolId,
    /// SKU.
    pub product: String,
    /// Features it was checked out for.
    pub features: Vec<String>,
    /// Its seat, if it is one seat of a limited pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// Its seats, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<u32>>,
    /// Fencing number.
    #[serde(with = "decimal")]
    pub epoch: u64,
    /// What becomes of it.
    pub state: LeaseState,
    /// A seat of it is beyond those sold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overage: bool,
    /// `user@host`.
    pub holder: String,
    /// By the wall clock of that moment.
    pub acquired_at: String,
    /// Until its promise ends, or its lingering; not below 0.
    pub expires_in_ms: i64,
}

/// What becomes of a lease. All but evictable ones are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum LeaseState {
    /// It is held, and may be renewed.
    Active,
    /// It was given back: its seat waits for the same user and host.
    Linger,
    /// It is held, and ends with its promise: the right was revoked or withdrawn, or an operator took it back.
    Drain,
    /// It ran out: its seat goes to whoever needs it.
    Evictable,
    /// Nobody knows whether it is still held: the node's ledger may have regressed since.
    Quarantine,
}

impl LeaseState {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Linger => "LINGER",
            Self::Drain => "DRAIN",
            Self::Evictable => "EVICTABLE",
            Self::Quarantine => "QUARANTINE",
        }
    }
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `POST /v1/leases/{id}:force-release` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForceReleaseAnswer {
    /// Which.
    pub lease_id: LeaseId,
    /// Its pool.
    pub pool_id: PoolId,
    /// `user@host`.
    pub holder: String,
    /// `DRAIN` as long as its holder may use it, by the promise it has.
    pub state: LeaseState,
    /// Until the seat is free for others; 0: it is.
    pub free_in_ms: i64,
}

/// `POST /v1/bundles` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// What happened.
    pub result: ImportResult,
    /// Which bundle.
    pub bundle_id: BundleId,
    /// What it changes, one sentence each.
    pub changes: Vec<String>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportResult {
    /// It is in force.
    Applied,
    /// It is the one applied last: nothing done.
    AlreadyApplied,
    /// It would be applied (`dry_run`).
    WouldApply,
}

/// `POST /v1/request` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAnswer {
    /// `lh1_request_…`.
    pub request: String,
    /// Its digest.
    pub digest: Digest,
}

/// `POST /v1/receipts` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// `lh1_receipt_…`.
    pub receipt: String,
    /// Its digest.
    pub digest: Digest,
    /// The bundle that is in force.
    pub bundle: Digest,
}

/// `POST /v1/surrenders` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurrenderAnswer {
    /// The pool.
    pub pool_id: PoolId,
    /// How many of its seats are given back.
    pub seats: u32,
    /// Which; none if they would only be (`dry_run`).
    pub slots: Vec<SlotRange>,
}

/// What came of a word of the operator about RECOVER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoverResult {
    /// The node is in RECOVER.
    Recovering,
    /// It would be (`dry_run`).
    WouldRecover,
}

/// `POST /v1/recover` (admin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverAnswer {
    /// What came of it.
    pub result: RecoverResult,
    /// `RECOVER`
    pub trust_state: TrustState,
    /// What showed it, and what ends it.
    pub trust_cause: String,
    /// An operator has attested that no copy of the node runs.
    pub attested: bool,
    /// When what may have been forgotten is over; null: it is.
    pub wait_ends_at: Option<String>,
}

/// The share of `ttl_ms` that is left for use after `age_ms`: STOP = 0.80 · TTL.
pub const fn stop_in_ms(ttl_ms: i64, age_ms: i64) -> i64 {
    (ttl_ms / 5).saturating_mul(4).saturating_sub(age_ms)
}

/// An instant of the API; `None` for ∞ and for "not known".
pub fn instant(at: UnixMs) -> Option<String> {
    (at != UnixMs::MIN && at != UnixMs::MAX).then(|| at.to_string())
}

/// Numbers that JavaScript cannot hold, as decimal text.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
