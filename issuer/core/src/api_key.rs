//! API keys: who may call the issuer's service, in which role, and for whose accounts. Their secrets are not here.

use std::collections::BTreeMap;

use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AccountId, ApiKeyId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::fact::ReplayError;
use crate::limits;
use crate::names::Names;
use crate::refusal::{invalid, limit, not_found, require};
use crate::state::State;
use crate::text;

/// A wish for an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The account whose subtree it sees, by id or name; for the roles of customers and resellers only.
    pub account: Option<String>,
}

/// What an API key may do; which requests that are is a table of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Products.
    CatalogAdmin,
    /// Accounts, grants, nodes and allocations.
    SalesOps,
    /// Reads what was sold.
    SupportAgent,
    /// Reads and exports everything.
    FinanceAuditor,
    /// Accounts, nodes and allocations below its own account.
    Reseller,
    /// Nodes and allocations of its own account and those below.
    CustomerAdmin,
    /// Reads its own account and those below.
    CustomerViewer,
}

/// What the secret of a key is derived from, and the hash that it is known by. The secret is nowhere in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedSecret {
    /// Drawn by the shell; its signing module derives the secret of it.
    pub nonce: [u8; 16],
    /// SHA-256 of the secret.
    pub digest: Digest,
}

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The key.
    #[serde(rename = "api_key_id")]
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The account whose subtree it sees; all if absent.
    #[serde(rename = "account_id")]
    pub account: Option<AccountId>,
    /// 1 at first, and one more with each change.
    pub version: u32,
    /// Whether it opens anything.
    pub state: ApiKeyState,
    /// Its secret, in so far as it is known here.
    pub secret: IssuedSecret,
}

/// Whether an API key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyState {
    /// It does.
    Active,
    /// Never again.
    Disabled,
}

/// All API keys, by id, name and secret.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ApiKeys {
    keys: BTreeMap<ApiKeyId, Kept>,
    names: Names<ApiKeyId>,
    by_digest: BTreeMap<Digest, ApiKeyId>,
}

/// A key, and the record that last changed it.
#[derive(Clone, Debug, Serialize)]
struct Kept {
    key: ApiKey,
    since: Seq,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Owner,
        Self::CatalogAdmin,
        Self::SalesOps,
        Self::SupportAgent,
        Self::FinanceAuditor,
        Self::Reseller,
        Self::CustomerAdmin,
        Self::CustomerViewer,
    ];

    /// The name of the role, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::CatalogAdmin => "catalog_admin",
            Self::SalesOps => "sales_ops",
            Self::SupportAgent => "support_agent",
            Self::FinanceAuditor => "finance_auditor",
            Self::Reseller => "reseller",
            Self::CustomerAdmin => "customer_admin",
            Self::CustomerViewer => "customer_viewer",
        }
    }

    /// Whether it is for the subtree of one account.
    pub const fn is_of_account(self) -> bool {
        matches!(self, Self::Reseller | Self::CustomerAdmin | Self::CustomerViewer)
    }
}

impl ApiKeys {
    pub(crate) fn all(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.values().map(|kept| &kept.key)
    }

    /// The key that an id or name stands for, and the record that last changed it.
    pub(crate) fn find(&self, text: &str) -> Result<(&ApiKey, Seq), Problem> {
        let id = self.names.find("api key", text, |id| self.keys.contains_key(&id))?;
        let kept =
            self.keys.get(&id).ok_or_else(|| not_found("api key", text, "`api-key list` shows them"))?;
        Ok((&kept.key, kept.since))
    }

    /// The active key whose secret has this hash.
    pub(crate) fn of_secret(&self, digest: Digest) -> Option<&ApiKey> {
        let kept = self.keys.get(self.by_digest.get(&digest)?)?;
        (kept.key.state == ApiKeyState::Active).then_some(&kept.key)
    }

    /// Lets a key be as a fact of record `seq` says.
    pub(crate) fn apply(&mut self, seq: Seq, key: &ApiKey) -> Result<(), ReplayError> {
        let refused = |what: &str| Err(ReplayError(what.to_owned()));
        let known = self.keys.get(&key.id).map(|kept| &kept.key);
        if key.version != known.map_or(1, |known| known.version.saturating_add(1)) {
            return refused("an api key does not follow its last version");
        }
        if self.by_digest.get(&key.secret.digest).is_some_and(|owner| *owner != key.id) {
            return refused("two api keys have one secret");
        }
        match known.map(|known| known.secret.digest) {
            None => self.names.insert(&key.name, key.id),
            Some(before) => {
                self.by_digest.remove(&before);
            }
        }
        self.by_digest.insert(key.secret.digest, key.id);
        self.keys.insert(key.id, Kept { key: key.clone(), since: seq });
        Ok(())
    }
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewApiKey,
    secret: IssuedSecret,
) -> Result<ApiKey, Problem> {
    text::check_name(&new.name, "name")?;
    require(state.api_keys.keys.len() < limits::API_KEYS, || limit("api keys", limits::API_KEYS))?;
    let account = new.account.as_deref().map(|account| state.find_account(account)).transpose()?;
    require(account.is_some() == new.role.is_of_account(), || {
        if new.role.is_of_account() {
            invalid("a key of this role is for one account and those below it", "name the account")
        } else {
            invalid(
                "a key of this role is not for one account",
                "leave the account out, or choose another role",
            )
        }
    })?;
    Ok(ApiKey {
        id: ApiKeyId::new(at, &entropy.draw()),
        name: new.name.clone(),
        role: new.role,
        account,
        version: 1,
        state: ApiKeyState::Active,
        secret,
    })
}

/// The key with another secret; the old one opens nothing any more.
pub(crate) fn rotate(
    state: &State,
    key: &str,
    version: Option<u32>,
    secret: IssuedSecret,
) -> Result<(Seq, ApiKey), Problem> {
    changed(state, key, version, |key| ApiKey { secret, ..key })
}

/// The key, closed for ever.
pub(crate) fn disable(state: &State, key: &str, version: Option<u32>) -> Result<(Seq, ApiKey), Problem> {
    changed(state, key, version, |key| ApiKey { state: ApiKeyState::Disabled, ..key })
}

fn changed(
    state: &State,
    key: &str,
    version: Option<u32>,
    change: impl FnOnce(ApiKey) -> ApiKey,
) -> Result<(Seq, ApiKey), Problem> {
    let (known, since) = state.api_keys.find(key)?;
    require(version.is_none_or(|version| version == known.version), || {
        let detail = format!("api key {} is at version {}", known.id, known.version);
        Problem::new(Code::PreconditionFailed, detail, "read it again, then decide")
            .with("version", known.version)
    })?;
    require(known.state == ApiKeyState::Active, || {
        Problem::new(Code::Conflict, format!("api key {} is disabled", known.id), "create another one")
    })?;
    Ok((since, ApiKey { version: known.version.saturating_add(1), ..change(known.clone()) }))
}
