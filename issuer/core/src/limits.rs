//! Every bound of the issuer's core. Each is tested at limit − 1, limit and limit + 1.

/// API keys, disabled ones included.
pub const API_KEYS: usize = 10_000;
/// Levels of the tree of accounts.
pub const ACCOUNT_DEPTH: usize = 8;
/// Ids of one account in other systems.
pub const EXTERNAL_IDS: usize = 16;
/// Grants of one account: their artefacts, and those of their pools, must fit into one bundle.
pub const GRANTS_PER_ACCOUNT: usize = 8192;
/// Versions of one grant.
pub const GRANT_VERSIONS: usize = 1024;
/// Bundles of a node that its receipt may name: the last ones sent.
pub const SENT_BUNDLES: usize = 8;
/// Receipts of a node that are known again: the last ones taken, more than its bundles need.
pub const TAKEN_RECEIPTS: usize = 16;
/// Reports of a node that its later ones are compared with: the last ones.
pub const KEPT_REPORTS: usize = 32;
/// Artefacts that one request may present: rows, each with its pool and grant, and some more.
pub const PRESENTED: usize = 4 * ROWS_PER_NODE;
/// New generations that a node gets in a year on its own people's word; more need the vendor's.
pub const RECOVERIES_PER_YEAR: usize = 4;
/// Nodes of one account.
pub const NODES_PER_ACCOUNT: usize = 4096;
/// Live allocations of one node.
pub const ROWS_PER_NODE: usize = 1024;
/// Candidates named when a name fits several things.
pub const CANDIDATES: usize = 16;
/// Idempotency keys that are remembered; the oldest are forgotten first.
pub const IDEMPOTENCY_KEYS: usize = 65_536;
/// Bytes of the name of who acted.
pub const ACTOR_BYTES: usize = 128;
/// Bytes of the name of the system a command came from, and of its reference there.
pub const SOURCE_BYTES: usize = 128;
/// Bytes of a reason.
pub const REASON_BYTES: usize = 1024;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// For so long a node's new generations are counted.
pub const RECOVERIES_WITHIN_MS: i64 = 365 * DAY_MS;
/// How far into the past a grant may reach.
pub const GRANT_PAST_MS: i64 = 400 * DAY_MS;
/// Longest grace of a grant.
pub const GRACE_MAX_MS: i64 = 400 * DAY_MS;
/// A base row outlives its grant's grace by no more than this.
pub const ROW_BEYOND_GRANT_MS: i64 = DAY_MS;
/// Longest life of an elastic row.
pub const ELASTIC_ROW_MS: i64 = 7 * DAY_MS;
/// Running time for which a fixed row is served although its node knows no upper bound of time.
pub const SUSPECT_BUDGET_MS: i64 = 72 * HOUR_MS;
/// Longest borrow of a pool.
pub const BORROW_MAX_MS: i64 = 30 * DAY_MS;
/// Percent of a row's slots that may be borrowed.
pub const BORROW_PERCENT: u32 = 20;
/// A node serves elastic rows so long without a newer head.
pub const ELASTIC_OFFLINE_MS: i64 = 30 * DAY_MS;
/// Beyond the end of all promises under a row, certain time must pass by this before its slots are free.
pub const ROW_GUARD_MS: i64 = 10 * MINUTE_MS;

/// Life of a join code for a node that is reached over a network.
pub const JOIN_CODE_NEAR_MS: i64 = HOUR_MS;
/// Life of a join code that is carried to an air-gapped node.
pub const JOIN_CODE_FAR_MS: i64 = 14 * DAY_MS;
/// Life of a node certificate; renewed at half of it.
pub const CERTIFICATE_MS: i64 = 365 * DAY_MS;
/// Life of a root and of the keys in it.
pub const ROOT_MS: i64 = 3650 * DAY_MS;
/// Freshness of a head for an online node, and the least for any.
pub const FRESH_ONLINE_MS: i64 = DAY_MS;
/// A standing head is replaced at this age, so that whoever polls it stays fresh.
pub const HEAD_RENEWAL_MS: i64 = 12 * HOUR_MS;
/// Freshness of a head for a node that is online now and then.
pub const FRESH_INTERMITTENT_MS: i64 = 7 * DAY_MS;

/// Bytes of all names in a grant, each with two for its length: a proof of 16 KiB holds them twice, beside the rest.
pub const GRANT_TEXT_BYTES: usize = 5 * 1024;
