//! Bundles: all a node needs, planned as exact artefacts, signed by the shell, recorded with their bytes.

use std::collections::BTreeSet;

use leasehold_protocol::artefact::{
    Allocation, AllocationKind, Answers, Bundle, Extensions, Grant, Head, Issue, Item, Kind, Manifest,
    NodeCaps, NodeCertificate, Pool, PoolUsage, Ratchet, Request, TimeStatement,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::{AccountId, AllocationId, BundleId, NodeId, TimeStatementId};
use leasehold_protocol::pae::pae;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::account::AccountState;
use crate::adoption::Presented;
use crate::allocation::{self, Mobility, Row, RowState};
use crate::clock::CertainTime;
use crate::contact::{self, Begins};
use crate::enrolment::Enrolment;
use crate::fork::Told;
use crate::head;
use crate::limits;
use crate::manifest;
use crate::node::NodeState;
use crate::pool::PoolState;
use crate::refusal::require;
use crate::release::{self, Releases};
use crate::state::State;

/// The bit of a request's wishes that asks for the time.
const WANTS_TIME: u16 = 0b100;

/// The artefacts of a bundle before they are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlePlan {
    /// The request that it answers.
    pub request: Digest,
    /// The bundle that the node has applied, by its request.
    pub applied: Option<Digest>,
    /// What the node reports of its pools.
    pub usage: Vec<PoolUsage>,
    /// Identity and time of the bundle.
    pub issue: Issue<BundleId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// Envelopes of the roots that the node lacks, and of the newest one.
    pub roots: Vec<Bytes>,
    /// What is current.
    pub head: Head,
    /// The account's grants and pools.
    pub manifest: Manifest,
    /// Every grant of the manifest.
    pub grants: Vec<Grant>,
    /// Every pool of the manifest.
    pub pools: Vec<Pool>,
    /// The node's rows.
    pub allocations: Vec<Allocation>,
    /// Those of them that are new, or new versions.
    pub signed: Vec<Allocation>,
    /// What the node gives back with its request.
    pub releases: Releases,
    /// What the request says of where the node stands.
    pub report: Report,
    /// How the node is enrolled from here on.
    pub enrolment: Enrolment,
    /// Bounds of true time, if the request asked.
    pub time: Option<TimeStatement>,
}

/// What a request says of where its node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its number, and the journal behind it.
    pub told: Told,
    /// The head that the node has applied.
    pub head_version: u64,
    /// It presents everything that the node stands on.
    pub presents: bool,
    /// The node is in RECOVER.
    pub recovering: bool,
    /// What it may have forgotten is over.
    pub waited: bool,
}

impl Report {
    fn of(request: &Verified<Request>) -> Self {
        Self {
            told: Told::by_request(request),
            head_version: request.have.head_version,
            presents: request.presented.is_some(),
            recovering: request.recovery.is_some(),
            waited: request.recovery.is_some_and(|recovery| recovery.waited),
        }
    }
}

/// A bundle as a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleIssued {
    /// Identity and time of the bundle.
    pub issue: Issue<BundleId>,
    /// Whose node.
    pub account: AccountId,
    /// Which node.
    pub node: NodeId,
    /// The request that it answers.
    pub request: Digest,
    /// The bundle that the node had applied, by its request.
    pub applied: Option<Digest>,
    /// What the node reported of its pools.
    pub usage: Vec<PoolUsage>,
    /// What the node gave back with its request.
    pub releases: Releases,
    /// What the request said of where the node stands.
    pub report: Report,
    /// How the node is enrolled from here on.
    pub enrolment: Enrolment,
    /// Rows that were signed: new ones, and new versions.
    pub signed: Vec<Allocation>,
    /// The head that it carries.
    pub head: Head,
    /// The bounds of true time that it carries.
    pub time: Option<TimeStatement>,
    /// How many artefacts it carries.
    pub artefacts: u32,
    /// The bundle's digest.
    pub bundle: Digest,
    /// The bundle, byte for byte.
    pub envelope: Bytes,
}

impl BundlePlan {
    /// The bundle around its signed items, which ascend by kind.
    pub fn bundle(&self, items: Vec<Item>) -> Bundle {
        Bundle {
            issue: self.issue,
            account: self.account,
            node: self.node,
            answers: Answers::Request(self.request),
            generation: self.enrolment.generation,
            ratchet: self.enrolment.ratchet,
            items,
            ext: Extensions::NONE,
        }
    }
}

pub(crate) fn plan(
    state: &State,
    at: UnixMs,
    time: CertainTime,
    entropy: &mut Entropy,
    request: &Verified<Request>,
    node: NodeId,
) -> Result<BundlePlan, Problem> {
    let vendor = state.vendor()?;
    let node = state.node(node)?;
    let account = state.account(node.node.account)?;
    let begins = contact::judge(state, at, account, node, request)?;
    let enrolment = enrolment(state, account, node, at, request, begins);
    let releases = match begins {
        // What an earlier generation gave back is in its rows, and says nothing of this one's.
        Begins::Generation => Releases::default(),
        Begins::Nothing => release::take(state, node, &request.released)?,
    };
    let terms = Terms::of(state, at, time, account, request)?;
    let (allocations, signed) = allocations(state, account, node, &terms, &releases, &enrolment)?;
    let ends = allocations.iter().map(|row| row.not_after);
    let head = head::for_node(state, account, node.node.class, at, ends)?;
    // What the head pins: a standing head may be older than the bundle.
    let manifest::Listed { manifest, grants, pools } = manifest::of(state, account, head.issue.issued_at)?;
    Ok(BundlePlan {
        request: request.digest(),
        applied: request.have.bundle,
        usage: request.usage.clone(),
        issue: Issue {
            id: BundleId::new(at, &entropy.draw()),
            serial: state.serial(account.counters.bundle),
            issued_at: at,
        },
        account: account.account.id,
        node: node.node.id,
        roots: vendor.roots_after(request.have.root_version),
        head,
        manifest,
        grants,
        pools,
        allocations,
        signed,
        releases,
        report: Report::of(request),
        enrolment,
        time: (request.wants.0 & WANTS_TIME != 0)
            .then(|| time_statement(state, account, node.node.id, at, time, entropy, request)),
    })
}

fn time_statement(
    state: &State,
    account: &AccountState,
    node: NodeId,
    at: UnixMs,
    time: CertainTime,
    entropy: &mut Entropy,
    request: &Request,
) -> TimeStatement {
    TimeStatement {
        issue: Issue {
            id: TimeStatementId::new(at, &entropy.draw()),
            serial: state.serial(account.counters.time),
            issued_at: at,
        },
        account: account.account.id,
        node,
        nonce: request.nonce,
        earliest: time.earliest,
        latest: time.latest,
        floor_reset: None,
        ext: Extensions::NONE,
    }
}

/// The fact of a bundle that was made as planned: it opens with our own root and says what was planned.
pub(crate) fn issue(
    state: &State,
    at: UnixMs,
    plan: &BundlePlan,
    envelope: &[u8],
) -> Result<BundleIssued, Problem> {
    require(plan.issue.issued_at == at && plan.issue.serial == next_serial(state, plan.account)?, || {
        Problem::new(
            Code::Conflict,
            "the state changed while the bundle was signed",
            "ask for the bundle again",
        )
    })?;
    let misplanned = |why: String| {
        let hint = "this is a fault of the program: report it";
        Problem::new(Code::Internal, format!("the signed bundle is not what was planned: {why}"), hint)
    };
    let opened =
        open_bundle(&state.vendor()?.trust, envelope).map_err(|error| misplanned(error.to_string()))?;
    let items = opened.bundle.items.clone();
    require(*opened.bundle == plan.bundle(items), || misplanned("its own fields differ".to_owned()))?;
    require(*opened.certificate == plan.enrolment.certificate, || {
        misplanned("its certificate differs".to_owned())
    })?;
    let rows = opened.allocations.iter().map(|row| &**row).eq(&plan.allocations);
    require(rows, || misplanned("its allocations differ".to_owned()))?;
    Ok(BundleIssued {
        issue: plan.issue,
        account: plan.account,
        node: plan.node,
        request: plan.request,
        applied: plan.applied,
        usage: plan.usage.clone(),
        releases: plan.releases.clone(),
        report: plan.report,
        enrolment: plan.enrolment.clone(),
        signed: plan.signed.clone(),
        head: plan.head.clone(),
        time: plan.time.clone(),
        artefacts: u32::try_from(opened.bundle.items.len()).unwrap_or(u32::MAX),
        bundle: opened.bundle.digest(),
        envelope: Bytes(envelope.to_vec()),
    })
}

fn next_serial(state: &State, account: AccountId) -> Result<u64, Problem> {
    Ok(state.serial(state.account(account)?.counters.bundle))
}

/// The certificate stays, byte for byte, until half its life or until the node's TLS keys change.
fn enrolment(
    state: &State,
    account: &AccountState,
    node: &NodeState,
    at: UnixMs,
    request: &Verified<Request>,
    begins: Begins,
) -> Enrolment {
    let before = node.enrolment.as_ref();
    let counter = before.map_or(0, |before| before.ratchet.counter);
    // A restored issuer has forgotten exchanges.
    let counter = if account.frozen.is_some() { counter.max(request.ratchet.counter) } else { counter };
    let tip = before.map_or(Digest([0; 32]), |before| before.ratchet.tip);
    let tip = Digest(Sha256::digest(pae(&[&tip.0, &request.digest().0])).into());
    let current = before.map(|before| &before.certificate).filter(|current| {
        let half_ms = current.not_after.since(current.issue.issued_at) / 2;
        at < current.issue.issued_at.plus(half_ms)
            && current.tls_keys == request.tls_keys
            && begins == Begins::Nothing
    });
    let generation = match begins {
        Begins::Nothing => before.map_or(1, |before| before.generation),
        Begins::Generation => before.map_or(1, |before| before.generation.saturating_add(1)),
    };
    let renewed = || NodeCertificate {
        issue: Issue {
            id: node.node.certificate,
            serial: state.serial(account.counters.certificate),
            issued_at: at,
        },
        account: node.node.account,
        node: node.node.id,
        sign_key: request.sign_key,
        tls_keys: request.tls_keys.clone(),
        generation,
        caps: NodeCaps::default(),
        not_before: before.map_or(at, |before| before.certificate.not_before),
        not_after: at.plus(limits::CERTIFICATE_MS),
        ext: Extensions::NONE,
    };
    Enrolment {
        generation,
        certificate: current.cloned().unwrap_or_else(renewed),
        ratchet: Ratchet { counter: counter.saturating_add(1), tip },
    }
}

/// Which rows a bundle carries, and until when.
struct Terms {
    at: UnixMs,
    /// Of a frozen account: those that the request presents; the journal may have forgotten that others are over.
    presented: Option<BTreeSet<AllocationId>>,
    /// Rows that end before this are not extended: their slots may be somebody else's already.
    possibly_past: UnixMs,
}

impl Terms {
    fn of(
        state: &State,
        at: UnixMs,
        time: CertainTime,
        account: &AccountState,
        request: &Request,
    ) -> Result<Self, Problem> {
        let frozen = state.is_frozen(account);
        let presented = frozen.then(|| Presented::by(state, request)).transpose()?;
        let possibly_past = match (frozen, request.recovery) {
            (true, _) if !state.rules.ended_rows_stay_ended => UnixMs::MIN,
            // It may have given back what it presents.
            (true, Some(_)) => UnixMs::MAX,
            (true, None) => time.latest,
            (false, _) => UnixMs::MIN,
        };
        Ok(Self { at, presented: presented.map(|presented| presented.row_ids()), possibly_past })
    }

    fn carry(&self, row: AllocationId) -> bool {
        self.presented.as_ref().is_none_or(|presented| presented.contains(&row))
    }
}

/// All rows of the node as artefacts, and those of them that are signed anew: a row is shipped byte for byte until it,
/// its pool or its node changes. Rows of grants that were taken back are left out.
fn allocations(
    state: &State,
    account: &AccountState,
    node: &NodeState,
    terms: &Terms,
    releases: &Releases,
    enrolment: &Enrolment,
) -> Result<(Vec<Allocation>, Vec<Allocation>), Problem> {
    let sign_key = enrolment.certificate.sign_key.id();
    let (mut all, mut signed) = (Vec::new(), Vec::<Allocation>::new());
    let renewed = node.enrolment.as_ref().is_some_and(|known| known.generation < enrolment.generation);
    if renewed && !state.rules.living_node_keeps_slots {
        return Ok((all, signed));
    }
    let at = terms.at;
    for known in node.rows.iter().filter(|&&id| terms.carry(id)).filter_map(|&id| state.row(id)) {
        let pool = state.pool(known.row.pool)?;
        if state.grant_state(pool.pool.grant)?.is_revoked(at) {
            continue;
        }
        let Some(RowState { row, signed: before, shrink_to, .. }) = after(known, releases) else { continue };
        let number = account.counters.allocation.saturating_add(signed.len() as u64);
        let (renew_after, not_after) = term(state, pool, &row, terms)?;
        let fresh = Allocation {
            issue: Issue { id: row.id, serial: state.serial(number), issued_at: at },
            account: row.account,
            pool: row.pool,
            pool_digest: pool.digest,
            node: row.node,
            sign_key,
            generation: enrolment.generation,
            kind: row.kind,
            fixed: row.mobility == Mobility::Fixed,
            slots: row.slots,
            borrow_slots: row.borrow_slots,
            mclt_ms: row.mclt_ms,
            suspect_budget_ms: row.suspect_budget_ms,
            seq: before.as_ref().map_or(1, |before| before.seq.saturating_add(1)),
            prev: before.as_ref().map(|before| state.digest(Kind::Allocation, before)).transpose()?,
            shrink_to,
            acked_report_seq: releases.acked_report_seq,
            not_before: row.not_before,
            renew_after,
            not_after,
            ext: Extensions::NONE,
        };
        if let Some(before) = before.filter(|before| says_the_same(before, &fresh)) {
            all.push(before);
        } else {
            all.push(fresh.clone());
            signed.push(fresh);
        }
    }
    Ok((all, signed))
}

/// A row once the releases of this very request are taken into account; none if nothing is left of it.
fn after(known: &RowState, releases: &Releases) -> Option<RowState> {
    let mut row = known.clone();
    for freed in releases.freed.iter().filter(|freed| freed.allocation == known.row.id) {
        row.give_back(&freed.slots);
    }
    let emptied = row.row.slots.is_empty() && !known.row.slots.is_empty();
    (!emptied).then_some(row)
}

/// An elastic row past half its life is renewed, as far as its grant reaches.
fn term(state: &State, pool: &PoolState, row: &Row, terms: &Terms) -> Result<(UnixMs, UnixMs), Problem> {
    let at = terms.at;
    if row.kind == AllocationKind::Base || at < row.renew_after || row.not_after <= terms.possibly_past {
        return Ok((row.renew_after, row.not_after));
    }
    let cap = allocation::latest_end(state.grant(pool.pool.grant)?);
    let not_after = at.plus(limits::ELASTIC_ROW_MS).min(cap).max(row.not_after);
    Ok((at.plus(not_after.since(at).max(0) / 2).min(not_after), not_after))
}

/// Whether two versions of a row differ in nothing but their numbering.
fn says_the_same(before: &Allocation, fresh: &Allocation) -> bool {
    let Allocation { issue, seq, prev, acked_report_seq, .. } = before;
    let numbered_alike = Allocation {
        issue: *issue,
        seq: *seq,
        prev: *prev,
        acked_report_seq: *acked_report_seq,
        ..fresh.clone()
    };
    *before == numbered_alike
}
