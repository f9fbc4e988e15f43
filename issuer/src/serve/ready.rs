//! How the service says that it answers: one line on standard output, and `ready.json`.

use std::fs;

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Failure, Output};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::envelope::RealmId;
use leasehold_protocol::event_id::EventId;
use serde::Serialize;

use crate::state_dir::StateDir;

#[derive(Serialize)]
struct Ready<'a> {
    listen: &'a [String],
    realm: RealmId,
    /// What clients pin.
    tls_key: SpkiDigest,
}

/// The file while the service runs; it goes when this is dropped.
pub(super) struct ReadyFile(StateDir);

/// Writes the file, then the line: whoever waits for the line finds the file. On a full disk there is the line alone.
pub(super) fn announce(
    dir: &StateDir,
    listen: &[String],
    realm: RealmId,
    tls_key: SpkiDigest,
    output: Output,
) -> Result<ReadyFile, Failure> {
    let document = serde_json::to_vec(&Ready { listen, realm, tls_key }).expect("strings and ids are JSON");
    if let Err(failure) = files::write(&dir.ready_file(), &document, Access::Everyone, Existing::Replace) {
        tracing::warn!(
            event_id = %EventId::ReadyFileUnwritten,
            code = %failure.code(),
            cause = failure.problem().detail,
            "the ready file could not be written"
        );
    }
    let file = ReadyFile(dir.clone());
    output.line(&format!("ready {} realm={realm}", listen.join(" ")))?;
    Ok(file)
}

/// Removes what a service left behind that was killed.
pub(super) fn clear(dir: &StateDir) {
    // There usually is none; one that cannot be removed cannot be replaced either, and that is told then.
    let _ = fs::remove_file(dir.ready_file());
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        clear(&self.0);
    }
}
