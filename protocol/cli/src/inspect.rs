//! `inspect`: what an artefact says, verified as far as a trust root alone can, or marked.

use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{
    Allocation, Artefact, Grant, Head, Kind, Manifest, NodeCertificate, Pool, TimeStatement,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Envelope, verify};
use leasehold_protocol::inspect::describe;
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::proof::verify_proof;
use leasehold_protocol::request::open_request;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::{Value, json};

use crate::files::{self, FileOrStdin};
use crate::{Exit, Failure, Output, People};

/// Prints the artefact in a file of any form. What does not verify under `root`, or cannot be verified with a root
/// alone, is printed all the same, marked `UNVERIFIED` and why. Only what is no artefact is a failure (`MALFORMED`).
pub fn inspect(source: &FileOrStdin, root: Option<&TrustRoot>, output: Output) -> Result<Exit, Failure> {
    let envelope =
        unarmour(&files::read(source, ARMOUR_BYTES)?).map_err(|error| malformed(source, &error))?;
    let mut description = describe(&envelope, root).map_err(|error| malformed(source, &error))?;
    let verdict = match root {
        Some(root) => verdict(&envelope, root),
        None => Err("no trust root is at hand".to_owned()),
    };
    let text = serde_json::to_string_pretty(&description).expect("a description is JSON");
    let headline = match &verdict {
        Ok(()) => "verified under the trust root".to_owned(),
        Err(why) => format!("UNVERIFIED: {why}"),
    };
    mark(&mut description, verdict);
    output.answer(&description, &People::sentence(format!("{headline}\n{text}")))?;
    Ok(Exit::DONE)
}

fn mark(description: &mut Value, verdict: Result<(), String>) {
    description["verified"] = json!(verdict.is_ok());
    if let Err(why) = verdict {
        description["unverified_because"] = json!(why);
    }
}

/// Whether `root` alone is enough to believe it; if not, why not.
fn verdict(envelope: &[u8], root: &TrustRoot) -> Result<(), String> {
    let kind = Envelope::parse(envelope).map_err(|error| error.to_string())?.kind;
    match kind {
        Kind::Root if root.root().envelope() == envelope => Ok(()),
        Kind::Root => root.advance(envelope).map(drop).map_err(|error| error.to_string()),
        Kind::Head => signed::<Head>(envelope, root),
        Kind::Manifest => signed::<Manifest>(envelope, root),
        Kind::Grant => signed::<Grant>(envelope, root),
        Kind::Pool => signed::<Pool>(envelope, root),
        Kind::Allocation => signed::<Allocation>(envelope, root),
        Kind::NodeCertificate => signed::<NodeCertificate>(envelope, root),
        Kind::TimeStatement => signed::<TimeStatement>(envelope, root),
        Kind::Bundle => open_bundle(root, envelope).map(drop).map_err(|error| error.to_string()),
        Kind::Request => open_request(envelope, root.realm()).map(drop).map_err(|error| error.to_string()),
        Kind::SeatProof => verify_proof(root, envelope).map(drop).map_err(|error| error.to_string()),
        Kind::LeaseTicket => Err("a bare ticket proves nothing without its chain".to_owned()),
        _ => Err(format!("the key of a {kind} is the node's, which the trust root does not name")),
    }
}

fn signed<T: Artefact>(envelope: &[u8], root: &TrustRoot) -> Result<(), String> {
    verify::<T>(envelope, &root.ring(T::KIND)).map(drop).map_err(|error| error.to_string())
}

fn malformed(source: &FileOrStdin, error: &dyn std::fmt::Display) -> Failure {
    let hint = "check that it is the right file and was copied whole";
    Failure::new(Code::Malformed, format!("{source} cannot be read as an artefact: {error}"), hint)
}
