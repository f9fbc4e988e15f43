//! Type 4: the grant.

use serde::{Deserialize, Serialize};

use super::{
    Artefact, Demand, Extensions, Issue, Kind, Malformed, check_name, check_names, check_set_by, ensure,
};
use crate::bytes::Digest;
use crate::ids::{AccountId, GrantId, ProductId};
use crate::limits;
use crate::time::UnixMs;

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Identity and time; the id is the grant's over all versions.
    pub issue: Issue<GrantId>,
    /// Who bought.
    pub account: AccountId,
    /// 1, 2, 3, …: raised by each amendment.
    pub version: u32,
    /// What.
    pub product: ProductId,
    /// The product's name at checkout.
    pub sku: String,
    /// Edition, if the product has any.
    pub edition: Option<String>,
    /// Features it includes, ascending.
    pub features: Vec<String>,
    /// Quotas and capacities, ascending by name.
    pub limits: Vec<Limit>,
    /// First instant of validity.
    pub not_before: UnixMs,
    /// End of validity (exclusive); grace follows.
    pub not_after: UnixMs,
    /// How long after the end it is still served, flagged.
    pub grace_ms: i64,
    /// Environments it may be used in, ascending; empty = any.
    pub environments: Vec<String>,
    /// Regions it may be used in, ascending; empty = any.
    pub regions: Vec<String>,
    /// Machines it is bound to, ascending; empty = none.
    pub bindings: Vec<Binding>,
    /// How many bindings must match.
    pub binding_match: BindingMatch,
    /// Bounds of what the customer's policy may allow.
    pub ceilings: PolicyCeilings,
    /// Serial of the version this one replaces: dead once this one is seen.
    pub supersedes: Option<u64>,
    /// Compared with the head's `min_grant_generation`.
    pub generation: u32,
    /// Later fields.
    pub ext: Extensions,
}

/// A quota or capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Of what.
    pub name: String,
    /// How much.
    pub value: LimitValue,
}

/// How much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitValue {
    /// So much.
    Value(u64),
    /// No bound.
    Unlimited,
    /// Nothing.
    None,
}

/// One component of a machine's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// Which component: numbers are assigned with the client's fingerprint.
    pub component: u16,
    /// Its hash.
    pub value: Digest,
}

/// How many of a grant's bindings must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingMatch {
    /// One.
    Any,
    /// Two.
    Two,
    /// More than half.
    Most,
    /// Every one.
    All,
}

/// Bounds of the customer's policy; `None` = no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyCeilings {
    /// Longest linger.
    pub max_linger_ms: Option<i64>,
    /// Most seats one duplicate group may share.
    pub max_duplicate_group: Option<u32>,
}

impl Grant {
    /// Validity and grace together end here.
    pub const fn grace_end(&self) -> UnixMs {
        self.not_after.plus(self.grace_ms)
    }
}

impl Artefact for Grant {
    const KIND: Kind = Kind::Grant;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.version > 0, "version", "must not be 0")?;
        check_name(&self.sku, "sku")?;
        self.edition.iter().try_for_each(|edition| check_name(edition, "edition"))?;
        check_names(&self.features, limits::FEATURES, "features")?;
        check_set_by(&self.limits, limits::GRANT_LIMITS, "limits", |l| &l.name)?;
        self.limits.iter().try_for_each(|limit| check_name(&limit.name, "limits"))?;
        ensure(self.not_before < self.not_after, "not_after", "must be after not_before")?;
        ensure(self.grace_ms >= 0, "grace_ms", "must not be negative")?;
        check_names(&self.environments, limits::SHORT_LIST, "environments")?;
        check_names(&self.regions, limits::SHORT_LIST, "regions")?;
        check_set_by(&self.bindings, limits::SHORT_LIST, "bindings", |b| b)?;
        self.ext.check()
    }

    fn demand(&self) -> Demand {
        Demand {
            account: Some(self.account),
            product: Some(self.product),
            seats: 0,
            validity_ms: self.not_after.since(self.not_before),
        }
    }
}
