//! Adoption: what a node presents in this issuer's own signatures is so, whether the journal knows of it or not.
//!
//! Of two rows for one slot the one whose version was signed later wins, as far as both were signed before the restore:
//! no version was ever signed that names a slot which had become somebody else's (ADR 6, 7).

use std::collections::BTreeSet;

use leasehold_protocol::artefact::{
    Allocation, Artefact, Grant, Kind, NodeCertificate, Pool, Ratchet, Request,
};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Envelope, Verified, VerifyError, verify};
use leasehold_protocol::ids::{AccountId, AllocationId, HeadId, ManifestId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use serde::{Deserialize, Serialize};

use crate::account::{Account, AccountState, Counters};
use crate::allocation::{Mobility, Row, RowState};
use crate::enrolment::Enrolment;
use crate::fact::ReplayError;
use crate::limits;
use crate::node::{IssuedJoin, Join, Node, NodeClass, NodeState};
use crate::pool::PoolState;
use crate::product::{Product, sku_key};
use crate::recover::{self, Entered, RecoverCause};
use crate::refusal::{limit, require};
use crate::state::{GrantState, State, counter_of, generation_of};

/// What a node presented that the journal lacked, as a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Whose node.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Which node.
    #[serde(rename = "node_id")]
    pub node: NodeId,
    /// What its people call it.
    pub name: String,
    /// The request that presented it.
    pub request: Digest,
    /// RECOVER, which it began.
    pub entered: Option<Entered>,
    /// The artefacts, byte for byte.
    #[serde(rename = "envelope")]
    pub envelopes: Vec<Bytes>,
}

/// What a node stands on.
pub(crate) struct Presented {
    certificate: Option<Verified<NodeCertificate>>,
    grants: Vec<Verified<Grant>>,
    pools: Vec<Verified<Pool>>,
    rows: Vec<Verified<Allocation>>,
}

impl Presented {
    /// Verifies what a request presents: all of it is of its node.
    pub(crate) fn by(state: &State, request: &Request) -> Result<Self, Problem> {
        let envelopes = request.presented.as_deref().unwrap_or_default();
        require(envelopes.len() <= limits::PRESENTED, || limit("presented artefacts", limits::PRESENTED))?;
        let presented = Self::open(&state.vendor()?.trust, envelopes).map_err(|error| {
            let hint = "make the request anew on the node that was enrolled here";
            Problem::new(error.code(), format!("what the request presents does not verify: {error}"), hint)
        })?;
        let (account, node) = (request.account, request.node);
        let own =
            presented.certificate.iter().all(|own| Some(own.node) == node && Some(own.account) == account)
                && presented.rows.iter().all(|row| Some(row.node) == node && Some(row.account) == account)
                && presented.grants.iter().all(|grant| Some(grant.account) == account)
                && presented.pools.iter().all(|pool| Some(pool.account) == account);
        require(own, || {
            let hint = "make the request anew on the node that was enrolled here";
            Problem::new(Code::ArtefactRefused, "the request presents what is of another node", hint)
        })?;
        Ok(presented)
    }

    /// What is not looked at yet may be there, too.
    fn open(trust: &TrustRoot, envelopes: &[Bytes]) -> Result<Self, VerifyError> {
        let (mut grants, mut pools, mut rows, mut certificate) = (Vec::new(), Vec::new(), Vec::new(), None);
        for Bytes(bytes) in envelopes {
            match Envelope::parse(bytes)?.kind {
                Kind::Grant => grants.push(opened(trust, bytes)?),
                Kind::Pool => pools.push(opened(trust, bytes)?),
                Kind::Allocation => rows.push(opened(trust, bytes)?),
                Kind::NodeCertificate => certificate = Some(opened(trust, bytes)?),
                _ => {}
            }
        }
        Ok(Self { certificate, grants, pools, rows })
    }

    /// The rows.
    pub(crate) fn row_ids(&self) -> BTreeSet<AllocationId> {
        self.rows.iter().map(|row| row.issue.id).collect()
    }

    /// Pools with the grants that they were cut from.
    fn sold(&self) -> impl Iterator<Item = (&Verified<Grant>, &Verified<Pool>)> {
        let grant =
            |pool: &Verified<Pool>| self.grants.iter().find(|grant| grant.digest() == pool.grant_digest);
        self.pools.iter().filter_map(move |pool| Some((grant(pool)?, pool)))
    }

    /// Serials of what the journal lacks, and its bytes.
    fn lacking(&self, state: &State) -> Vec<(u64, Bytes)> {
        let mut lacking = Vec::new();
        for (grant, pool) in self.sold().filter(|(grant, pool)| !state.knows_sold(grant, pool)) {
            lacking.push((grant.issue.serial, Bytes(grant.envelope().to_vec())));
            lacking.push((pool.issue.serial, Bytes(pool.envelope().to_vec())));
        }
        let certificate = self.certificate.iter().filter(|own| !state.knows_certificate(own));
        lacking.extend(certificate.map(|own| (own.issue.serial, Bytes(own.envelope().to_vec()))));
        let pools: BTreeSet<_> = self.pools.iter().map(|pool| pool.issue.id).collect();
        let sold =
            |row: &&Verified<Allocation>| state.pools.contains_key(&row.pool) || pools.contains(&row.pool);
        let rows = self.rows.iter().filter(|row| !state.knows_row(row)).filter(sold);
        lacking.extend(rows.map(|row| (row.issue.serial, Bytes(row.envelope().to_vec()))));
        lacking
    }
}

fn opened<T: Artefact>(trust: &TrustRoot, bytes: &[u8]) -> Result<Verified<T>, VerifyError> {
    verify(bytes, &trust.ring(T::KIND))
}

/// What a request presents that the journal lacks; none if it lacks nothing.
pub(crate) fn wanted(
    state: &State,
    at: UnixMs,
    request: &Verified<Request>,
) -> Result<Option<Adopted>, Problem> {
    let (Some(account), Some(node)) = (request.account, request.node) else { return Ok(None) };
    let presented = Presented::by(state, request)?;
    let lacking = presented.lacking(state);
    let Some(newest) = lacking.iter().map(|(serial, _)| generation_of(*serial)).max() else {
        return Ok(None);
    };
    let enrolled = state.nodes.get(&node).and_then(|known| known.enrolment.as_ref());
    let proven =
        enrolled.map(|enrolled| &enrolled.certificate).into_iter().chain(presented.certificate.as_deref());
    require(proven.into_iter().any(|own| own.sign_key == request.sign_key), || {
        let hint = "make the request anew on the node that was enrolled here";
        Problem::new(Code::ArtefactRefused, "the request is not signed by the node that it presents", hint)
    })?;
    // What this generation signed and does not know of, it has forgotten itself.
    let regressed = newest >= state.vendor()?.generation;
    let entered =
        regressed.then(|| recover::enter(state, at, RecoverCause::Presented, newest)).transpose()?;
    Ok(Some(Adopted {
        account,
        node,
        name: request.name.clone(),
        request: request.digest(),
        entered,
        envelopes: lacking.into_iter().map(|(_, envelope)| envelope).collect(),
    }))
}

impl State {
    fn knows_sold(&self, grant: &Verified<Grant>, pool: &Verified<Pool>) -> bool {
        let known_grant = self.grants.get(&grant.issue.id).is_some_and(|known| {
            let current = known.grant.issue.serial == grant.issue.serial;
            known.serials.contains(&grant.issue.serial) && (!current || known.digest == grant.digest())
        });
        let known_pool = self.pools.get(&pool.issue.id).is_some_and(|known| {
            pool.issue.serial < known.pool.issue.serial || known.digest == pool.digest()
        });
        (known_grant || self.adopted.contains(&grant.digest()))
            && (known_pool || self.adopted.contains(&pool.digest()))
    }

    fn knows_certificate(&self, certificate: &Verified<NodeCertificate>) -> bool {
        let enrolment = self.nodes.get(&certificate.node).and_then(|node| node.enrolment.as_ref());
        let known = enrolment.is_some_and(|enrolment| {
            let current = &enrolment.certificate;
            certificate.issue.serial < current.issue.serial || **certificate == *current
        });
        known || self.adopted.contains(&certificate.digest())
    }

    fn knows_row(&self, row: &Verified<Allocation>) -> bool {
        self.ended_rows.contains(&row.issue.id)
            || self.row_versions.contains_key(&row.digest())
            || self.adopted.contains(&row.digest())
    }

    /// Lets what was presented be so. Everything is verified before anything changes.
    pub(crate) fn adopted(&mut self, seq: Seq, at: UnixMs, adopted: &Adopted) -> Result<(), ReplayError> {
        let odd =
            |error: &dyn std::fmt::Display| ReplayError(format!("what was adopted is not proven: {error}"));
        let trust = &self.vendor().map_err(|problem| odd(&problem.detail))?.trust;
        let presented = Presented::open(trust, &adopted.envelopes).map_err(|error| odd(&error))?;
        if let Some(entered) = adopted.entered {
            self.recovers(at, entered);
        }
        self.adopt_account(at, adopted.account);
        for (grant, pool) in presented.sold() {
            self.adopt_sold(seq, at, grant, pool);
        }
        if let Some(certificate) = &presented.certificate {
            self.adopt_node(seq, adopted, certificate);
        }
        for row in &presented.rows {
            self.adopt_row(row);
        }
        let digests = presented.grants.iter().map(Verified::digest);
        let digests = digests.chain(presented.pools.iter().map(Verified::digest));
        let digests = digests.chain(presented.certificate.iter().map(Verified::digest));
        self.adopted.extend(digests.chain(presented.rows.iter().map(Verified::digest)));
        if self.accounts.get(&adopted.account).is_some_and(|account| account.frozen.is_none()) {
            // It was thawed, and whoever attested for it did not know of this.
            self.freeze(adopted.account);
        }
        Ok(())
    }

    /// An account that the journal never heard of goes by its id.
    fn adopt_account(&mut self, at: UnixMs, id: AccountId) {
        if self.accounts.contains_key(&id) {
            return;
        }
        let name = id.to_string();
        self.account_names.insert(&name, id);
        let account = Account {
            id,
            name,
            parent: None,
            region: None,
            timezone: None,
            external: Vec::new(),
            head: HeadId(id.0),
            manifest: ManifestId(id.0),
        };
        self.accounts.insert(id, AccountState::new(at, account));
    }

    fn adopt_sold(&mut self, seq: Seq, at: UnixMs, grant: &Verified<Grant>, pool: &Verified<Pool>) {
        let (grant_id, pool_id) = (grant.issue.id, pool.issue.id);
        self.products.entry(grant.product).or_insert_with(|| {
            let sku_key = sku_key(&grant.sku);
            self.product_names.insert(&sku_key, grant.product);
            Product { id: grant.product, sku: grant.sku.clone(), sku_key, features: grant.features.clone() }
        });
        if let Some(account) = self.accounts.get_mut(&grant.account) {
            account.grants.insert(grant_id);
            account.manifest_at = at;
            let Counters { grant: grants, pool: pools, manifest, .. } = &mut account.counters;
            *manifest = manifest.saturating_add(1);
            *grants = (*grants).max(counter_of(grant.issue.serial));
            *pools = (*pools).max(counter_of(pool.issue.serial));
        }
        let sold = self.grants.entry(grant_id).or_insert_with(|| GrantState {
            grant: (**grant).clone(),
            digest: grant.digest(),
            pool: pool_id,
            since: seq,
            serials: Vec::new(),
            longest_end: grant.grace_end(),
            revoked: None,
        });
        if !sold.serials.contains(&grant.issue.serial) {
            sold.serials.push(grant.issue.serial);
            sold.serials.sort_unstable();
        }
        sold.longest_end = sold.longest_end.max(grant.grace_end());
        let names = &mut self.pool_names;
        let known = self.pools.entry(pool_id).or_insert_with(|| {
            names.insert(&sku_key(&grant.sku), pool_id);
            PoolState::new((**pool).clone(), pool.digest())
        });
        known.longest_ttl_ms = known.longest_ttl_ms.max(pool.ttl.max_ms);
        // A grant and its pool are one word: both are the newer, or neither.
        if sold.grant.issue.serial <= grant.issue.serial && known.pool.issue.serial <= pool.issue.serial {
            (sold.grant, sold.digest, sold.since) = ((**grant).clone(), grant.digest(), seq);
            (known.pool, known.digest) = ((**pool).clone(), pool.digest());
        }
    }

    /// A node that the journal never heard of, or not as enrolled; a certificate that is newer than the known one.
    fn adopt_node(&mut self, seq: Seq, adopted: &Adopted, certificate: &Verified<NodeCertificate>) {
        let id = certificate.node;
        let (names, joins) = (&mut self.node_names, &mut self.node_joins);
        let node = self.nodes.entry(id).or_insert_with(|| {
            names.insert(&adopted.name, id);
            joins.insert(id.0, id);
            NodeState::new(seq, placeholder(adopted, certificate))
        });
        if let Some(account) = self.accounts.get_mut(&certificate.account) {
            account.nodes.insert(id);
            let counter = &mut account.counters.certificate;
            *counter = (*counter).max(counter_of(certificate.issue.serial));
        }
        let known = node.enrolment.as_ref().map_or(0, |known| known.certificate.issue.serial);
        if known < certificate.issue.serial {
            let ratchet = node
                .enrolment
                .as_ref()
                .map_or(Ratchet { counter: 0, tip: Digest([0; 32]) }, |known| known.ratchet);
            let certificate = (**certificate).clone();
            self.node_keys.insert(certificate.sign_key, id);
            node.enrolment = Some(Enrolment { generation: certificate.generation, certificate, ratchet });
            node.since = seq;
        }
    }

    fn adopt_row(&mut self, row: &Verified<Allocation>) {
        let id = row.issue.id;
        if self.rows.get(&id).is_some_and(|known| row.issue.serial < known.claim) {
            // The node has applied a later version since, and what that lacks was given back.
            self.row_versions.insert(row.digest(), id);
            return;
        }
        let Some(pool) = self.pools.get(&row.pool) else { return };
        let all = pool.pool.slot_count().map_or(SlotSet::EMPTY, |count| SlotSet::range(0, count));
        let unlimited = pool.is_unlimited();
        let mut slots = row.slots.without(&row.slots.without(&all));
        let rivals: Vec<AllocationId> = pool.rows.iter().copied().filter(|&rival| rival != id).collect();
        for rival in rivals {
            let Some(known) = self.rows.get(&rival) else { continue };
            let shared = slots.without(&slots.without(&known.row.slots));
            if shared.is_empty() {
                continue;
            }
            if known.claim > row.issue.serial && self.rules.later_row_wins {
                slots.remove_all(&shared);
            } else {
                self.take_away(rival, &shared);
            }
        }
        if slots.is_empty() && !unlimited {
            // Every slot of it was given to others since.
            self.close_row(id);
            return;
        }
        self.hold_adopted(row, slots);
    }

    /// Slots that turn out to be another row's.
    fn take_away(&mut self, id: AllocationId, slots: &SlotSet) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let pool = row.row.pool;
        row.give_back(slots);
        let emptied = row.row.slots.is_empty();
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.taken.remove_all(slots);
        }
        if emptied {
            self.close_row(id);
        }
    }

    /// A row ends, whatever slots it still has.
    pub(crate) fn close_row(&mut self, id: AllocationId) {
        if let Some(row) = self.rows.get(&id)
            && let Some(pool) = self.pools.get_mut(&row.row.pool)
        {
            pool.give_back(id, &row.row.slots);
        }
        self.end_row(id);
    }

    fn hold_adopted(&mut self, row: &Verified<Allocation>, slots: SlotSet) {
        let id = row.issue.id;
        if !self.rows.contains_key(&id) {
            self.begin_row(&fact_of(row, SlotSet::EMPTY));
        }
        if let Some(node) = self.nodes.get_mut(&row.node) {
            let generation = node.enrolment.as_ref().map(|enrolment| enrolment.generation);
            if generation == Some(row.generation) {
                node.acked_report_seq = node.acked_report_seq.max(row.acked_report_seq);
            }
        }
        if let Some(account) = self.accounts.get_mut(&row.account) {
            let counter = &mut account.counters.allocation;
            *counter = (*counter).max(counter_of(row.issue.serial));
        }
        let (Some(known), Some(pool)) = (self.rows.get_mut(&id), self.pools.get_mut(&row.pool)) else {
            return;
        };
        pool.give_back(id, &known.row.slots);
        known.adopt(row, slots);
        pool.rows.insert(id);
        pool.taken.insert_all(&known.row.slots);
        self.row_versions.insert(row.digest(), id);
    }
}

impl RowState {
    /// A newer version says how it is; one that is not promises what it promises all the same.
    fn adopt(&mut self, version: &Verified<Allocation>, mut slots: SlotSet) {
        self.claim = self.claim.max(version.issue.serial);
        self.longest = self.longest.max(version.not_after);
        if self.signed.as_ref().is_some_and(|known| version.seq <= known.seq) {
            slots.insert_all(&self.row.slots);
            self.row.slots = slots;
            return;
        }
        self.row = fact_of(version, slots);
        self.shrink_to = version.shrink_to;
        self.signed = Some((**version).clone());
    }
}

fn fact_of(row: &Allocation, slots: SlotSet) -> Row {
    Row {
        id: row.issue.id,
        account: row.account,
        pool: row.pool,
        node: row.node,
        kind: row.kind,
        mobility: if row.fixed { Mobility::Fixed } else { Mobility::Movable },
        borrow_slots: row.borrow_slots.without(&row.borrow_slots.without(&slots)),
        slots,
        mclt_ms: row.mclt_ms,
        suspect_budget_ms: row.suspect_budget_ms,
        not_before: row.not_before,
        renew_after: row.renew_after,
        not_after: row.not_after,
    }
}

/// A node that was registered after the backup. Its join code is used, so nothing is to be derived of it.
fn placeholder(adopted: &Adopted, certificate: &NodeCertificate) -> Node {
    let issued = IssuedJoin { nonce: certificate.node.0, join_id: certificate.node.0 };
    Node {
        id: certificate.node,
        account: certificate.account,
        name: adopted.name.clone(),
        site: None,
        class: NodeClass::Intermittent,
        certificate: certificate.issue.id,
        join: Join { issued, expires_at: UnixMs::MIN },
    }
}
