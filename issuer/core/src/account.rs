//! Customers: a tree of accounts.

use std::collections::BTreeSet;

use leasehold_protocol::artefact::Head;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AccountId, GrantId, HeadId, ManifestId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::recover::Frozen;
use crate::refusal::{limit, require};
use crate::state::State;
use crate::text;

/// A wish for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// The account above it, by id or name.
    pub parent: Option<String>,
    /// Where its data belongs.
    pub region: Option<String>,
    /// IANA time zone in which its dates are meant.
    pub timezone: Option<String>,
    /// What other systems call it.
    pub external: Vec<ExternalId>,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account.
    #[serde(rename = "account_id")]
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// The account above it.
    pub parent: Option<AccountId>,
    /// Where its data belongs.
    pub region: Option<String>,
    /// IANA time zone in which its dates are meant.
    pub timezone: Option<String>,
    /// What other systems call it, ascending.
    pub external: Vec<ExternalId>,
    /// Id of all its heads.
    pub head: HeadId,
    /// Id of all its manifests.
    pub manifest: ManifestId,
}

impl Account {
    /// Whether people or another system call it `text`.
    pub fn is_called(&self, text: &str) -> bool {
        self.names().any(|name| name == text)
    }

    /// What stands for it: its name, and what other systems call it, with and without the system.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let external =
            self.external.iter().flat_map(|ExternalId { system, id }| [format!("{system}:{id}"), id.clone()]);
        std::iter::once(self.name.clone()).chain(external)
    }
}

/// What another system calls an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExternalId {
    /// Which system.
    pub system: String,
    /// Its id there.
    pub id: String,
}

/// An account and what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountState {
    pub(crate) account: Account,
    pub(crate) grants: BTreeSet<GrantId>,
    pub(crate) nodes: BTreeSet<NodeId>,
    pub(crate) counters: Counters,
    /// When the set of its grants and pools last changed, by which its manifest is issued.
    pub(crate) manifest_at: UnixMs,
    /// The head that online nodes poll, and its record.
    pub(crate) standing: Option<(Head, Seq)>,
    /// Something that concerns its nodes changed since the standing head was issued.
    pub(crate) changed: bool,
    /// Why it gives nothing: the issuer was restored.
    pub(crate) frozen: Option<Frozen>,
}

impl AccountState {
    /// An account that has nothing yet.
    pub(crate) fn new(at: UnixMs, account: Account) -> Self {
        Self {
            account,
            grants: BTreeSet::new(),
            nodes: BTreeSet::new(),
            counters: Counters { manifest: 1, ..Counters::default() },
            manifest_at: at,
            standing: None,
            changed: true,
            frozen: None,
        }
    }
}

/// The last number of each class of artefacts; the high bits of serials are the issuer's generation.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counters {
    pub(crate) allocation: u64,
    pub(crate) bundle: u64,
    pub(crate) certificate: u64,
    pub(crate) grant: u64,
    pub(crate) head: u64,
    pub(crate) manifest: u64,
    pub(crate) pool: u64,
    pub(crate) time: u64,
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewAccount,
) -> Result<Account, Problem> {
    text::check_name(&new.name, "name")?;
    text::check_optional(new.region.as_deref(), leasehold_protocol::limits::NAME_BYTES, "region")?;
    text::check_optional(new.timezone.as_deref(), leasehold_protocol::limits::NAME_BYTES, "time zone")?;
    let parent = new.parent.as_deref().map(|parent| state.find_account(parent)).transpose()?;
    let depth = parent.map_or(1, |parent| state.depth_of(parent).saturating_add(1));
    require(depth <= limits::ACCOUNT_DEPTH, || limit("levels of accounts", limits::ACCOUNT_DEPTH))?;
    Ok(Account {
        id: AccountId::new(at, &entropy.draw()),
        name: new.name.clone(),
        parent,
        region: new.region.clone(),
        timezone: new.timezone.clone(),
        external: check_external(state, &new.external)?,
        head: HeadId::new(at, &entropy.draw()),
        manifest: ManifestId::new(at, &entropy.draw()),
    })
}

fn check_external(state: &State, external: &[ExternalId]) -> Result<Vec<ExternalId>, Problem> {
    require(external.len() <= limits::EXTERNAL_IDS, || limit("external ids", limits::EXTERNAL_IDS))?;
    for ExternalId { system, id } in external {
        text::check_name(system, "external system")?;
        text::check_name(id, "external id")?;
    }
    let mut sorted = external.to_vec();
    sorted.sort();
    sorted.dedup();
    match sorted.iter().find(|id| state.external.contains_key(id)) {
        None => Ok(sorted),
        Some(ExternalId { system, id }) => Err(Problem::new(
            Code::AlreadyExists,
            // Whose it is is not for everybody who may ask.
            format!("another account has the external id {system}:{id} already"),
            "give this one an id of its own",
        )),
    }
}
