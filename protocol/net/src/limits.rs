//! Every bound of listening and connecting. Each is tested at limit − 1, limit and limit + 1.

use std::time::Duration;

use leasehold_protocol::limits::ENVELOPE_BYTES;

/// Connections of one endpoint, unless its service says fewer. At the cap no more are accepted until one ends.
pub const CONNECTIONS: u32 = 12_000;
/// Connections of one address (of one /64 in IPv6), unless its service says otherwise; those from this machine are not
/// counted.
pub const CONNECTIONS_PER_PEER: u32 = 256;
/// Connections that the kernel keeps until they are accepted, as far as its own limit allows.
pub const BACKLOG: u32 = 4096;
/// Requests of one HTTP/2 connection at once.
pub const STREAMS: u32 = 64;
/// Bytes of bodies that one HTTP/2 connection may send before somebody reads them.
pub const WINDOW_BYTES: u32 = 64 * 1024;

/// Bytes of a request head, or of the head of an answer.
pub const HEAD_BYTES: usize = 8 * 1024;
/// Headers of a request.
pub const HEADERS: usize = 64;
/// Bytes of a request body, except of artefacts.
pub const BODY_BYTES: usize = 64 * 1024;
/// Bytes of a body that carries an artefact in any form, except a bundle: base64 of an envelope, line ends and frame.
pub const ARTEFACT_BODY_BYTES: usize = ENVELOPE_BYTES / 3 * 4 + ENVELOPE_BYTES / 24 + 4096;
/// Bytes of a body that carries a bundle in any form.
pub const BUNDLE_BODY_BYTES: usize = leasehold_protocol::limits::ARMOUR_BYTES;
/// Bytes of all bodies being received.
pub const BODIES_IN_FLIGHT_BYTES: usize = 64 * 1024 * 1024;
/// How deep arrays and objects of a body may nest.
pub const JSON_DEPTH: usize = 32;

/// For a whole TLS handshake, its first byte included.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request head, and between two requests of HTTP/1.1.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection on which no request is under way and nothing of an answer is taken.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// For a connection to end that was told to.
pub const LINGER: Duration = Duration::from_secs(5);
/// For a whole body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed `accept`.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For a client: until the other end has accepted the connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a client: from sending a request to the end of its answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests per second of one identity, unless its service says otherwise.
pub const REQUESTS_PER_SECOND: u32 = 200;
/// Identities whose requests are counted at once; more are let through uncounted.
pub const RATED_IDENTITIES: usize = 16_384;

/// Bytes of the path of a Unix socket (`sun_path` without its end).
pub const SOCKET_PATH_BYTES: usize = 107;
/// Bytes of a file with certificates or their key.
pub const CERTIFICATE_FILE_BYTES: usize = 1024 * 1024;
/// Certificates of a file of authorities.
pub const AUTHORITIES: usize = 256;
/// An answer of as many bytes is written at once.
pub(crate) const SHORT_ANSWER_BYTES: u64 = 64 * 1024;
