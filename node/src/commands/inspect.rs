//! `inspect`: what an artefact says, verified under the node's trust root or another one, or marked.

use std::path::Path;

use leasehold_cli::{Exit, Failure, Output};
use leasehold_protocol::trust_root::TrustRoot;

use crate::cli::InspectArgs;
use crate::data_dir::DataDir;
use crate::{received, store};

pub(super) fn run(args: &InspectArgs, dir: Option<&DataDir>, output: Output) -> Result<Exit, Failure> {
    let root = match &args.trust {
        Some(file) => Some(given(file)?),
        None => dir.and_then(own),
    };
    leasehold_cli::inspect(&args.file, root.as_ref(), output)
}

fn given(file: &Path) -> Result<TrustRoot, Failure> {
    received::trust_root(file).map(|(_, root)| root)
}

/// The node's own root. Without a readable node, an artefact is shown all the same.
fn own(dir: &DataDir) -> Option<TrustRoot> {
    store::look(dir).ok()?.core.trust_root().cloned()
}
