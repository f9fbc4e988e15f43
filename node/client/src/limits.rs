//! The bounds of this package.

use std::time::Duration;

/// Bytes of one answer of a node: a status with thousands of pools.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the answer to the question who the node is: a hundred roots. Nothing is known about whoever sends it.
pub const IDENTITY_BYTES: usize = 256 * 1024;
/// Bytes of a bearer key.
pub const BEARER_KEY_BYTES: usize = 512;
/// The clocks are looked at so often even if nothing is due: timers stop in a suspend, and the wall clock may jump.
pub const LOOK: Duration = Duration::from_secs(5);
/// Without any answer of a node for so long, a wish is given up, unless the application says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of a blocking client waits for seats that are being given back.
pub const FAREWELL: Duration = Duration::from_secs(2);
