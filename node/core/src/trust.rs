//! Trust states: what the node may do, why, and when that changes by itself. First match wins.

use leasehold_protocol::api::TrustState;
use leasehold_protocol::artefact::Head;
use leasehold_protocol::time::UnixMs;

use crate::promise::offline_end;
use crate::provision::{PoolEntry, Provision, Row};

/// A trust state with its cause and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) state: TrustState,
    pub(crate) cause: String,
    pub(crate) next: Option<UnixMs>,
}

impl Trust {
    pub(crate) fn unprovisioned() -> Self {
        let cause =
            "no bundle with an allocation was imported yet: leasehold-node request, then import".to_owned();
        Self { state: TrustState::Unprovisioned, cause, next: None }
    }

    /// The node-wide part: how old the issuer's last word is.
    pub(crate) fn of_head(head: &Head, best: UnixMs) -> Self {
        let stale_at = head.issue.issued_at.plus(head.fresh_for_ms);
        if stale_at <= best {
            let cause =
                format!("the issuer's last word was to be renewed by {stale_at}; seats are served on");
            return Self { state: TrustState::Stale, cause, next: None };
        }
        Self { state: TrustState::Fresh, cause: "all is current".to_owned(), next: Some(stale_at) }
    }

    /// The state of one pool: that of the best of its rows.
    pub(crate) fn of_pool(provision: &Provision, entry: &PoolEntry, rows: &[&Row], best: UnixMs) -> Self {
        let grant = &entry.grant;
        if grant.grace_end() <= best {
            let cause =
                format!("the grant ended, grace included, at {}: ask the vendor to renew", grant.grace_end());
            return Self { state: TrustState::Expired, cause, next: None };
        }
        let offline = rows.iter().map(|row| offline_end(provision, row));
        if offline.clone().all(|end| end.is_some_and(|end| end <= best)) {
            let cause = "the issuer's last word is too old for this pool: import a newer bundle".to_owned();
            return Self { state: TrustState::Expired, cause, next: None };
        }
        let next_offline = offline.flatten().min();
        if grant.not_after <= best {
            let cause =
                format!("the grant ended at {}, its grace runs until {}", grant.not_after, grant.grace_end());
            return Self {
                state: TrustState::Grace,
                cause,
                next: earliest([Some(grant.grace_end()), next_offline]),
            };
        }
        if best < grant.not_before {
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
