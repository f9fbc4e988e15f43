//! How facts change the state: the only place that changes it. A fact that an honest issuer cannot have recorded is
//! refused before anything changes.

use leasehold_protocol::artefact::{Allocation, Grant, Head, Kind, Pool};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;

use crate::account::{Account, AccountState};
use crate::allocation::{Row, RowState};
use crate::amendment::Amended;
use crate::bundle::BundleIssued;
use crate::fact::{ReplayError, What};
use crate::fork::{Forked, Reports};
use crate::grant::GrantSold;
use crate::limits;
use crate::node::{Applied as AppliedWord, Node, NodeAttested, NodeClass, NodeState, SentBundle, Usage};
use crate::pool::PoolState;
use crate::product::{Product, sku_key};
use crate::receipt::ReceiptTaken;
use crate::recover::{Attested, Entered};
use crate::release::{Freed, Releases, Shrunk};
use crate::revocation::{Revocation, RevocationState, RevokedBy};
use crate::root::Initialised;
use crate::state::{GrantState, State, Vendor, counter_of};

type Applied = Result<(), ReplayError>;

impl State {
    /// Lets a fact of record `seq`, recorded `at`, be so.
    pub(crate) fn apply(&mut self, seq: Seq, at: UnixMs, what: &What) -> Applied {
        match what {
            What::Initialised(initialised) => self.initialised(initialised),
            What::AccountCreated(account) => self.account_created(at, account),
            What::ProductCreated(product) => self.product_created(product),
            What::GrantCreated(sold) => self.grant_created(seq, at, sold),
            What::NodeRegistered(node) => self.node_registered(seq, node),
            What::AllocationCreated { row, freed } => self.allocation_created(row, freed),
            What::BundleIssued(issued) => self.bundle_issued(seq, at, issued),
            What::GrantAmended(amended) => self.grant_amended(seq, at, amended),
            What::GrantRevoked(revocation) => self.grant_revoked(seq, at, revocation),
            What::AllocationShrunk(shrunk) => self.allocation_shrunk(shrunk),
            What::HeadIssued(head) => self.head_issued(seq, head),
            What::ReceiptTaken(taken) => self.receipt_taken(seq, at, taken),
            What::ApiKeyCreated(key) | What::ApiKeyRotated(key) | What::ApiKeyDisabled(key) => {
                self.api_keys.apply(seq, key)
            }
            // What it says is in the clock.
            What::TimeAccepted => Ok(()),
            What::RecoverEntered(entered) => self.recover_entered(at, *entered),
            What::Adopted(adopted) => self.adopted(seq, at, adopted),
            What::AccountsAttested(attested) => self.accounts_attested(attested),
            What::NodeForked(forked) => self.node_forked(seq, forked),
            What::NodeAttested(attested) => self.node_attested(seq, attested),
        }
    }

    fn initialised(&mut self, initialised: &Initialised) -> Applied {
        ensure(self.vendor.is_none(), "the issuer is initialised twice")?;
        let trust = TrustRoot::pin(&initialised.root.0).map_err(|error| ReplayError(error.to_string()))?;
        let roots = vec![initialised.root.clone()];
        self.vendor = Some(Vendor { generation: initialised.generation, roots, trust });
        Ok(())
    }

    fn account_created(&mut self, at: UnixMs, account: &Account) -> Applied {
        ensure(!self.accounts.contains_key(&account.id), "an account is created twice")?;
        ensure(
            account.parent.is_none_or(|parent| self.accounts.contains_key(&parent)),
            "a parent is missing",
        )?;
        for name in account.names() {
            self.account_names.insert(&name, account.id);
        }
        self.external.extend(account.external.iter().map(|external| (external.clone(), account.id)));
        self.accounts.insert(account.id, AccountState::new(at, account.clone()));
        Ok(())
    }

    fn product_created(&mut self, product: &Product) -> Applied {
        ensure(!self.products.contains_key(&product.id), "a product is created twice")?;
        self.product_names.insert(&product.sku_key, product.id);
        self.products.insert(product.id, product.clone());
        Ok(())
    }

    fn grant_created(&mut self, seq: Seq, at: UnixMs, sold: &GrantSold) -> Applied {
        let GrantSold { grant, pool } = sold;
        let (digest, pool_digest) = self.digests(grant, pool)?;
        ensure(!self.grants.contains_key(&grant.issue.id), "a grant is created twice")?;
        ensure(!self.pools.contains_key(&pool.issue.id), "a pool is created twice")?;
        self.listed(at, grant, pool)?.grants.insert(grant.issue.id);
        self.pool_names.insert(&sku_key(&grant.sku), pool.issue.id);
        let state = GrantState {
            grant: grant.clone(),
            digest,
            pool: pool.issue.id,
            since: seq,
            serials: vec![grant.issue.serial],
            longest_end: grant.grace_end(),
            revoked: None,
        };
        self.grants.insert(grant.issue.id, state);
        self.pools.insert(pool.issue.id, PoolState::new(pool.clone(), pool_digest));
        Ok(())
    }

    fn node_registered(&mut self, seq: Seq, node: &Node) -> Applied {
        ensure(!self.nodes.contains_key(&node.id), "a node is registered twice")?;
        ensure(!self.node_joins.contains_key(&node.join.issued.join_id), "a join code is issued twice")?;
        let account = self.accounts.get_mut(&node.account).ok_or_else(|| missing("the account of a node"))?;
        account.nodes.insert(node.id);
        self.node_names.insert(&node.name, node.id);
        self.node_joins.insert(node.join.issued.join_id, node.id);
        self.nodes.insert(node.id, NodeState::new(seq, node.clone()));
        Ok(())
    }

    /// Law 1 once more: whoever decided it, no slot is ever in two live rows.
    fn allocation_created(&mut self, row: &Row, freed: &[AllocationId]) -> Applied {
        let used = self.rows.contains_key(&row.id) || self.ended_rows.contains(&row.id);
        ensure(!used, "an allocation is created twice")?;
        let node = self.nodes.get(&row.node).ok_or_else(|| missing("the node of an allocation"))?;
        ensure(node.node.account == row.account, "an allocation is for another account's node")?;
        let mut pool = self.pools.get(&row.pool).ok_or_else(|| missing("the pool of an allocation"))?.clone();
        for &id in freed {
            let ended = self.rows.get(&id).ok_or_else(|| missing("a row that ends"))?;
            ensure(pool.give_back(id, &ended.row.slots), "a row of another pool ends")?;
        }
        ensure(pool.take(row.id, &row.slots), "an allocation takes slots that are not free")?;
        self.pools.insert(row.pool, pool);
        for &id in freed {
            self.end_row(id);
        }
        self.begin_row(row);
        self.concerns_nodes(row.account)
    }

    pub(crate) fn begin_row(&mut self, row: &Row) {
        if let Some(node) = self.nodes.get_mut(&row.node) {
            node.rows.insert(row.id);
        }
        let state =
            RowState { row: row.clone(), signed: None, longest: UnixMs::MIN, shrink_to: None, claim: 0 };
        self.rows.insert(row.id, state);
    }

    pub(crate) fn end_row(&mut self, id: AllocationId) {
        let ended = self.rows.remove(&id);
        if let Some(node) = ended.and_then(|ended| self.nodes.get_mut(&ended.row.node)) {
            node.rows.remove(&id);
        }
        self.row_versions.retain(|_, row| *row != id);
        self.ended_rows.insert(id);
    }

    /// Nodes of the account are to hear of it.
    fn concerns_nodes(&mut self, account: AccountId) -> Applied {
        self.accounts.get_mut(&account).ok_or_else(|| missing("an account"))?.changed = true;
        Ok(())
    }

    fn digests(&self, grant: &Grant, pool: &Pool) -> Result<(Digest, Digest), ReplayError> {
        let odd = |problem: Problem| ReplayError(problem.detail);
        let digest = self.digest(Kind::Grant, grant).map_err(odd)?;
        ensure(pool.grant_digest == digest, "a pool is not of its grant")?;
        Ok((digest, self.digest(Kind::Pool, pool).map_err(odd)?))
    }

    /// The account of a grant and pool that its manifest names from now on.
    fn listed(&mut self, at: UnixMs, grant: &Grant, pool: &Pool) -> Result<&mut AccountState, ReplayError> {
        let account =
            self.accounts.get_mut(&grant.account).ok_or_else(|| missing("the account of a grant"))?;
        account.manifest_at = at;
        account.changed = true;
        account.counters.manifest = account.counters.manifest.saturating_add(1);
        raise(&mut account.counters.grant, grant.issue.serial);
        raise(&mut account.counters.pool, pool.issue.serial);
        Ok(account)
    }

    fn grant_amended(&mut self, seq: Seq, at: UnixMs, amended: &Amended) -> Applied {
        let Amended { grant, pool, rows } = amended;
        let (digest, pool_digest) = self.digests(grant, pool)?;
        let sold = self.grants.get(&grant.issue.id).ok_or_else(|| missing("a grant that is amended"))?;
        ensure(sold.pool == pool.issue.id, "a grant is amended with another pool")?;
        ensure(sold.grant.version < grant.version, "a grant is amended with an earlier version")?;
        let mut state =
            self.pools.get(&pool.issue.id).ok_or_else(|| missing("a pool that is amended"))?.clone();
        state.longest_ttl_ms = state.longest_ttl_ms.max(pool.ttl.max_ms);
        (state.pool, state.digest) = (pool.clone(), pool_digest);
        ensure(state.holds_what_is_taken(), "an amendment takes allocated slots away")?;
        for row in rows.iter().filter(|row| !self.rows.contains_key(&row.id)) {
            ensure(!self.ended_rows.contains(&row.id), "an allocation is created twice")?;
            ensure(self.nodes.contains_key(&row.node), "the node of an allocation is missing")?;
            ensure(state.take(row.id, &row.slots), "an allocation takes slots that are not free")?;
        }
        let known = |row: &Row| self.rows.get(&row.id).is_none_or(|known| known.row.slots == row.slots);
        ensure(rows.iter().all(known), "an amendment moves slots")?;
        self.listed(at, grant, pool)?;
        self.pools.insert(pool.issue.id, state);
        for row in rows {
            match self.rows.get_mut(&row.id) {
                Some(known) => known.row = row.clone(),
                None => self.begin_row(row),
            }
        }
        if let Some(sold) = self.grants.get_mut(&grant.issue.id) {
            sold.serials.push(grant.issue.serial);
            sold.longest_end = sold.longest_end.max(grant.grace_end());
            (sold.grant, sold.digest, sold.since) = (grant.clone(), digest, seq);
        }
        Ok(())
    }

    fn grant_revoked(&mut self, seq: Seq, at: UnixMs, revocation: &Revocation) -> Applied {
        let known = revocation.grants.iter().all(|id| self.grants.contains_key(id));
        ensure(known && !revocation.grants.is_empty(), "a grant that is revoked is missing")?;
        let by = RevokedBy { id: revocation.id, seq, enforced_from: revocation.enforced_from };
        for id in &revocation.grants {
            if let Some(sold) = self.grants.get_mut(id) {
                (sold.revoked, sold.since) = (Some(by), seq);
            }
        }
        let state = RevocationState { revocation: revocation.clone(), recorded_at: at, known_at: [].into() };
        self.revocations.insert(revocation.id, state);
        self.concerns_nodes(revocation.account)
    }

    fn allocation_shrunk(&mut self, shrunk: &Shrunk) -> Applied {
        let row = self.rows.get(&shrunk.allocation).ok_or_else(|| missing("a row that shrinks"))?;
        let account = row.row.account;
        ensure(
            shrunk.freed.is_empty() || row.signed.is_none(),
            "slots of a carried row are free unreleased",
        )?;
        self.free(&Freed { allocation: shrunk.allocation, slots: shrunk.freed.clone() })?;
        if let Some(row) = self.rows.get_mut(&shrunk.allocation) {
            row.shrink_to = shrunk.shrink_to;
        }
        self.concerns_nodes(account)
    }

    /// Slots come free; a row that has none left ends.
    fn free(&mut self, freed: &Freed) -> Applied {
        let id = freed.allocation;
        let row = self.rows.get_mut(&id).ok_or_else(|| missing("a row that gives slots back"))?;
        ensure(row.row.slots.contains_all(&freed.slots), "slots come free that their row has not")?;
        let pool = self.pools.get_mut(&row.row.pool).ok_or_else(|| missing("the pool of a row"))?;
        let limited = !pool.is_unlimited();
        row.give_back(&freed.slots);
        pool.taken.remove_all(&freed.slots);
        if limited && row.row.slots.is_empty() {
            pool.rows.remove(&id);
            self.end_row(id);
        }
        Ok(())
    }

    fn head_issued(&mut self, seq: Seq, head: &Head) -> Applied {
        let account = self.accounts.get_mut(&head.account).ok_or_else(|| missing("the account of a head"))?;
        raise(&mut account.counters.head, head.issue.serial);
        (account.standing, account.changed) = (Some((head.clone(), seq)), false);
        Ok(())
    }

    fn receipt_taken(&mut self, seq: Seq, at: UnixMs, taken: &ReceiptTaken) -> Applied {
        ensure(self.nodes.contains_key(&taken.node), "the node of a receipt is missing")?;
        self.released(taken.node, &taken.releases)?;
        self.applied(at, taken.node, taken.bundle);
        if let Some(node) = self.nodes.get_mut(&taken.node) {
            node.since = seq;
            node.reports.take(taken.told);
            node.receipts.push_back((taken.receipt, seq));
            if node.receipts.len() > limits::TAKEN_RECEIPTS {
                node.receipts.pop_front();
            }
        }
        if taken.releases.freed.is_empty() { Ok(()) } else { self.concerns_nodes(taken.account) }
    }

    fn released(&mut self, node: NodeId, releases: &Releases) -> Applied {
        releases.freed.iter().try_for_each(|freed| self.free(freed))?;
        if let Some(node) = self.nodes.get_mut(&node) {
            node.acked_report_seq = node.acked_report_seq.max(releases.acked_report_seq);
        }
        Ok(())
    }

    /// A node showed that it has applied a bundle, and with it every revocation of that time.
    fn applied(&mut self, at: UnixMs, id: NodeId, bundle: Digest) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(&sent) = node.sent.iter().find(|sent| sent.bundle == bundle) else { return };
        if node.applied.is_none_or(|applied| applied.head_version < sent.head_version) {
            node.applied = Some(AppliedWord { head_version: sent.head_version, at });
        }
        let account = node.node.account;
        for known in self.revocations.values_mut() {
            if known.revocation.account == account && known.recorded_at <= sent.head_issued_at {
                known.known_at.entry(id).or_insert(at);
            }
        }
    }

    fn bundle_issued(&mut self, seq: Seq, at: UnixMs, issued: &BundleIssued) -> Applied {
        ensure(!self.bundles.contains_key(&issued.request), "a request is answered twice")?;
        let sign_key = issued.enrolment.certificate.sign_key;
        let owner = self.node_keys.get(&sign_key);
        ensure(owner.is_none_or(|&owner| owner == issued.node), "two nodes have one key")?;
        let next = |row: &RowState, artefact: &Allocation| {
            let before = row.signed.as_ref().map_or(0, |before| before.seq);
            row.row.node == issued.node
                && before < artefact.seq
                && row.row.slots.contains_all(&artefact.slots)
        };
        let due =
            |artefact: &Allocation| self.rows.get(&artefact.issue.id).is_some_and(|row| next(row, artefact));
        ensure(
            issued.signed.iter().all(due),
            "an allocation is signed twice, for another node, or too large",
        )?;
        self.released(issued.node, &issued.releases)?;
        self.begin_generation(at, issued);
        if let Some(applied) = issued.applied {
            self.applied(at, issued.node, applied);
        }
        let account =
            self.accounts.get_mut(&issued.account).ok_or_else(|| missing("the account of a bundle"))?;
        let node = self.nodes.get_mut(&issued.node).ok_or_else(|| missing("the node of a bundle"))?;
        node.enrolment = Some(issued.enrolment.clone());
        node.since = seq;
        if !issued.report.recovering {
            node.reports.take(issued.report.told);
        }
        node.usage = Some(Usage { reported_at: at, pools: issued.usage.clone() });
        node.sent.push_back(SentBundle {
            bundle: issued.bundle,
            head_version: issued.head.version,
            head_issued_at: issued.head.issue.issued_at,
        });
        if node.sent.len() > limits::SENT_BUNDLES {
            node.sent.pop_front();
        }
        let standing = account.standing.as_ref().map(|(head, _)| head.version);
        if node.node.class == NodeClass::Online && standing != Some(issued.head.version) {
            (account.standing, account.changed) = (Some((issued.head.clone(), seq)), false);
        }
        let counters = &mut account.counters;
        raise(&mut counters.bundle, issued.issue.serial);
        raise(&mut counters.head, issued.head.issue.serial);
        raise(&mut counters.certificate, issued.enrolment.certificate.issue.serial);
        if let Some(time) = &issued.time {
            raise(&mut counters.time, time.issue.serial);
        }
        for artefact in &issued.signed {
            raise(&mut counters.allocation, artefact.issue.serial);
        }
        for artefact in &issued.signed {
            self.row_signed(artefact)?;
        }
        self.node_keys.insert(sign_key, issued.node);
        self.bundles.insert(issued.request, (issued.account, seq));
        self.reported(issued.account, issued.node, &issued.report);
        Ok(())
    }

    /// A new generation of a node: what its earlier ones reported says nothing of this one.
    fn begin_generation(&mut self, at: UnixMs, issued: &BundleIssued) {
        let (keeps_slots, own_reports) =
            (self.rules.living_node_keeps_slots, self.rules.reports_are_of_their_generation);
        let Some(node) = self.nodes.get_mut(&issued.node) else { return };
        let before = node.enrolment.as_ref().map(|enrolment| enrolment.generation);
        if before.is_none_or(|before| issued.enrolment.generation <= before) {
            return;
        }
        (node.forked, node.vouched) = (None, false);
        if own_reports {
            (node.reports, node.acked_report_seq) = (Reports::default(), 0);
        }
        let counted = |&then: &UnixMs| at.since(then) <= limits::RECOVERIES_WITHIN_MS;
        node.recovered_at.retain(counted);
        node.recovered_at.push_back(at);
        if !keeps_slots {
            for id in node.rows.clone() {
                self.close_row(id);
            }
        }
    }

    fn recover_entered(&mut self, at: UnixMs, entered: Entered) -> Applied {
        let vendor = self.vendor.as_ref().ok_or_else(|| missing("the first root"))?;
        ensure(vendor.generation <= entered.generation, "the issuer's generation falls")?;
        self.recovers(at, entered);
        Ok(())
    }

    fn accounts_attested(&mut self, attested: &Attested) -> Applied {
        let known = attested.accounts.iter().all(|id| self.accounts.contains_key(id));
        ensure(known, "an account that is attested for is missing")?;
        self.attested(attested);
        Ok(())
    }

    fn node_forked(&mut self, seq: Seq, forked: &Forked) -> Applied {
        let node = self.nodes.get_mut(&forked.node).ok_or_else(|| missing("a node that is forked"))?;
        (node.forked, node.since) = (Some(*forked), seq);
        Ok(())
    }

    fn node_attested(&mut self, seq: Seq, attested: &NodeAttested) -> Applied {
        let node = self.nodes.get_mut(&attested.node).ok_or_else(|| missing("a node that is attested"))?;
        (node.vouched, node.since) = (true, seq);
        Ok(())
    }
}

impl State {
    /// The artefact of a row is on its way: what it promises is promised for good.
    fn row_signed(&mut self, artefact: &Allocation) -> Applied {
        let digest =
            self.digest(Kind::Allocation, artefact).map_err(|problem| ReplayError(problem.detail))?;
        let account = self.accounts.get(&artefact.account);
        let frozen = account.is_some_and(|account| account.frozen.is_some());
        let row = self.rows.get_mut(&artefact.issue.id).ok_or_else(|| missing("a row that is signed"))?;
        row.signed = Some(artefact.clone());
        if !frozen {
            row.claim = artefact.issue.serial;
        }
        row.longest = row.longest.max(artefact.not_after);
        (row.row.renew_after, row.row.not_after) = (artefact.renew_after, artefact.not_after);
        self.row_versions.insert(digest, artefact.issue.id);
        Ok(())
    }
}

fn raise(counter: &mut u64, serial: u64) {
    *counter = (*counter).max(counter_of(serial));
}

fn ensure(holds: bool, otherwise: &str) -> Applied {
    if holds { Ok(()) } else { Err(ReplayError(otherwise.to_owned())) }
}

fn missing(what: &str) -> ReplayError {
    ReplayError(format!("{what} is missing"))
}
