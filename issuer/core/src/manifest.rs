//! Manifests: the complete list of an account's live grants and pools; all of it follows from the facts and the time.

use leasehold_protocol::artefact::{Extensions, Grant, Issue, Kind, Manifest, ManifestEntry, Pool};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;

use crate::account::AccountState;
use crate::state::{GrantState, State};

/// A manifest and what it names.
pub(crate) struct Listed {
    pub(crate) manifest: Manifest,
    pub(crate) grants: Vec<Grant>,
    pub(crate) pools: Vec<Pool>,
}

/// What is live at `at`. The same facts and revocations in force give the same manifest, whenever it is asked for.
pub(crate) fn of(state: &State, account: &AccountState, at: UnixMs) -> Result<Listed, Problem> {
    let (mut grants, mut pools, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for &id in &account.grants {
        let sold = state.grant_state(id)?;
        if sold.is_revoked(at) {
            continue;
        }
        let pool = state.pool(sold.pool)?;
        entries.push(entry(Kind::Grant, sold.grant.issue.id.0, sold.grant.issue.serial, sold.digest));
        entries.push(entry(Kind::Pool, pool.pool.issue.id.0, pool.pool.issue.serial, pool.digest));
        grants.push(sold.grant.clone());
        pools.push(pool.pool.clone());
    }
    entries.sort_by_key(|entry| entry.subject);
    let manifest = Manifest {
        issue: issue(state, account, at),
        account: account.account.id,
        entries,
        ext: Extensions::NONE,
    };
    Ok(Listed { manifest, grants, pools })
}

/// A scheduled revocation changes the manifest when it takes effect, without a fact of that moment.
fn issue(state: &State, account: &AccountState, at: UnixMs) -> Issue<leasehold_protocol::ids::ManifestId> {
    let sold = account.grants.iter().filter_map(|id| state.grants.get(id));
    let in_force = sold.filter(|sold: &&GrantState| sold.is_revoked(at)).filter_map(|sold| sold.revoked);
    let (mut counter, mut issued_at) = (account.counters.manifest, account.manifest_at);
    for by in in_force {
        counter = counter.saturating_add(1);
        issued_at = issued_at.max(by.enforced_from);
    }
    Issue { id: account.account.manifest, serial: state.numbered(counter), issued_at }
}

const fn entry(kind: Kind, id: [u8; 16], serial: u64, digest: Digest) -> ManifestEntry {
    ManifestEntry { subject: (kind.number(), id), serial, digest }
}
