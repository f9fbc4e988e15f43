//! `inspect`: what an artefact says, unverified.

use leasehold_cli::files;
use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::code::Code;
use leasehold_protocol::inspect::describe;
use leasehold_protocol::limits::ARMOUR_BYTES;

use crate::cli::InspectArgs;
use crate::received;

pub(super) fn run(args: &InspectArgs, output: Output) -> Result<(), Failure> {
    let root = args.trust.as_deref().map(received::trust_root).transpose()?.map(|(_, root)| root);
    let envelope = received::envelope(&files::read(&args.file, ARMOUR_BYTES)?)?;
    let description = describe(&envelope, root.as_ref()).map_err(|error| {
        let hint = "check that it is the right file and was copied whole";
        Failure::new(Code::Malformed, format!("the artefact cannot be read: {error}"), hint)
    })?;
    let text = serde_json::to_string_pretty(&description).expect("a description is JSON");
    output.answer(&description, &People::sentence(text))
}
