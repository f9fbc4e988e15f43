//! RECOVER of the issuer: a journal that may have forgotten what it promised gives nothing until it knows again.
//!
//! Every account is frozen. It is thawed when each node that is known to be enrolled has told behind the fence what it
//! stands on, and an operator attests that no other node got seats since the backup.

use std::collections::BTreeSet;

use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{AccountId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::account::AccountState;
use crate::bundle::Report;
use crate::cause::Cause;
use crate::node::NodeState;
use crate::refusal::{invalid, require};
use crate::state::{State, generation_of};

/// What showed that the journal may have regressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoverCause {
    /// An operator put a backup in its place.
    Restored,
    /// An operator says so.
    Declared,
    /// It ends before records that were acknowledged, or is damaged.
    Behind,
    /// A node presents what this issuer signed and does not know of.
    Presented,
}

/// RECOVER as a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// What showed it.
    pub cause: RecoverCause,
    /// The issuer's generation from here on: the high bits of all numbers, above all that were used.
    pub generation: u32,
}

/// An operator's word that of some accounts no other nodes than those that report got seats since the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// Which accounts, ascending.
    pub accounts: Vec<AccountId>,
}

/// The last RECOVER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// How it began.
    pub entered: Entered,
    /// When.
    pub at: UnixMs,
}

/// An account that is not thawed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Frozen {
    pub(crate) attested: bool,
}

/// What keeps an account frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which account.
    pub account: AccountId,
    /// Its enrolled nodes that have not reported behind the fence.
    pub nodes: Vec<NodeId>,
    /// Nodes that are registered and not enrolled, as far as the journal knows: what is attested is that they got no
    /// seats.
    pub not_enrolled: Vec<NodeId>,
    /// Whether an operator has attested.
    pub attested: bool,
}

/// 2024-01-01T00:00:00Z, from which on generations count minutes.
const EPOCH: UnixMs = UnixMs(1_704_067_200_000);
const MINUTE_MS: i64 = 60_000;
/// Generations have 24 bits: there are minutes until 2055.
pub(crate) const GENERATION_MAX: u32 = (1 << 24) - 1;

/// How RECOVER begins at `at`, when numbers up to the generation `seen` were used.
pub(crate) fn enter(state: &State, at: UnixMs, cause: RecoverCause, seen: u32) -> Result<Entered, Problem> {
    let used = state.vendor()?.generation.max(seen);
    require(used < GENERATION_MAX, || {
        let hint = "begin a new issuer and sell anew: numbers of this one would repeat";
        Problem::new(Code::LimitExceeded, "the generations of this issuer are used up", hint)
    })?;
    let minutes = at.since(EPOCH).max(0) / MINUTE_MS;
    let minutes = u32::try_from(minutes).unwrap_or(GENERATION_MAX).min(GENERATION_MAX);
    let generation =
        if state.rules.recover_raises_generation { minutes.max(used.saturating_add(1)) } else { used };
    Ok(Entered { cause, generation })
}

/// RECOVER on an operator's command, which tells why.
pub(crate) fn declare(
    state: &State,
    at: UnixMs,
    by: &Cause,
    cause: RecoverCause,
    seen: u32,
) -> Result<Entered, Problem> {
    require(by.reason.is_some() || cause != RecoverCause::Declared, || {
        invalid("RECOVER needs a reason", "say why with --reason: it is kept for ever")
    })?;
    enter(state, at, cause, seen)
}

/// What an operator's attestation comes to: for the accounts that are named, or for all that are frozen.
pub(crate) fn attest(state: &State, by: &Cause, named: &[String]) -> Result<Attested, Problem> {
    require(by.reason.is_some(), || {
        invalid(
            "an attestation needs a reason",
            "say with --reason how it was found out: it is kept for ever",
        )
    })?;
    let mut accounts = BTreeSet::new();
    for name in named {
        let account = state.find_account(name)?;
        require(state.account(account)?.frozen.is_some(), || {
            invalid(format!("account {account} is not frozen"), "`recover --dry-run` lists what is")
        })?;
        accounts.insert(account);
    }
    if named.is_empty() {
        let frozen = state.accounts.values().filter(|account| account.frozen.is_some());
        accounts.extend(frozen.map(|account| account.account.id));
    }
    require(!accounts.is_empty(), || invalid("no account is frozen", "there is nothing to attest"))?;
    Ok(Attested { accounts: accounts.into_iter().collect() })
}

/// Refuses what would give seats while the account is frozen.
pub(crate) fn check_thawed(state: &State, account: AccountId) -> Result<(), Problem> {
    let found = state.account(account)?;
    if found.frozen.is_none() || !state.rules.restored_issuer_freezes {
        return Ok(());
    }
    Err(frozen(&state.missing(found)))
}

fn frozen(missing: &Missing) -> Problem {
    let Missing { account, nodes, attested, .. } = missing;
    let (mut lacks, mut hints) = (Vec::new(), Vec::new());
    if !nodes.is_empty() {
        lacks.push(format!("{} of its nodes have not reported twice", nodes.len()));
        hints.push("have each node of it sync twice, or carry two requests".to_owned());
    }
    if !attested {
        lacks.push("nobody has attested that no other node got seats since the backup".to_owned());
        hints.push(format!("find that out and say `recover --attest --account {account} --reason …`"));
    }
    let detail = format!("account {account} is frozen after a restore: {}", lacks.join(", and "));
    let hint = if hints.is_empty() { "try again".to_owned() } else { hints.join("; ") };
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    Problem::new(Code::IssuerRecovering, detail, hint).with("nodes", nodes).with("attested", *attested)
}

impl State {
    /// Whether the account gives nothing.
    pub(crate) fn is_frozen(&self, account: &AccountState) -> bool {
        account.frozen.is_some() && self.rules.restored_issuer_freezes
    }

    /// What keeps an account frozen.
    pub(crate) fn missing(&self, account: &AccountState) -> Missing {
        let nodes = || account.nodes.iter().filter_map(|id| self.nodes.get(id));
        let ids = |of: &mut dyn Iterator<Item = &NodeState>| of.map(|node| node.node.id).collect();
        Missing {
            account: account.account.id,
            nodes: ids(&mut nodes().filter(|node| node.must_report())),
            not_enrolled: ids(&mut nodes().filter(|node| node.enrolment.is_none())),
            attested: account.frozen.is_some_and(|frozen| frozen.attested),
        }
    }

    /// RECOVER begins: every account is frozen, and of each row it is kept which version was signed last.
    pub(crate) fn recovers(&mut self, at: UnixMs, entered: Entered) {
        if let Some(vendor) = &mut self.vendor {
            vendor.generation = vendor.generation.max(entered.generation);
        }
        self.recovery = Some(Recovery { entered, at });
        for row in self.rows.values_mut() {
            row.claim = row.signed.as_ref().map_or(0, |signed| signed.issue.serial);
        }
        let accounts: Vec<AccountId> = self.accounts.keys().copied().collect();
        for account in accounts {
            self.freeze(account);
        }
    }

    /// Nothing is given until all nodes have reported anew and somebody has attested.
    pub(crate) fn freeze(&mut self, id: AccountId) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.frozen = Some(Frozen::default());
        // Its nodes are to hear of the new generation.
        account.changed = true;
        for node in &account.nodes {
            if let Some(node) = self.nodes.get_mut(node) {
                node.reported = false;
            }
        }
    }

    /// An operator's word.
    pub(crate) fn attested(&mut self, attested: &Attested) {
        for &id in &attested.accounts {
            if let Some(frozen) = self.accounts.get_mut(&id).and_then(|account| account.frozen.as_mut()) {
                frozen.attested = true;
            }
            self.thaw(id);
        }
    }

    /// A node told what it stands on. It counts if nothing older can reach it any more, and nothing that it has
    /// forgotten runs any more.
    pub(crate) fn reported(&mut self, account: AccountId, id: NodeId, report: &Report) {
        let generation = self.vendor.as_ref().map_or(0, |vendor| vendor.generation);
        let behind =
            generation_of(report.head_version) == generation || !self.rules.reports_count_behind_the_fence;
        let whole = !report.recovering || report.waited || !self.rules.recovering_nodes_report_late;
        let counts = behind && whole && (report.presents || !self.rules.restored_issuer_freezes);
        if let Some(node) = self.nodes.get_mut(&id).filter(|_| counts) {
            node.reported = true;
        }
        self.thaw(account);
    }

    /// Thaws an account for which nothing is missing.
    fn thaw(&mut self, id: AccountId) {
        let Some(account) = self.accounts.get(&id).filter(|account| account.frozen.is_some()) else { return };
        let missing = self.missing(account);
        let attested = missing.attested || !self.rules.thaw_needs_attestation;
        if !missing.nodes.is_empty() || !attested {
            return;
        }
        if let Some(account) = self.accounts.get_mut(&id) {
            (account.frozen, account.changed) = (None, true);
        }
    }
}

impl NodeState {
    /// Whether the thaw waits for it.
    pub(crate) fn must_report(&self) -> bool {
        self.enrolment.is_some() && !self.reported
    }
}
