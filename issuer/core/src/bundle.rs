//! Bundles: all a node needs, planned as exact artefacts, signed by the shell, recorded with their bytes.

use leasehold_protocol::artefact::{
    Allocation, Answers, Bundle, Extensions, Grant, Head, Issue, Item, Kind, Manifest, ManifestEntry,
    NodeCaps, NodeCertificate, Pool, Ratchet, Request, TimeStatement,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::{AccountId, BundleId, NodeId, TimeStatementId};
use leasehold_protocol::keys::PublicKey;
use leasehold_protocol::pae::pae;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::account::AccountState;
use crate::allocation::{Mobility, RowState};
use crate::clock::CertainTime;
use crate::enrolment::Enrolment;
use crate::limits;
use crate::node::{NodeClass, NodeState};
use crate::refusal::{invalid, require};
use crate::state::State;

/// Oldest node that understands these artefacts: major << 16 | minor.
const MIN_NODE_VERSION: u32 = 1;
/// The bit of a request's wishes that asks for the time.
const WANTS_TIME: u16 = 0b100;

/// The artefacts of a bundle before they are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlePlan {
    /// The request that it answers.
    pub request: Digest,
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
    /// Those of them that no bundle carried before.
    pub first_signed: Vec<Allocation>,
    /// How the node is enrolled from here on.
    pub enrolment: Enrolment,
    /// Bounds of true time, if the request asked.
    pub time: Option<TimeStatement>,
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
    /// How the node is enrolled from here on.
    pub enrolment: Enrolment,
    /// Rows that were signed for the first time.
    pub first_signed: Vec<Allocation>,
    /// The head that it carries.
    pub head: Head,
    /// The bounds of true time that it carries.
    pub time: Option<TimeStatement>,
    /// How many artefacts it carries.
    pub artefacts: u32,
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
    let enrolment = enrolment(state, account, node, at, request);
    let rows = node.rows.iter().filter_map(|&id| state.row(id));
    let (allocations, first_signed) = allocations(state, account, at, rows, &enrolment)?;
    let (manifest, grants, pools) = manifest(state, account)?;
    Ok(BundlePlan {
        request: request.digest(),
        issue: Issue {
            id: BundleId::new(at, &entropy.draw()),
            serial: state.serial(account.counters.bundle),
            issued_at: at,
        },
        account: account.account.id,
        node: node.node.id,
        roots: vendor.roots_after(request.have.root_version),
        head: Head {
            issue: Issue {
                id: account.account.head,
                serial: state.serial(account.counters.head),
                issued_at: at,
            },
            account: account.account.id,
            version: state.serial(account.counters.head),
            status_generation: vendor.trust.root().status_generation,
            fresh_for_ms: fresh_for_ms(node.node.class, at, &allocations),
            root_version: vendor.trust.root().version,
            manifest: state.digest(Kind::Manifest, &manifest)?,
            revocations: None,
            min_grant_generation: 1,
            min_node_version: MIN_NODE_VERSION,
            checkpoint: None,
            revoked: Vec::new(),
            scheduled: Vec::new(),
            ext: Extensions::NONE,
        },
        manifest,
        grants,
        pools,
        allocations,
        first_signed,
        enrolment,
        time: (request.wants.0 & WANTS_TIME != 0).then(|| TimeStatement {
            issue: Issue {
                id: TimeStatementId::new(at, &entropy.draw()),
                serial: state.serial(account.counters.time),
                issued_at: at,
            },
            account: account.account.id,
            node: node.node.id,
            nonce: request.nonce,
            earliest: time.earliest,
            latest: time.latest,
            floor_reset: None,
            ext: Extensions::NONE,
        }),
    })
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
        enrolment: plan.enrolment.clone(),
        first_signed: plan.first_signed.clone(),
        head: plan.head.clone(),
        time: plan.time.clone(),
        artefacts: u32::try_from(opened.bundle.items.len()).unwrap_or(u32::MAX),
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
) -> Enrolment {
    let before = node.enrolment.as_ref();
    let counter = before.map_or(0, |before| before.ratchet.counter);
    let tip = before.map_or(Digest([0; 32]), |before| before.ratchet.tip);
    let tip = Digest(Sha256::digest(pae(&[&tip.0, &request.digest().0])).into());
    let current = before.map(|before| &before.certificate).filter(|current| {
        let half_ms = current.not_after.since(current.issue.issued_at) / 2;
        at < current.issue.issued_at.plus(half_ms) && current.tls_keys == request.tls_keys
    });
    let generation = before.map_or(1, |before| before.generation);
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

/// All rows of the node as artefacts, and those that are signed for the first time.
fn allocations<'s>(
    state: &State,
    account: &AccountState,
    at: UnixMs,
    rows: impl Iterator<Item = &'s RowState>,
    enrolment: &Enrolment,
) -> Result<(Vec<Allocation>, Vec<Allocation>), Problem> {
    let sign_key = PublicKey::admit(enrolment.certificate.sign_key).map_err(|error| {
        invalid(format!("the node's key is refused: {error}"), "make new keys on the node")
    })?;
    let (mut all, mut first_signed) = (Vec::new(), Vec::<Allocation>::new());
    for RowState { row, signed } in rows {
        if let Some(signed) = signed {
            all.push(signed.clone());
            continue;
        }
        let before = account.counters.allocation.saturating_add(first_signed.len() as u64);
        let artefact = Allocation {
            issue: Issue { id: row.id, serial: state.serial(before), issued_at: at },
            account: row.account,
            pool: row.pool,
            pool_digest: state.pool(row.pool)?.digest,
            node: row.node,
            sign_key: sign_key.id(),
            generation: enrolment.generation,
            kind: row.kind,
            fixed: row.mobility == Mobility::Fixed,
            slots: row.slots.clone(),
            borrow_slots: row.borrow_slots.clone(),
            mclt_ms: row.mclt_ms,
            suspect_budget_ms: row.suspect_budget_ms,
            seq: 1,
            prev: None,
            shrink_to: None,
            acked_report_seq: 0,
            not_before: row.not_before,
            renew_after: row.renew_after,
            not_after: row.not_after,
            ext: Extensions::NONE,
        };
        all.push(artefact.clone());
        first_signed.push(artefact);
    }
    Ok((all, first_signed))
}

/// The manifest and what it names; all of it follows from the facts of the account.
fn manifest(state: &State, account: &AccountState) -> Result<(Manifest, Vec<Grant>, Vec<Pool>), Problem> {
    let (mut grants, mut pools, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for &id in &account.grants {
        let sold = state.grant_state(id)?;
        let pool = state.pool(sold.pool)?;
        entries.push(entry(Kind::Grant, sold.grant.issue.id.0, sold.grant.issue.serial, sold.digest));
        entries.push(entry(Kind::Pool, pool.pool.issue.id.0, pool.pool.issue.serial, pool.digest));
        grants.push(sold.grant.clone());
        pools.push(pool.pool.clone());
    }
    entries.sort_by_key(|entry| entry.subject);
    let manifest = Manifest {
        issue: Issue {
            id: account.account.manifest,
            serial: state.numbered(account.counters.manifest),
            issued_at: account.manifest_at,
        },
        account: account.account.id,
        entries,
        ext: Extensions::NONE,
    };
    Ok((manifest, grants, pools))
}

const fn entry(kind: Kind, id: [u8; 16], serial: u64, digest: Digest) -> ManifestEntry {
    ManifestEntry { subject: (kind.number(), id), serial, digest }
}

/// An air-gapped node hears nothing new while its allocations last, so its head is fresh as long as the longest.
fn fresh_for_ms(class: NodeClass, at: UnixMs, rows: &[Allocation]) -> i64 {
    match class {
        NodeClass::Online => limits::FRESH_ONLINE_MS,
        NodeClass::Intermittent => limits::FRESH_INTERMITTENT_MS,
        NodeClass::AirGapped => {
            let longest = rows.iter().map(|row| row.not_after.since(at)).max();
            longest.unwrap_or(0).max(limits::FRESH_ONLINE_MS)
        }
    }
}
