//! The fold over all facts: what exists, and how facts change it.

use std::collections::{BTreeMap, BTreeSet};

use leasehold_protocol::artefact::{Artefact, Grant, Kind};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::canonical;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::digest_of;
use leasehold_protocol::ids::{AccountId, AllocationId, GrantId, NodeId, PoolId, ProductId, RevocationId};
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use serde::Serialize;

use crate::account::{AccountState, ExternalId};
use crate::allocation::RowState;
use crate::api_key::ApiKeys;
use crate::names::Names;
use crate::node::NodeState;
use crate::pool::PoolState;
use crate::product::{Product, sku_key};
use crate::recover::Recovery;
use crate::refusal::not_found;
use crate::revocation::{RevocationState, RevokedBy};
use crate::rules::Rules;

/// Bits of a serial below the issuer's generation.
const COUNTER_BITS: u32 = 40;

/// Everything the facts say.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct State {
    pub(crate) vendor: Option<Vendor>,
    pub(crate) accounts: BTreeMap<AccountId, AccountState>,
    pub(crate) products: BTreeMap<ProductId, Product>,
    pub(crate) grants: BTreeMap<GrantId, GrantState>,
    pub(crate) pools: BTreeMap<PoolId, PoolState>,
    pub(crate) nodes: BTreeMap<NodeId, NodeState>,
    /// Live rows only.
    pub(crate) rows: BTreeMap<AllocationId, RowState>,
    /// Ids that were used for rows; a row that ended does not come back.
    pub(crate) ended_rows: BTreeSet<AllocationId>,
    /// Whose node made a request, and which record answers it.
    pub(crate) bundles: BTreeMap<Digest, (AccountId, Seq)>,
    pub(crate) external: BTreeMap<ExternalId, AccountId>,
    pub(crate) account_names: Names<AccountId>,
    pub(crate) product_names: Names<ProductId>,
    pub(crate) pool_names: Names<PoolId>,
    pub(crate) node_names: Names<NodeId>,
    pub(crate) node_joins: BTreeMap<[u8; 16], NodeId>,
    pub(crate) node_keys: BTreeMap<PublicKeyBytes, NodeId>,
    /// Which row every signed version of a live row is of.
    pub(crate) row_versions: BTreeMap<Digest, AllocationId>,
    pub(crate) revocations: BTreeMap<RevocationId, RevocationState>,
    pub(crate) api_keys: ApiKeys,
    /// The last RECOVER of the issuer.
    pub(crate) recovery: Option<Recovery>,
    /// What nodes presented and the journal lacked.
    pub(crate) adopted: BTreeSet<Digest>,
    #[serde(skip)]
    pub(crate) rules: Rules,
}

/// Who the issuer signs as.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Vendor {
    pub(crate) generation: u32,
    /// Envelopes of all roots, by version from 1 on.
    pub(crate) roots: Vec<Bytes>,
    #[serde(skip)]
    pub(crate) trust: TrustRoot,
}

/// A grant and its pool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GrantState {
    pub(crate) grant: Grant,
    pub(crate) digest: Digest,
    pub(crate) pool: PoolId,
    /// The record that last changed it.
    pub(crate) since: Seq,
    /// Serials of all its versions, ascending.
    pub(crate) serials: Vec<u64>,
    /// The latest end of any of its versions, grace included.
    pub(crate) longest_end: UnixMs,
    pub(crate) revoked: Option<RevokedBy>,
}

impl Vendor {
    /// The roots after `version`, and always the newest.
    pub(crate) fn roots_after(&self, version: u32) -> Vec<Bytes> {
        let known = usize::try_from(version).unwrap_or(usize::MAX).min(self.roots.len().saturating_sub(1));
        self.roots.iter().skip(known).cloned().collect()
    }
}

impl State {
    pub(crate) fn vendor(&self) -> Result<&Vendor, Problem> {
        self.vendor.as_ref().ok_or_else(|| {
            Problem::new(
                Code::NotInitialised,
                "the issuer is not initialised",
                "run `leasehold-issuer init` first",
            )
        })
    }

    /// By id, by name, or by what another system calls it: `SYSTEM:ID`, or the bare id.
    pub(crate) fn find_account(&self, text: &str) -> Result<AccountId, Problem> {
        self.account_names.find("account", text, |id| self.accounts.contains_key(&id))
    }

    /// By id or by any spelling of its SKU.
    pub(crate) fn find_product(&self, text: &str) -> Result<ProductId, Problem> {
        match text.parse().ok().filter(|id| self.products.contains_key(id)) {
            Some(id) => Ok(id),
            None => self
                .product_names
                .find("product", &sku_key(text), |_| false)
                .map_err(|problem| if problem.code == Code::NotFound { no_product(text) } else { problem }),
        }
    }

    /// By id or by the SKU of its product.
    pub(crate) fn find_pool(&self, text: &str) -> Result<PoolId, Problem> {
        match text.parse().ok().filter(|id| self.pools.contains_key(id)) {
            Some(id) => Ok(id),
            None => self
                .pool_names
                .find("pool", &sku_key(text), |_| false)
                .map_err(|problem| if problem.code == Code::NotFound { no_pool(text) } else { problem }),
        }
    }

    /// By id, or by its name within `account`.
    pub(crate) fn find_node(&self, text: &str, account: AccountId) -> Result<NodeId, Problem> {
        let of_account = |id: NodeId| self.nodes.get(&id).is_some_and(|node| node.node.account == account);
        self.node_names.find_among("node", text, |id| self.nodes.contains_key(&id), of_account)
    }

    /// By id, or by its name among all nodes.
    pub(crate) fn find_any_node(&self, text: &str) -> Result<NodeId, Problem> {
        self.node_names.find("node", text, |id| self.nodes.contains_key(&id))
    }

    pub(crate) fn account(&self, id: AccountId) -> Result<&AccountState, Problem> {
        found(self.accounts.get(&id), "account", id)
    }

    pub(crate) fn product(&self, id: ProductId) -> Result<&Product, Problem> {
        found(self.products.get(&id), "product", id)
    }

    pub(crate) fn grant(&self, id: GrantId) -> Result<&Grant, Problem> {
        self.grant_state(id).map(|sold| &sold.grant)
    }

    pub(crate) fn grant_state(&self, id: GrantId) -> Result<&GrantState, Problem> {
        found(self.grants.get(&id), "grant", id)
    }

    pub(crate) fn pool(&self, id: PoolId) -> Result<&PoolState, Problem> {
        found(self.pools.get(&id), "pool", id)
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<&NodeState, Problem> {
        found(self.nodes.get(&id), "node", id)
    }

    pub(crate) fn row(&self, id: AllocationId) -> Option<&RowState> {
        self.rows.get(&id)
    }

    pub(crate) fn node_of_key(&self, key: PublicKeyBytes) -> Option<&NodeState> {
        self.nodes.get(self.node_keys.get(&key)?)
    }

    pub(crate) fn node_of_join(&self, join_id: [u8; 16]) -> Option<&NodeState> {
        self.nodes.get(self.node_joins.get(&join_id)?)
    }

    /// How many levels the tree has down to `account`.
    pub(crate) fn depth_of(&self, account: AccountId) -> usize {
        self.lineage(account).count()
    }

    /// `account` and all above it.
    pub(crate) fn lineage(&self, account: AccountId) -> impl Iterator<Item = AccountId> {
        let parent = |id: &AccountId| self.accounts.get(id).and_then(|account| account.account.parent);
        std::iter::successors(Some(account), parent)
    }

    /// The serial after the `counter`-th.
    pub(crate) fn serial(&self, counter: u64) -> u64 {
        self.numbered(counter.saturating_add(1))
    }

    /// The serial of the `counter`-th.
    pub(crate) fn numbered(&self, counter: u64) -> u64 {
        let generation = self.vendor.as_ref().map_or(0, |vendor| vendor.generation);
        u64::from(generation) << COUNTER_BITS | counter
    }

    /// The id of an artefact as it will be signed.
    pub(crate) fn digest<T: Artefact>(&self, kind: Kind, artefact: &T) -> Result<Digest, Problem> {
        let realm = self.vendor()?.trust.realm();
        Ok(digest_of(kind, &realm, &canonical::encode(artefact)))
    }
}

/// The counter inside a serial.
pub(crate) const fn counter_of(serial: u64) -> u64 {
    serial & ((1 << COUNTER_BITS) - 1)
}

/// The issuer's generation inside a serial.
pub(crate) fn generation_of(serial: u64) -> u32 {
    u32::try_from(serial >> COUNTER_BITS).unwrap_or(u32::MAX)
}

fn found<T>(thing: Option<T>, what: &str, id: impl std::fmt::Display) -> Result<T, Problem> {
    thing.ok_or_else(|| not_found(what, &id.to_string(), "`list` shows what there is"))
}

fn no_product(text: &str) -> Problem {
    not_found("product", text, "`product list` shows them; make one with `product create`")
}

fn no_pool(text: &str) -> Problem {
    not_found("pool", text, "`pool list` shows them; a grant makes one")
}
