//! `journal verify`.

use std::path::Path;

use leasehold_cli::{Failure, Output, People};

use crate::admin::Admin;
use crate::data_dir::DataDir;
use crate::journal_check::{self, JournalVerified};

/// Beside a daemon up to what is durable, else everything.
pub(super) fn verify(dir: &DataDir, offline: Option<&Path>, output: Output) -> Result<(), Failure> {
    let verified = match offline {
        Some(copy) => journal_check::everything(&DataDir::new(copy))?,
        None => match Admin::find(dir)? {
            Some(admin) => admin.get("/v1/journal")?,
            None => journal_check::everything(dir)?,
        },
    };
    output.answer(&verified, &for_people(&verified))
}

fn for_people(verified: &JournalVerified) -> People {
    let JournalVerified { seq, head, frames, unmarked_frames, torn_bytes, snapshots, .. } = verified;
    let mut findings = vec![format!("the journal verifies: {seq} records in {frames} frames, head {head}")];
    if *unmarked_frames > 0 {
        findings.push(format!("the last {unmarked_frames} frames may never have been answered for"));
    }
    if *torn_bytes > 0 {
        findings.push(format!("an interrupted write left {torn_bytes} bytes, which the next start cuts off"));
    }
    if *snapshots > 0 {
        findings.push(format!("replay comes to the state of each of {snapshots} snapshots"));
    }
    People::sentence(findings.join("\n"))
}
