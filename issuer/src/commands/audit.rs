//! `audit`: who did what, when and why; and whether the journal is what was written.

use std::path::PathBuf;

use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_issuer_core::{Fact, Issuer, What};
use leasehold_journal::JournalError;
use leasehold_journal::file::{Extent, ReadOnly, verify};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde_json::json;

use crate::args::{AuditQueryArgs, AuditVerb};
use crate::audit_record::{document, subject};
use crate::context::Context;
use crate::journal;
use crate::state_dir::StateDir;

pub(super) fn run(context: &Context, verb: AuditVerb) -> Result<Exit, Failure> {
    match verb {
        AuditVerb::Query(args) => query(context, &args),
        AuditVerb::Verify { offline } => {
            check(context, &offline.map_or_else(|| context.dir.clone(), StateDir::new))
        }
    }
}

fn query(context: &Context, args: &AuditQueryArgs) -> Result<Exit, Failure> {
    let (_, stored) = journal::read(&context.dir)?;
    let since = args.since.map(|since| since.resolve(None)).transpose()?.unwrap_or(UnixMs::MIN);
    let until = args.until.map(|until| until.resolve(None)).transpose()?.unwrap_or(UnixMs::MAX);
    let wanted = |fact: &Fact| {
        (since..until).contains(&fact.meta.recorded_at)
            && args.by.as_ref().is_none_or(|actor| *actor == fact.meta.actor)
            && args.kind.as_ref().is_none_or(|kind| kind == fact.what.kind())
    };
    let mut found: Vec<(Seq, Fact)> = Vec::new();
    for frame in stored.read(Seq::NONE) {
        let facts = frame.and_then(|frame| journal::facts(&frame));
        let facts = facts.map_err(|error| journal::failure(&context.dir, &error))?;
        found.extend(facts.into_iter().filter(|(_, fact)| wanted(fact)));
    }
    let newest = found.split_off(found.len().saturating_sub(args.limit));
    let documents: Vec<_> = newest.iter().map(|(seq, fact)| document(*seq, fact)).collect();
    let rows = newest.iter().map(|(seq, fact)| {
        [
            seq.to_string(),
            rfc3339(fact.meta.recorded_at),
            fact.meta.actor.clone(),
            fact.what.kind().to_owned(),
            subject(&fact.what),
            fact.meta.reason.clone().unwrap_or_default(),
        ]
    });
    let people = People::table(["seq", "recorded", "actor", "what", "subject", "reason"], rows);
    context.output.answer(&json!({"records": documents}), &people).map(|()| Exit::DONE)
}

/// Chain and checksums, then every fact in turn, and every bundle with the root that signed it.
fn check(context: &Context, dir: &StateDir) -> Result<Exit, Failure> {
    let path = journal_in(dir);
    let unverified = |error: JournalError| match error {
        JournalError::Damaged { seq, detail } => {
            let hint = "keep this copy as it is, and compare with other copies from that record on";
            let detail = format!("the journal does not verify at record {seq}: {detail}");
            Failure::new(Code::JournalUnverified, detail, hint).with("seq", seq.0)
        }
        other => journal::failure(dir, &other),
    };
    let verified = verify(&path, Extent::Durable).map_err(unverified)?;
    let stored = ReadOnly::open(&path).map_err(unverified)?;
    let (mut issuer, mut bundles) = (Issuer::new(), 0_u64);
    for frame in stored.read(Seq::NONE) {
        let frame = frame.map_err(unverified)?;
        let look = |issuer: &Issuer, (_, fact): (Seq, &Fact)| {
            bundles = bundles.saturating_add(check_bundle(issuer, fact)?);
            Ok(())
        };
        journal::replay_frame(&mut issuer, &frame, look).map_err(unverified)?;
    }
    let records = stored.tail().next_seq.previous();
    let document = json!({
        "valid": true,
        "frames": verified.frames,
        "records": records,
        "bundles": bundles,
        "head": stored.tail().chain.to_string(),
        "state": data_encoding::HEXLOWER.encode(&issuer.state_hash()),
    });
    let people = People::sentence(format!(
        "the journal verifies: {records} records in {} frames, {bundles} bundles, chain {}",
        verified.frames,
        stored.tail().chain,
    ));
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

/// A copy may be of the data directory or of the journal in it.
fn journal_in(dir: &StateDir) -> PathBuf {
    let journal = dir.journal();
    let bare = dir.path().join("GENESIS").exists() && !journal.exists();
    if bare { dir.path().to_owned() } else { journal }
}

/// How many bundles a fact holds; each must open with the root of its time.
fn check_bundle(issuer: &Issuer, fact: &Fact) -> Result<u64, String> {
    let What::BundleIssued(issued) = &fact.what else { return Ok(0) };
    let root = issuer.trust_root().ok_or("a bundle was issued before the first root")?;
    let opened = open_bundle(root, &issued.envelope.0).map_err(|error| error.to_string())?;
    let same = opened.bundle.issue == issued.issue && opened.bundle.node == issued.node;
    if same { Ok(1) } else { Err("its bundle is another than it says".to_owned()) }
}
