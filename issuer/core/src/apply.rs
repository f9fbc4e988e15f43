//! How facts change the state: the only place that changes it. A fact that an honest issuer cannot have recorded is
//! refused before anything changes.

use leasehold_protocol::artefact::{Allocation, Kind};
use leasehold_protocol::ids::AllocationId;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;

use crate::account::{Account, AccountState, Counters};
use crate::allocation::{Row, RowState};
use crate::bundle::BundleIssued;
use crate::fact::{ReplayError, What};
use crate::grant::GrantSold;
use crate::node::{Node, NodeState};
use crate::pool::PoolState;
use crate::product::{Product, sku_key};
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
            What::GrantCreated(sold) => self.grant_created(at, sold),
            What::NodeRegistered(node) => self.node_registered(seq, node),
            What::AllocationCreated { row, freed } => self.allocation_created(row, freed),
            What::BundleIssued(issued) => self.bundle_issued(seq, issued),
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
        self.account_names.insert(&account.name, account.id);
        self.external.extend(account.external.iter().map(|external| (external.clone(), account.id)));
        let counters = Counters { manifest: 1, ..Counters::default() };
        let state = AccountState {
            account: account.clone(),
            grants: [].into(),
            nodes: [].into(),
            counters,
            manifest_at: at,
        };
        self.accounts.insert(account.id, state);
        Ok(())
    }

    fn product_created(&mut self, product: &Product) -> Applied {
        ensure(!self.products.contains_key(&product.id), "a product is created twice")?;
        self.product_names.insert(&product.sku_key, product.id);
        self.products.insert(product.id, product.clone());
        Ok(())
    }

    fn grant_created(&mut self, at: UnixMs, sold: &GrantSold) -> Applied {
        let GrantSold { grant, pool } = sold;
        let digest = self.digest(Kind::Grant, grant).map_err(|problem| ReplayError(problem.detail))?;
        let pool_digest = self.digest(Kind::Pool, pool).map_err(|problem| ReplayError(problem.detail))?;
        ensure(!self.grants.contains_key(&grant.issue.id), "a grant is created twice")?;
        ensure(!self.pools.contains_key(&pool.issue.id), "a pool is created twice")?;
        ensure(pool.grant_digest == digest, "a pool is not of its grant")?;
        let account =
            self.accounts.get_mut(&grant.account).ok_or_else(|| missing("the account of a grant"))?;
        account.grants.insert(grant.issue.id);
        account.manifest_at = at;
        account.counters.manifest = account.counters.manifest.saturating_add(1);
        raise(&mut account.counters.grant, grant.issue.serial);
        raise(&mut account.counters.pool, pool.issue.serial);
        self.pool_names.insert(&sku_key(&grant.sku), pool.issue.id);
        let state = GrantState { grant: grant.clone(), digest, pool: pool.issue.id };
        self.grants.insert(grant.issue.id, state);
        let taken = SlotSet::EMPTY;
        let state = PoolState { pool: pool.clone(), digest: pool_digest, rows: [].into(), taken };
        self.pools.insert(pool.issue.id, state);
        Ok(())
    }

    fn node_registered(&mut self, seq: Seq, node: &Node) -> Applied {
        ensure(!self.nodes.contains_key(&node.id), "a node is registered twice")?;
        ensure(!self.node_joins.contains_key(&node.join.issued.join_id), "a join code is issued twice")?;
        let account = self.accounts.get_mut(&node.account).ok_or_else(|| missing("the account of a node"))?;
        account.nodes.insert(node.id);
        self.node_names.insert(&node.name, node.id);
        self.node_joins.insert(node.join.issued.join_id, node.id);
        let state = NodeState { node: node.clone(), since: seq, enrolment: None, rows: [].into() };
        self.nodes.insert(node.id, state);
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
        for id in freed {
            let ended = self.rows.remove(id);
            if let Some(node) = ended.and_then(|ended| self.nodes.get_mut(&ended.row.node)) {
                node.rows.remove(id);
            }
            self.ended_rows.insert(*id);
        }
        if let Some(node) = self.nodes.get_mut(&row.node) {
            node.rows.insert(row.id);
        }
        self.rows.insert(row.id, RowState { row: row.clone(), signed: None });
        Ok(())
    }

    fn bundle_issued(&mut self, seq: Seq, issued: &BundleIssued) -> Applied {
        ensure(!self.bundles.contains_key(&issued.request), "a request is answered twice")?;
        let sign_key = issued.enrolment.certificate.sign_key;
        let owner = self.node_keys.get(&sign_key);
        ensure(owner.is_none_or(|&owner| owner == issued.node), "two nodes have one key")?;
        let unsigned = |row: &RowState| row.signed.is_none() && row.row.node == issued.node;
        let due = |artefact: &Allocation| self.rows.get(&artefact.issue.id).is_some_and(unsigned);
        ensure(issued.first_signed.iter().all(due), "an allocation is signed twice, or for another node")?;
        let account =
            self.accounts.get_mut(&issued.account).ok_or_else(|| missing("the account of a bundle"))?;
        let node = self.nodes.get_mut(&issued.node).ok_or_else(|| missing("the node of a bundle"))?;
        node.enrolment = Some(issued.enrolment.clone());
        node.since = seq;
        let counters = &mut account.counters;
        raise(&mut counters.bundle, issued.issue.serial);
        raise(&mut counters.head, issued.head.issue.serial);
        raise(&mut counters.certificate, issued.enrolment.certificate.issue.serial);
        if let Some(time) = &issued.time {
            raise(&mut counters.time, time.issue.serial);
        }
        for artefact in &issued.first_signed {
            raise(&mut counters.allocation, artefact.issue.serial);
            if let Some(row) = self.rows.get_mut(&artefact.issue.id) {
                row.signed = Some(artefact.clone());
            }
        }
        self.node_keys.insert(sign_key, issued.node);
        self.bundles.insert(issued.request, seq);
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
