//! `inspect`: any artefact, under the trust root that is named or the issuer's own.

use std::ffi::OsStr;
use std::path::Path;

use leasehold_cli::files::{self, FileOrStdin};
use leasehold_cli::{Exit, Failure, inspect};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::trust_root::TrustRoot;

use crate::context::Context;

pub(super) fn run(context: &Context, file: &OsStr, trust: Option<&Path>) -> Result<Exit, Failure> {
    let own = context.dir.trust_root();
    let root = match trust {
        Some(path) => Some(pin(path)?),
        None if own.is_file() => Some(pin(&own)?),
        None => None,
    };
    inspect(&FileOrStdin::from(file), root.as_ref(), context.output)
}

fn pin(path: &Path) -> Result<TrustRoot, Failure> {
    let refused = |why: String| {
        let detail = format!("{} is no trust root: {why}", path.display());
        Failure::new(Code::Malformed, detail, "name what `trust export` wrote")
    };
    let file = files::read(&FileOrStdin::File(path.to_owned()), ARMOUR_BYTES)?;
    let envelope = unarmour(&file).map_err(|error| refused(error.to_string()))?;
    TrustRoot::pin(&envelope).map_err(|error| refused(error.to_string()))
}
