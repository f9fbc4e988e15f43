//! The vendor's trust root: planned here, signed by the shell, recorded as the first fact.

use leasehold_protocol::artefact::{
    Caps, Extensions, Issue, KeyState, LogPolicy, Role, RoleKeys, Root, RootKey,
};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::{Mode, RealmId};
use leasehold_protocol::ids::RootId;
use leasehold_protocol::keys::PublicKey;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::text;

/// What a first root is made of.
#[derive(Clone, Debug)]
pub struct RootPlan {
    /// The realm.
    pub realm: RealmId,
    /// A label for people.
    pub realm_name: String,
    /// Live or sandbox.
    pub mode: Mode,
    /// Signs roots.
    pub root_key: PublicKey,
    /// Holds all other roles.
    pub online_key: PublicKey,
    /// Of the issuer's service.
    pub tls_key: PublicKey,
}

/// The first fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialised {
    /// The issuer's generation: the high bits of all serials.
    pub generation: u32,
    /// Envelope of the first root.
    pub root: Bytes,
}

/// The generation of an issuer that never lost its journal.
pub(crate) const FIRST_GENERATION: u32 = 1;

impl RootPlan {
    pub(crate) fn root(&self, at: UnixMs, entropy: &mut Entropy) -> Result<Root, Problem> {
        text::check_name(&self.realm_name, "realm name")?;
        let online = [Role::Grant, Role::Approve, Role::Alloc, Role::Status, Role::Enrol, Role::Log];
        let role = |role, key: PublicKey| RoleKeys { role, threshold: 1, keys: vec![key.id()] };
        let mut roles = vec![role(Role::Root, self.root_key)];
        roles.extend(online.map(|name| role(name, self.online_key)));
        let mut keys = [self.root_key, self.online_key].map(|key| RootKey {
            public_key: key.bytes(),
            not_before: at,
            not_after: at.plus(limits::ROOT_MS),
            state: KeyState::Active,
            caps: Caps::default(),
        });
        keys.sort_by_key(|key| key.public_key);
        Ok(Root {
            issue: Issue { id: RootId::new(at, &entropy.draw()), serial: 1, issued_at: at },
            version: 1,
            realm: self.realm,
            realm_name: self.realm_name.clone(),
            mode: self.mode,
            not_after: at.plus(limits::ROOT_MS),
            roles,
            keys: keys.to_vec(),
            issuer_tls_keys: vec![self.tls_key.bytes()],
            cutoffs: Vec::new(),
            status_generation: 1,
            floor_reset: None,
            log_policy: LogPolicy::default(),
            ext: Extensions::NONE,
        })
    }
}
