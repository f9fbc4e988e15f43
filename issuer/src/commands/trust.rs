//! `trust`: the trust root that everything is verified with.

use std::path::Path;

use leasehold_cli::files::{self, Access, Existing};
use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::inspect::describe;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::json;

use crate::api::ReadQuery;
use crate::args::TrustVerb;
use crate::backend::Call;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: &TrustVerb) -> Result<Exit, Failure> {
    let text = context.backend.fetch(Call::get("/v1/trust-root.lh", &ReadQuery::default()))?;
    let envelope = unarmour(&text).map_err(|error| no_root(&error))?;
    let trust = TrustRoot::pin(&envelope).map_err(|error| no_root(&error))?;
    match verb {
        TrustVerb::Export { file } => export(context, &trust, &text, file),
        TrustVerb::Show => show(context, &trust),
    }
}

fn export(context: &Context, trust: &TrustRoot, text: &[u8], file: &Path) -> Result<Exit, Failure> {
    files::write(file, text, Access::Everyone, Existing::Replace)?;
    let document = json!({
        "trust_root": file,
        "version": trust.root().version,
        "realm": trust.realm().id,
        "digest": trust.root().digest(),
    });
    let people = People::sentence(format!(
        "wrote version {} of the trust root to {}",
        trust.root().version,
        file.display()
    ));
    let people = people.next(format!("leasehold-node init --trust {}", file.display()));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, trust: &TrustRoot) -> Result<Exit, Failure> {
    let root = trust.root();
    let document = describe(root.envelope(), Some(trust)).map_err(|error| no_root(&error))?;
    let people = People::facts([
        ("realm", format!("{} ({})", root.realm_name, root.realm)),
        ("mode", format!("{:?}", root.mode).to_lowercase()),
        ("version", root.version.to_string()),
        ("digest", root.digest().to_string()),
        ("issued at", rfc3339(root.issue.issued_at)),
        ("renew before", rfc3339(root.not_after)),
    ]);
    let people = people.next(context.command("trust export FILE"));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn no_root(error: &dyn std::error::Error) -> Failure {
    let detail = format!("the issuer's trust root cannot be read: {error}");
    Failure::new(Code::Internal, detail, "this is a fault of the program: report it")
}
