//! How a daemon says that it answers: one line on standard output, and `ready.json`.

use std::fs;
use std::path::PathBuf;

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Failure, Output};
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::NodeId;
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;

/// What a node without its first bundle is called in the ready line; `null` in the file.
const UNPROVISIONED: &str = "unprovisioned";

#[derive(Serialize)]
struct Ready<'a> {
    listen: &'a [String],
    node_id: Option<NodeId>,
}

/// The file while the daemon runs; it goes when this is dropped.
pub(crate) struct ReadyFile(DataDir);

/// Writes the file, then the line: whoever waits for the line finds the file. On a full disk there is the line alone.
pub(crate) fn announce(
    dir: &DataDir,
    listen: &[String],
    node_id: Option<NodeId>,
    output: Output,
) -> Result<ReadyFile, Failure> {
    let document = serde_json::to_vec(&Ready { listen, node_id }).expect("strings and ids are JSON");
    if let Err(failure) = files::write(&dir.ready_file(), &document, Access::Everyone, Existing::Replace) {
        tracing::warn!(
            event_id = %EventId::ReadyFileUnwritten,
            code = %failure.code(),
            cause = failure.problem().detail,
            "the ready file could not be written"
        );
    }
    let file = ReadyFile(dir.clone());
    let node = node_id.map_or_else(|| UNPROVISIONED.to_owned(), |id| id.to_string());
    output.line(&format!("ready {} node={node}", listen.join(" ")))?;
    Ok(file)
}

/// Where the running daemon serves applications of this machine, as it said.
pub(crate) fn data_socket(dir: &DataDir) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Announced {
        listen: Vec<String>,
    }
    let Announced { listen } = serde_json::from_slice(&fs::read(dir.ready_file()).ok()?).ok()?;
    listen.iter().find_map(|place| place.strip_prefix("unix:")).map(PathBuf::from)
}

/// Removes what a daemon left behind that was killed.
pub(crate) fn clear(dir: &DataDir) {
    // There usually is none; one that cannot be removed cannot be replaced either, and that is told then.
    let _ = fs::remove_file(dir.ready_file());
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        clear(&self.0);
    }
}
