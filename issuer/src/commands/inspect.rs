//! `inspect`: any artefact, verified as far as a trust root alone can, or marked as not.

use std::ffi::OsStr;
use std::path::Path;

use leasehold_cli::files::{self, FileOrStdin};
use leasehold_cli::{Exit, Failure, People};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{
    Allocation, Artefact, Grant, Head, Kind, Manifest, NodeCertificate, Pool, TimeStatement,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Envelope, verify};
use leasehold_protocol::inspect::describe;
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::request::open_request;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::{Value, json};

use crate::context::Context;

pub(super) fn run(context: &Context, file: &OsStr, trust: Option<&Path>) -> Result<Exit, Failure> {
    let source = FileOrStdin::from(file);
    let envelope = read(&source)?;
    let root = root(context, trust)?;
    let unreadable = |error: &dyn std::error::Error| malformed(&source, &error.to_string());
    let kind = Envelope::parse(&envelope).map_err(|error| unreadable(&error))?.kind;
    let mut document = describe(&envelope, root.as_ref()).map_err(|error| unreadable(&error))?;
    let verdict = verdict(kind, &envelope, root.as_ref());
    document["verified"] = json!(verdict.is_ok());
    let headline = match &verdict {
        Ok(()) => format!("{kind}, verified"),
        Err(why) => {
            document["unverified_because"] = json!(why);
            format!("{kind}, UNVERIFIED: {why}")
        }
    };
    let people = People::sentence(headline).and(People::sentence(pretty(&document)));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn read(source: &FileOrStdin) -> Result<Vec<u8>, Failure> {
    let bytes = files::read(source, ARMOUR_BYTES)?;
    unarmour(&bytes).map_err(|error| malformed(source, &error.to_string()))
}

fn malformed(source: &FileOrStdin, what: &str) -> Failure {
    let hint = "give an artefact in any form: bytes, an armoured block, or one line";
    Failure::new(Code::Malformed, format!("{source} cannot be read: {what}"), hint)
}

/// The root that was named, or the issuer's own if there is an issuer.
fn root(context: &Context, named: Option<&Path>) -> Result<Option<TrustRoot>, Failure> {
    let own = context.dir.trust_root();
    let path = match named {
        Some(path) => path,
        None if own.is_file() => &own,
        None => return Ok(None),
    };
    let source = FileOrStdin::File(path.to_owned());
    let pinned = TrustRoot::pin(&read(&source)?);
    pinned.map(Some).map_err(|error| malformed(&source, &error.to_string()))
}

/// Why an artefact does not verify, if it does not.
fn verdict(kind: Kind, envelope: &[u8], root: Option<&TrustRoot>) -> Result<(), String> {
    let Some(root) = root else { return Err("there is no trust root to verify it with".to_owned()) };
    match kind {
        Kind::Root => TrustRoot::pin(envelope).map_err(|error| error.to_string()).and_then(|pinned| {
            let ours =
                root.follow([envelope]).is_ok_and(|newest| newest.root().digest() == pinned.root().digest());
            if ours {
                Ok(())
            } else {
                Err("it verifies by itself, but the trust root at hand does not lead to it".to_owned())
            }
        }),
        Kind::Head => signed::<Head>(envelope, root),
        Kind::Manifest => signed::<Manifest>(envelope, root),
        Kind::Grant => signed::<Grant>(envelope, root),
        Kind::Pool => signed::<Pool>(envelope, root),
        Kind::Allocation => signed::<Allocation>(envelope, root),
        Kind::NodeCertificate => signed::<NodeCertificate>(envelope, root),
        Kind::TimeStatement => signed::<TimeStatement>(envelope, root),
        Kind::Bundle => open_bundle(root, envelope).map(drop).map_err(|error| error.to_string()),
        Kind::Request => open_request(envelope, root.realm()).map(drop).map_err(|error| error.to_string()),
        _ => Err("a node signed it, and only the chain of a proof says which".to_owned()),
    }
}

fn signed<T: Artefact>(envelope: &[u8], root: &TrustRoot) -> Result<(), String> {
    verify::<T>(envelope, &root.ring(T::KIND)).map(drop).map_err(|error| error.to_string())
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}
