//! Whether a journal is what was written: chain and checksums, then every fact in turn, and every bundle with the root
//! that signed it.

use std::path::PathBuf;

use leasehold_cli::Failure;
use leasehold_issuer_core::{Fact, Issuer, What};
use leasehold_journal::JournalError;
use leasehold_journal::file::{Extent, ReadOnly, verify};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::journal;
use crate::state_dir::StateDir;

/// A journal that verifies.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JournalVerified {
    /// `true`: what does not verify is refused.
    pub(crate) valid: bool,
    pub(crate) frames: u64,
    #[schema(value_type = u64)]
    pub(crate) records: Seq,
    /// Bundles that were opened with the root of their time.
    pub(crate) bundles: u64,
    /// The chain hash of its end.
    pub(crate) head: String,
    /// A hash over all that its records lead to.
    pub(crate) state: String,
}

/// Checks the journal in `dir`, which may be a copy, also beside a process that writes.
pub(crate) fn check(dir: &StateDir) -> Result<JournalVerified, Failure> {
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
    Ok(JournalVerified {
        valid: true,
        frames: verified.frames,
        records: stored.tail().next_seq.previous(),
        bundles,
        head: stored.tail().chain.to_string(),
        state: data_encoding::HEXLOWER.encode(&issuer.state_hash()),
    })
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
