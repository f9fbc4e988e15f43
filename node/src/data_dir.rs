//! What lies where in a node's data directory.
//!
//! ```text
//! journal/       the truth, and snapshots of what it comes to
//! keys/          sign.pem and tls.pem, 0600, PKCS#8
//! api-keys.json  hashes of the bearer keys, 0600
//! admin.sock     0600, while a daemon runs
//! node.sock      0666, while a daemon runs and nothing else was configured
//! replaced-N/    what a restore moved aside
//! ready.json     where the daemon listens, while it runs
//! ```

use std::path::{Path, PathBuf};

use leasehold_archive::State;

use crate::store::JOURNAL_KIND;

/// What a backup holds beside the journal.
const ARCHIVED: &[&str] = &["keys/sign.pem", "keys/tls.pem", "api-keys.json"];

/// A node's data directory, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The directory at `path`; a relative one is of the working directory.
    pub(crate) fn new(path: &Path) -> Self {
        // Only an empty path or a lost working directory fail; what uses the path then says so.
        Self(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// All of it that a backup holds.
    pub(crate) fn archived(&self) -> State<'_> {
        State { kind: JOURNAL_KIND, dir: &self.0, files: ARCHIVED }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }

    pub(crate) fn data_socket(&self) -> PathBuf {
        self.0.join("node.sock")
    }

    pub(crate) fn api_keys(&self) -> PathBuf {
        self.0.join("api-keys.json")
    }

    pub(crate) fn ready_file(&self) -> PathBuf {
        self.0.join("ready.json")
    }
}
