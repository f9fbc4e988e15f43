//! Trust states: what the node may do, why, and when that changes by itself. First match wins.

use leasehold_protocol::api::TrustState;
use leasehold_protocol::artefact::Head;
use leasehold_protocol::time::UnixMs;

use crate::clock::Best;
use crate::fork::Fork;
use crate::promise::offline_end;
use crate::provision::{PoolEntry, Provision, Row};
use crate::revocation::scheduled_at;

/// A trust state with its cause and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) state: TrustState,
    pub(crate) cause: String,
    pub(crate) next: Option<UnixMs>,
}

impl Trust {
    pub(crate) fn unprovisioned(enrolled: bool) -> Self {
        let cause = if enrolled {
            "the bundle applied last gives this node no allocation: ask the vendor for one"
        } else {
            "no bundle with an allocation was applied yet: leasehold-node enroll, or request and import"
        };
        Self { state: TrustState::Unprovisioned, cause: cause.to_owned(), next: None }
    }

    /// The node-wide part: how old the issuer's last word is.
    pub(crate) fn of_head(head: &Head, best: Best) -> Self {
        let stale_at = head.issue.issued_at.plus(head.fresh_for_ms);
        if best.has_reached(stale_at) {
            let cause =
                format!("the issuer's last word was to be renewed by {stale_at}; seats are served on");
            return Self { state: TrustState::Stale, cause, next: None };
        }
        Self { state: TrustState::Fresh, cause: "all is current".to_owned(), next: Some(stale_at) }
    }

    /// The ledger may have regressed; `next` is when what it may have forgotten is over.
    pub(crate) const fn recovering(cause: String, next: Option<UnixMs>) -> Self {
        Self { state: TrustState::Recover, cause, next }
    }

    /// The issuer has heard something else from this node.
    pub(crate) fn forked(fork: &Fork) -> Self {
        let Fork { since, report_seq } = fork;
        let cause = format!(
            "since {since} the vendor knows a report {report_seq} of this node that says something else than this journal: a copy of it runs, or it was restored; seats are served to the end of their allocations, which are not extended; see that no copy runs, then `leasehold-node recover --reason TEXT`"
        );
        Self { state: TrustState::Forked, cause, next: None }
    }

    /// The grant is revoked; `drained` is when the last promise under it ends.
    pub(crate) fn revoked(since: UnixMs, drained: Option<UnixMs>) -> Self {
        let leases =
            if drained.is_some() { "running leases end with their promise" } else { "no lease runs" };
        let cause = format!("the vendor revoked the grant at {since}, {leases}: ask the vendor why");
        Self { state: TrustState::Revoked, cause, next: drained }
    }

    /// The node has nothing of a pool any more; `drained` is when the last promise of it ends.
    pub(crate) fn withdrawn(drained: Option<UnixMs>) -> Self {
        let cause =
            "the bundle applied last gives this node no seats of it: running leases end with their promise";
        Self { state: TrustState::Unprovisioned, cause: cause.to_owned(), next: drained }
    }

    /// The state of a pool that is not revoked: that of the best of its rows. A revocation told in advance ends it.
    pub(crate) fn of_pool(provision: &Provision, entry: &PoolEntry, rows: &[&Row], best: Best) -> Self {
        let trust = Self::of_rows(provision, entry, rows, best);
        match scheduled_at(&provision.head, entry) {
            Some(at) if !best.has_reached(at) => Self {
                next: earliest([trust.next, Some(at)]),
                cause: format!("{}; the vendor revokes the grant at {at}", trust.cause),
                ..trust
            },
            _ => trust,
        }
    }

    fn of_rows(provision: &Provision, entry: &PoolEntry, rows: &[&Row], best: Best) -> Self {
        let grant = &entry.grant;
        if best.has_reached(grant.grace_end()) {
            let cause =
                format!("the grant ended, grace included, at {}: ask the vendor to renew", grant.grace_end());
            return Self { state: TrustState::Expired, cause, next: None };
        }
        let offline = rows.iter().map(|row| offline_end(provision, row));
        if offline.clone().all(|end| end.is_some_and(|end| best.has_reached(end))) {
            let cause = "the issuer's last word is too old for this pool: import a newer bundle".to_owned();
            return Self { state: TrustState::Expired, cause, next: None };
        }
        let next_offline = offline.flatten().min();
        if best.has_reached(grant.not_after) {
            let cause =
                format!("the grant ended at {}, its grace runs until {}", grant.not_after, grant.grace_end());
            return Self {
                state: TrustState::Grace,
                cause,
                next: earliest([Some(grant.grace_end()), next_offline]),
            };
        }
        if !best.has_reached(grant.not_before) {
            let cause = format!("the grant begins at {}", grant.not_before);
            return Self { state: TrustState::Fresh, cause, next: Some(grant.not_before) };
        }
        let head = Self::of_head(&provision.head, best);
        Self { next: earliest([head.next, Some(grant.not_after), next_offline]), ..head }
    }
}

fn earliest<const N: usize>(instants: [Option<UnixMs>; N]) -> Option<UnixMs> {
    instants.into_iter().flatten().min()
}
