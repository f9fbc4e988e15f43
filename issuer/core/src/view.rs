//! What can be read of an issuer.

use std::collections::BTreeMap;

use leasehold_protocol::artefact::{Grant, Head, Pool, Seats};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::ids::{AccountId, GrantId, PoolId, RevocationId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;

use crate::account::Account;
use crate::allocation::Row;
use crate::api_key::ApiKey;
use crate::enrolment::Enrolment;
use crate::fork::Forked;
use crate::issuer::Issuer;
use crate::node::{Applied, Node, NodeState, Usage};
use crate::pool::PoolState;
use crate::product::Product;
use crate::recover::{Missing, Recovery};
use crate::revocation::{self, Exposure, Revocation};
use crate::state::GrantState;

/// A grant and the pool that was cut from it.
#[derive(Clone, Copy, Debug)]
pub struct GrantView<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// Its pool.
    pub pool: PoolId,
    /// Seats of the pool.
    pub seats: Seats,
    /// From when on it is revoked, if it is.
    pub revoked_from: Option<UnixMs>,
}

/// A pool and how much of it is allocated.
#[derive(Clone, Copy, Debug)]
pub struct PoolView<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// The SKU of its product.
    pub sku: &'a str,
    /// Seats in live rows; 0 for an unlimited pool.
    pub allocated: u32,
    /// Seats in no live row; none for an unlimited pool.
    pub free: Option<u32>,
}

/// A node, its enrolment and its live rows.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    /// The node.
    pub node: &'a Node,
    /// Once it used its join code.
    pub enrolment: Option<&'a Enrolment>,
    /// How many allocations it has.
    pub rows: usize,
    /// The newest word of the issuer that it has shown to have applied.
    pub applied: Option<Applied>,
    /// What its last report said.
    pub usage: Option<&'a Usage>,
    /// It contradicted itself: nothing is signed for it until it recovers.
    pub forked: Option<Forked>,
    /// The thaw of its account waits for its report.
    pub awaited: bool,
}

/// A row, and whether a bundle carried it.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    /// The row.
    pub row: &'a Row,
    /// Whether a bundle carried it.
    pub signed: bool,
    /// How many seats its node shall keep, as long as it has more.
    pub shrink_to: Option<u32>,
}

/// The head that online nodes of an account poll.
#[derive(Clone, Copy, Debug)]
pub struct StandingHead<'a> {
    /// The head; none before the first.
    pub head: Option<&'a Head>,
    /// It is to be replaced.
    pub due: bool,
}

/// A revocation and what it means at each node that has seats of its grants.
#[derive(Clone, Debug)]
pub struct RevocationView<'a> {
    /// The revocation.
    pub revocation: &'a Revocation,
    /// Nodes, oldest first.
    pub exposure: Vec<Exposure<'a>>,
}

impl Issuer {
    /// The last RECOVER; none if the journal was always whole.
    pub const fn recovery(&self) -> Option<Recovery> {
        self.state.recovery
    }

    /// Accounts that give nothing before the thaw, and what each of them lacks.
    pub fn frozen(&self) -> impl Iterator<Item = Missing> {
        let frozen = self.state.accounts.values().filter(|account| account.frozen.is_some());
        frozen.map(|account| self.state.missing(account))
    }

    /// All accounts, oldest first.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.state.accounts.values().map(|account| &account.account)
    }

    /// The account that an id, a name or an external id stands for.
    pub fn account(&self, text: &str) -> Result<&Account, Problem> {
        Ok(&self.state.account(self.state.find_account(text)?)?.account)
    }

    /// All products, oldest first.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.state.products.values()
    }

    /// The product that an id or SKU stands for.
    pub fn product(&self, text: &str) -> Result<&Product, Problem> {
        self.state.product(self.state.find_product(text)?)
    }

    /// All grants, oldest first.
    pub fn grants(&self) -> impl Iterator<Item = GrantView<'_>> {
        self.state.grants.values().map(|sold| self.grant_view(sold))
    }

    /// The grant of an id.
    pub fn grant(&self, text: &str) -> Result<GrantView<'_>, Problem> {
        let known = text.parse().ok().and_then(|id| self.state.grants.get(&id));
        let missing = || crate::refusal::not_found("grant", text, "`grant list` shows them");
        known.map(|sold| self.grant_view(sold)).ok_or_else(missing)
    }

    /// The records that made the versions of a grant, newest first, as far as the core knows: the last one. Each fact
    /// names the one before.
    pub fn grant_since(&self, grant: GrantId) -> Option<Seq> {
        self.state.grants.get(&grant).map(|sold| sold.since)
    }

    /// The revocation that took a grant back.
    pub fn revocation_of(&self, grant: GrantId) -> Option<RevocationView<'_>> {
        let by = self.state.grants.get(&grant)?.revoked?;
        self.revocation(by.id)
    }

    /// The revocation of an id.
    pub fn revocation(&self, id: RevocationId) -> Option<RevocationView<'_>> {
        let known = self.state.revocations.get(&id)?;
        Some(RevocationView {
            revocation: &known.revocation,
            exposure: revocation::exposure(&self.state, &known.revocation, &known.known_at),
        })
    }

    /// What a revocation would mean that nobody has recorded or heard of.
    pub fn exposure_to(&self, revocation: &Revocation) -> Vec<Exposure<'_>> {
        revocation::exposure(&self.state, revocation, &BTreeMap::new())
    }

    /// All pools, oldest first.
    pub fn pools(&self) -> impl Iterator<Item = PoolView<'_>> {
        self.state.pools.values().map(|pool| self.pool_view(pool))
    }

    /// The pool that an id, or the SKU of its product, stands for.
    pub fn pool(&self, text: &str) -> Result<PoolView<'_>, Problem> {
        Ok(self.pool_view(self.state.pool(self.state.find_pool(text)?)?))
    }

    /// All nodes, oldest first.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.state.nodes.values().map(|node| self.node_view(node))
    }

    /// The node that an id or name stands for.
    pub fn node(&self, text: &str) -> Result<NodeView<'_>, Problem> {
        Ok(self.node_view(self.state.node(self.state.find_any_node(text)?)?))
    }

    /// All live rows, oldest first.
    pub fn rows(&self) -> impl Iterator<Item = RowView<'_>> {
        self.state.rows.values().map(|row| RowView {
            row: &row.row,
            signed: row.signed.is_some(),
            shrink_to: row.shrink_to,
        })
    }

    /// All API keys, oldest first.
    pub fn api_keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.state.api_keys.all()
    }

    /// The API key that an id or name stands for.
    pub fn api_key(&self, text: &str) -> Result<&ApiKey, Problem> {
        self.state.api_keys.find(text).map(|(key, _)| key)
    }

    /// The active API key whose secret has this SHA-256.
    pub fn api_key_of(&self, secret: Digest) -> Option<&ApiKey> {
        self.state.api_keys.of_secret(secret)
    }

    /// Whether `account` is `root` or below it.
    pub fn is_within(&self, account: AccountId, root: AccountId) -> bool {
        self.state.lineage(account).any(|id| id == root)
    }

    fn grant_view<'a>(&'a self, sold: &'a GrantState) -> GrantView<'a> {
        let seats = self.state.pools.get(&sold.pool).map_or(Seats::Value(0), |pool| pool.pool.seats);
        let revoked_from = sold.revoked.map(|by| by.enforced_from);
        GrantView { grant: &sold.grant, pool: sold.pool, seats, revoked_from }
    }

    fn pool_view<'a>(&'a self, pool: &'a PoolState) -> PoolView<'a> {
        let sku = self.state.grants.get(&pool.pool.grant).map_or("", |sold| &sold.grant.sku);
        let free = pool.pool.slot_count().map(|count| count.saturating_sub(pool.allocated()));
        PoolView { pool: &pool.pool, sku, allocated: pool.allocated(), free }
    }

    fn node_view<'a>(&'a self, node: &'a NodeState) -> NodeView<'a> {
        let account = self.state.accounts.get(&node.node.account);
        let frozen = account.is_some_and(|account| account.frozen.is_some());
        NodeView {
            node: &node.node,
            enrolment: node.enrolment.as_ref(),
            rows: node.rows.len(),
            applied: node.applied,
            usage: node.usage.as_ref(),
            forked: node.forked,
            awaited: frozen && node.must_report(),
        }
    }
}
