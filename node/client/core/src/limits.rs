//! The numbers of this package.

/// T1, the first renewal, in percent of the TTL.
pub const T1_PERCENT: i64 = 50;
/// T1 lies up to so many percent of itself earlier or later, so that clients spread.
pub const T1_JITTER_PERCENT: i64 = 10;
/// T2, from which on every address is tried, in percent of the TTL.
pub const T2_PERCENT: i64 = 70;
/// The most one attempt may take before it counts as unknown.
pub const ATTEMPT_MS: i64 = 5_000;
/// The most that handing back a seat may take whose proof failed.
pub const HAND_BACK_MS: i64 = 2_000;
/// Upper bound of the first pause between attempts; doubles with each further one.
pub const RETRY_FIRST_MS: i64 = 100;
/// Upper bound of all pauses between attempts.
pub const RETRY_MAX_MS: i64 = 5_000;
/// Verified chains that are remembered: a row is replaced seldom.
pub const CHAINS: usize = 4;
