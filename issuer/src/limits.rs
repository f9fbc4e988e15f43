//! The bounds of this program. Each is tested at limit − 1, limit and limit + 1.

use std::num::NonZeroU32;
use std::time::Duration;

/// Costs of the key derivation that may be chosen: 2ᴺ rounds of scrypt.
pub(crate) const KDF_COST: std::ops::RangeInclusive<u8> = 10..=22;
/// The cost when nobody chooses: about a second.
pub(crate) const KDF_COST_DEFAULT: u8 = 18;
/// Bytes of the encrypted key file.
pub(crate) const KEY_FILE_BYTES: usize = 4096;
/// Records that an audit query shows when nobody says how many.
pub(crate) const AUDIT_RECORDS_DEFAULT: usize = 1000;
/// Records that one audit query shows at most; an export has no such bound.
pub(crate) const AUDIT_RECORDS: usize = 100_000;

/// Requests that wait for the writer; one more is `OVERLOADED`.
pub(crate) const INBOX: usize = 4096;
/// Orders of one frame.
pub(crate) const FRAME_ORDERS: usize = 1024;
/// A frame of as many bytes takes no more orders: a bundle of the largest size still fits.
pub(crate) const FRAME_BYTES_SOFT: usize =
    leasehold_journal::limits::FRAME_BYTES - leasehold_protocol::limits::LARGE_ENVELOPE_BYTES - 1024 * 1024;
/// The writer looks at the clock at least this often.
pub(crate) const WAKE: Duration = Duration::from_secs(5);
/// For the answer of the writer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Things on one page of a list when nobody says how many.
pub(crate) const PAGE_DEFAULT: usize = 50;
/// Things on one page of a list.
pub(crate) const PAGE: usize = 1000;
/// Bytes of an `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Bytes of an answer that a command reads.
pub(crate) const ANSWER_BYTES: usize = 1024 * 1024 * 1024;
/// Requests that read the whole journal at once; more wait.
pub(crate) const JOURNAL_READERS: usize = 2;
/// For the turn of such a request; then it is `OVERLOADED`.
pub(crate) const JOURNAL_TURN: Duration = Duration::from_secs(5);
/// For an export, however slowly it is taken; then it breaks off.
pub(crate) const EXPORT: Duration = Duration::from_mins(10);
/// How long a command waits for another process.
pub(crate) const DAEMON_TIMEOUT: Duration = Duration::from_mins(5);
/// Bytes of a file with the secret of an API key.
pub(crate) const API_KEY_FILE_BYTES: usize = 4096;
/// Requests and receipts of one enrolled node in a second: each may be answered with a bundle, which is kept.
pub(crate) const NODE_EXCHANGES_PER_SECOND: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");
/// Connections over TLS. At the cap no more are accepted until one ends.
pub(crate) const CONNECTIONS: u32 = 12_000;
/// Connections of the admin socket: a reserve that the network cannot use up.
pub(crate) const ADMIN_CONNECTIONS: u32 = 64;
/// Between the signal to end and the end, for requests under way.
pub(crate) const DRAIN: Duration = Duration::from_secs(8);
/// For tasks that do not end by themselves after that.
pub(crate) const ABANDON: Duration = Duration::from_secs(1);
/// For a head that changes, at most.
pub(crate) const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Sealed heads that are kept.
pub(crate) const KEPT_HEADS: usize = 10_000;
/// Requests that wait for a head; one more is `OVERLOADED`. The other connections are for whoever does not wait.
pub(crate) const HEAD_WAITERS: usize = 10_000;
/// At so many followed accounts those that nobody follows any more are forgotten.
pub(crate) const FOLLOWED_ACCOUNTS: usize = 2 * HEAD_WAITERS;

/// `doctor` warns this long before the trust root ends.
pub(crate) const ROOT_NOTICE_MS: i64 = 180 * 86_400_000;
