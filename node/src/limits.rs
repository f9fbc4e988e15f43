//! Every bound of the daemon. Each is tested at limit − 1, limit and limit + 1.

use std::time::Duration;

/// Commands that wait for the writer; one more is `OVERLOADED`.
pub(crate) const INBOX: usize = 4096;
/// Commands of one frame.
pub(crate) const FRAME_COMMANDS: usize = 1024;
/// A frame that has as many records takes no more commands: what one command may add at most (a checkout that evicts a
/// lease for each of its seats) still fits.
pub(crate) const FRAME_RECORDS_SOFT: usize =
    leasehold_journal::limits::FRAME_RECORDS - leasehold_node_core::limits::CHECKOUT_SEATS as usize - 64;
/// The same in bytes: a bundle of the largest size still fits.
pub(crate) const FRAME_BYTES_SOFT: usize =
    leasehold_journal::limits::FRAME_BYTES - leasehold_protocol::limits::LARGE_ENVELOPE_BYTES - 1024 * 1024;
/// An idle node writes a frame this often, so that service time and floor are kept.
pub(crate) const TICK_MS: i64 = 60_000;
/// The writer looks at the clock at least this often.
pub(crate) const WAKE: Duration = Duration::from_secs(5);

/// A snapshot is due when the journal has grown by as many records: replaying them takes a quarter of a second.
pub(crate) const SNAPSHOT_RECORDS: u64 = 100_000;
/// A snapshot is due at this age, if there is a record at all that it lacks.
pub(crate) const SNAPSHOT_AGE: Duration = Duration::from_hours(1);
/// Parts of a snapshot that are read before they are asked for.
pub(crate) const SNAPSHOT_PARTS_AHEAD: usize = 4;
/// How often it is looked whether a snapshot is due.
pub(crate) const SNAPSHOT_LOOK: Duration = Duration::from_secs(1);
/// Pause after a snapshot that could not be made.
pub(crate) const SNAPSHOT_RETRY: Duration = Duration::from_mins(10);
/// Work in the background rests after as much of it …
pub(crate) const BACKGROUND_SLICE: Duration = Duration::from_millis(5);
/// … for so many times as long: it takes a quarter of one CPU at most.
pub(crate) const BACKGROUND_RESTS: u32 = 3;

/// Series of one counter by pool and code; more are counted without their pool.
pub(crate) const SERIES: usize = 4096;

/// Connections of one listener. At the cap no more are accepted until one ends.
pub(crate) const CONNECTIONS: u32 = leasehold_net::limits::CONNECTIONS;
/// Of them, those of the data socket beside a TCP address: as many files as both may open are rarely allowed.
pub(crate) const LOCAL_CONNECTIONS: u32 = 4096;
/// Connections of the admin socket: a reserve that the data socket cannot use up.
pub(crate) const ADMIN_CONNECTIONS: u32 = 64;
/// Open files beside those connections: journal, sockets, standard streams.
pub(crate) const OTHER_FILES: u32 = 64;

/// For the answer of the writer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Between the signal to end and the end, for requests under way.
pub(crate) const DRAIN: Duration = Duration::from_secs(8);
/// For tasks that do not end by themselves after that.
pub(crate) const ABANDON: Duration = Duration::from_secs(1);

/// `doctor` warns this long before something ends.
pub(crate) const EXPIRY_NOTICE_MS: i64 = 14 * 86_400_000;
/// Bearer keys of a node.
pub(crate) const API_KEYS: usize = 1024;
/// Bytes of the file that holds their hashes.
pub(crate) const API_KEY_FILE_BYTES: usize = 1024 * 1024;
/// What one caller of the network may ask in a second, at most: beyond it there is no use in counting.
pub(crate) const REQUESTS_PER_SECOND: u32 = 1_000_000;
/// TCP addresses that a daemon listens at.
pub(crate) const LISTENERS: usize = 16;
/// Bytes of a key file.
pub(crate) const KEY_FILE_BYTES: u64 = 4096;
/// Bytes of an answer of the daemon to a command.
pub(crate) const DAEMON_ANSWER_BYTES: usize = 1024 * 1024 * 1024;
/// How long a command waits for the daemon.
pub(crate) const DAEMON_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the issuer may hold a poll of its head while nothing is new.
pub(crate) const POLL_WAIT: Duration = Duration::from_secs(25);
/// Least time between two polls that brought nothing: what answers at once is a cache.
pub(crate) const POLL_LEAST: Duration = Duration::from_secs(2);
/// How long an answer of the issuer may take, a held poll included.
pub(crate) const ISSUER_ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// Bytes of an answer of the issuer that is no artefact.
pub(crate) const ISSUER_ANSWER_BYTES: usize = 64 * 1024;
/// How often a daemon that has no issuer looks whether it has one by now.
pub(crate) const CONTACT_LOOK: Duration = Duration::from_secs(1);
/// First pause after a failed contact; doubled with each further one.
pub(crate) const CONTACT_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after failed contacts.
pub(crate) const CONTACT_PAUSE_MAX: Duration = Duration::from_mins(1);
/// Longest wait between news and the exchange that fetches it.
pub(crate) const EXCHANGE_JITTER: Duration = Duration::from_millis(500);
/// Least time between two exchanges that no verified head asked for.
pub(crate) const EXCHANGE_LEAST: Duration = Duration::from_mins(1);
