//! Type 1: the trust root.

use serde::{Deserialize, Serialize};

use super::{
    Artefact, Caps, Extensions, Issue, Kind, Malformed, Role, check_name, check_set, check_set_by, ensure,
};
use crate::envelope::{Mode, RealmId};
use crate::ids::RootId;
use crate::keys::{KeyId, PublicKey, PublicKeyBytes};
use crate::limits;
use crate::time::UnixMs;

/// Keys, roles and caps of a vendor; signed by the ROOT keys of this version and of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Identity and time.
    pub issue: Issue<RootId>,
    /// 1, 2, 3, …: versions are accepted one step at a time.
    pub version: u32,
    /// The realm that every message of this vendor names.
    pub realm: RealmId,
    /// A label for people.
    pub realm_name: String,
    /// Live or sandbox.
    pub mode: Mode,
    /// From then on people are warned; nothing is denied for it.
    pub not_after: UnixMs,
    /// Ascending by role.
    pub roles: Vec<RoleKeys>,
    /// Ascending by public key.
    pub keys: Vec<RootKey>,
    /// TLS keys of the issuer's service (Ed25519), ascending.
    pub issuer_tls_keys: Vec<PublicKeyBytes>,
    /// Ascending by key id.
    pub cutoffs: Vec<Cutoff>,
    /// Raised to make nodes drop stored versions of heads and revocations.
    pub status_generation: u32,
    /// New floor for nodes whose floor was lifted wrongly.
    pub floor_reset: Option<UnixMs>,
    /// Of the transparency log.
    pub log_policy: LogPolicy,
    /// Later fields.
    pub ext: Extensions,
}

/// The keys of one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Which role.
    pub role: Role,
    /// How many distinct keys must sign.
    pub threshold: u8,
    /// Ascending; each must be in `keys`.
    pub keys: Vec<KeyId>,
}

/// One key of a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKey {
    /// Ed25519.
    pub public_key: PublicKeyBytes,
    /// First instant of issue it is good for.
    pub not_before: UnixMs,
    /// Last instant of issue it is good for.
    pub not_after: UnixMs,
    /// Where it is in its life.
    pub state: KeyState,
    /// What it may sign.
    pub caps: Caps,
}

/// Life of a key. Only `Active` and `Retired` keys verify: a retired one what it signed within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published before first use.
    Prepared,
    /// Signs.
    Active,
    /// Signs no more.
    Retired,
}

/// What a stolen key signed stays valid only below an index of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// The key.
    pub key_id: KeyId,
    /// First index at which its artefacts are void.
    pub log_index: u64,
}

/// What proofs of the transparency log must show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// Name of the log; empty = none yet.
    pub origin: String,
    /// How many witnesses must have signed a checkpoint.
    pub witness_quorum: u8,
    /// Keys of the witnesses, ascending.
    pub witnesses: Vec<PublicKeyBytes>,
}

impl Root {
    /// The key that `id` names.
    pub fn key(&self, id: KeyId) -> Option<&RootKey> {
        self.keys.iter().find(|key| key.public_key.id() == id)
    }

    /// The keys of `role`.
    pub fn role(&self, role: Role) -> Option<&RoleKeys> {
        self.roles.iter().find(|entry| entry.role == role)
    }
}

impl Artefact for Root {
    const KIND: Kind = Kind::Root;

    fn issued_at(&self) -> UnixMs {
        self.issue.issued_at
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.version > 0, "version", "must not be 0")?;
        check_name(&self.realm_name, "realm_name")?;
        check_set_by(&self.roles, limits::ROOT_ROLES, "roles", |r| &r.role)?;
        check_set_by(&self.keys, limits::ROOT_KEYS, "keys", |k| &k.public_key)?;
        for key in &self.keys {
            ensure(
                PublicKey::admit(key.public_key).is_ok(),
                "keys",
                "holds a key that is weak or not canonical",
            )?;
            ensure(key.not_before <= key.not_after, "keys", "holds a key that ends before it begins")?;
            key.caps.check()?;
        }
        for entry in &self.roles {
            check_set(&entry.keys, limits::ROOT_KEYS, "roles.keys")?;
            ensure(
                entry.keys.iter().all(|&id| self.key(id).is_some()),
                "roles.keys",
                "names a key that is missing",
            )?;
            let enough = entry.threshold > 0 && usize::from(entry.threshold) <= entry.keys.len();
            ensure(enough, "roles.threshold", "must be between 1 and the number of keys")?;
        }
        ensure(self.role(Role::Root).is_some(), "roles", "must hold the role root")?;
        check_keys(&self.issuer_tls_keys, limits::TLS_KEYS, "issuer_tls_keys")?;
        check_set_by(&self.cutoffs, limits::ROOT_CUTOFFS, "cutoffs", |c| &c.key_id)?;
        ensure(self.log_policy.origin.len() <= limits::NAME_BYTES, "log_policy.origin", "is too long")?;
        check_keys(&self.log_policy.witnesses, limits::SHORT_LIST, "log_policy.witnesses")?;
        self.ext.check()
    }
}

/// A set of keys, each fit to enter a root.
fn check_keys(keys: &[PublicKeyBytes], max: usize, field: &'static str) -> Result<(), Malformed> {
    check_set(keys, max, field)?;
    ensure(
        keys.iter().all(|&key| PublicKey::admit(key).is_ok()),
        field,
        "holds a key that is weak or not canonical",
    )
}
