//! The trust root a verifier stands on, and its one-step advance to the next version.

use std::collections::BTreeMap;

use crate::artefact::{Caps, KeyState, Kind, Role, Root, RootKey};
use crate::canonical::{self, CodecError};
use crate::code::Code;
use crate::envelope::{Candidate, Envelope, KeyRing, Realm, Verified, VerifyError, verify};
use crate::keys::{KeyId, PublicKey};
use crate::time::UnixMs;

/// A verified root: what a verifier trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    root: Verified<Root>,
    keys: Keys,
}

/// The keys of a root, admitted: that takes as long as a signature's check, so it is done once.
type Keys = BTreeMap<KeyId, PublicKey>;

/// Why a root is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// It does not verify.
    #[error("the trust root does not verify: {0}")]
    Verify(#[from] VerifyError),
    /// Its payload is not canonical.
    #[error("the trust root is malformed: {0}")]
    Payload(#[from] CodecError),
    /// Another vendor's, or another mode.
    #[error("the trust root is of another realm or mode")]
    WrongRealm,
    /// Not the version after the one at hand.
    #[error("the trust root has version {found} where {expected} must follow")]
    NotNext {
        /// The only version accepted.
        expected: u32,
        /// Its version.
        found: u32,
    },
    /// Another root than the one at hand, of the same version.
    #[error("the trust root of version {0} is not the one that is trusted here")]
    OtherOfSameVersion(u32),
}

impl RootError {
    /// The registry's code: a malformed root is told from one that is not to be trusted.
    pub const fn code(&self) -> Code {
        match self {
            Self::Verify(error) => error.code(),
            Self::Payload(_) => Code::Malformed,
            Self::WrongRealm | Self::NotNext { .. } | Self::OtherOfSameVersion(_) => Code::BadSignature,
        }
    }
}

impl TrustRoot {
    /// Takes the root that was handed over out of band (compiled in, a file): it must verify under its own keys.
    pub fn pin(bytes: &[u8]) -> Result<Self, RootError> {
        let claimed = peek(bytes)?;
        let realm = Realm { id: claimed.realm, mode: claimed.mode };
        let keys = admitted(&claimed);
        let root = verify(bytes, &ring(&claimed, &keys, realm, Kind::Root))?;
        Ok(Self { root, keys })
    }

    /// The root after this one: signed by the threshold of this version and of its own (SPEC ROOT-3).
    pub fn advance(&self, bytes: &[u8]) -> Result<Self, RootError> {
        let next: Verified<Root> = match verify(bytes, &self.ring(Kind::Root)) {
            Ok(next) => next,
            Err(error) => {
                let foreign = peek(bytes).is_ok_and(|r| Realm { id: r.realm, mode: r.mode } != self.realm());
                return Err(if foreign { RootError::WrongRealm } else { error.into() });
            }
        };
        if (Realm { id: next.realm, mode: next.mode }) != self.realm() {
            return Err(RootError::WrongRealm);
        }
        let expected = self.root.version.saturating_add(1);
        if next.version != expected {
            return Err(RootError::NotNext { expected, found: next.version });
        }
        let keys = admitted(&next);
        let root = verify(bytes, &ring(&next, &keys, self.realm(), Kind::Root))?;
        Ok(Self { root, keys })
    }

    /// Follows a list of roots, ascending; those at or below this version are skipped.
    pub fn follow<'a>(&self, roots: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, RootError> {
        let mut newest = self.clone();
        for bytes in roots {
            // Its every bit has been verified.
            if bytes == newest.root.envelope() {
                continue;
            }
            let claimed = peek(bytes)?;
            if (Realm { id: claimed.realm, mode: claimed.mode }) != self.realm() {
                return Err(RootError::WrongRealm);
            }
            if claimed.version > newest.root.version {
                newest = newest.advance(bytes)?;
            } else {
                newest.recognise(&claimed, bytes)?;
            }
        }
        Ok(newest)
    }

    /// A root that is carried along although it is not needed must be whole all the same, and the version at hand
    /// must be this very root: no bit of a proof or bundle is free (SPEC ROOT-4).
    fn recognise(&self, claimed: &Root, bytes: &[u8]) -> Result<(), RootError> {
        let known: Verified<Root> =
            verify(bytes, &ring(claimed, &admitted(claimed), self.realm(), Kind::Root))?;
        if known.version == self.root.version && known.digest() != self.root.digest() {
            return Err(RootError::OtherOfSameVersion(known.version));
        }
        Ok(())
    }

    /// What this root says.
    pub const fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The realm and mode every artefact must be of.
    pub fn realm(&self) -> Realm {
        Realm { id: self.root.realm, mode: self.root.mode }
    }

    /// The keys that may sign artefacts of `kind`. Empty (nothing verifies) for kinds that nodes sign.
    pub fn ring(&self, kind: Kind) -> KeyRing {
        ring(&self.root, &self.keys, self.realm(), kind)
    }
}

/// What a root claims, before it is verified: to know which keys to verify it with.
fn peek(bytes: &[u8]) -> Result<Root, RootError> {
    let envelope = Envelope::parse(bytes).map_err(VerifyError::from)?;
    if envelope.kind != Kind::Root {
        return Err(VerifyError::WrongKind { expected: Kind::Root, found: envelope.kind }.into());
    }
    let root: Root = canonical::decode(envelope.payload)?;
    crate::artefact::Artefact::check(&root).map_err(VerifyError::from)?;
    Ok(root)
}

/// The keys of a root that was checked.
fn admitted(root: &Root) -> Keys {
    let keys = root.keys.iter().filter_map(|key| PublicKey::admit(key.public_key).ok());
    keys.map(|key| (key.id(), key)).collect()
}

fn ring(root: &Root, admitted: &Keys, realm: Realm, kind: Kind) -> KeyRing {
    let Some(role) = kind.role() else { return KeyRing::new(realm, usize::MAX, usize::MAX, Vec::new()) };
    let mut candidates = candidates(root, admitted, role);
    if kind == Kind::Grant || kind == Kind::Pool {
        let signing: Vec<_> = candidates.iter().map(|c| c.key.id()).collect();
        // A key that holds both roles counts as what it usually is; nobody approves himself.
        let approvers = self::candidates(root, admitted, Role::Approve);
        candidates.extend(approvers.into_iter().filter(|a| !signing.contains(&a.key.id())));
    }
    let threshold = |role| root.role(role).map_or(usize::MAX, |keys| usize::from(keys.threshold));
    let mut ring = KeyRing::new(realm, threshold(role), threshold(Role::Approve), candidates);
    if kind == Kind::TimeStatement {
        // What is far ahead of all that a node knows needs the word of more than one role (SPEC VER-10).
        for other in root.roles.iter().map(|keys| keys.role).filter(|&other| other != role) {
            ring.seconded_by(other, threshold(other), self::candidates(root, admitted, other));
        }
    }
    ring
}

fn candidates(root: &Root, admitted: &Keys, role: Role) -> Vec<Candidate> {
    let Some(entry) = root.role(role) else { return Vec::new() };
    // A retired key keeps what it signed in time; the next root it signs no more. What a key with a cutoff signed needs
    // a log proof, which this version cannot check: nothing of it is accepted.
    let signs = |key: &&RootKey| match key.state {
        KeyState::Prepared => false,
        KeyState::Active => true,
        KeyState::Retired => role != Role::Root,
    };
    let cut_off = |id| root.cutoffs.iter().any(|cutoff| cutoff.key_id == id);
    let keys = entry.keys.iter().filter(|&&id| !cut_off(id)).filter_map(|&id| root.key(id)).filter(signs);
    keys.filter_map(|key| {
        let public = *admitted.get(&key.public_key.id())?;
        let window = match role {
            // Root keys sign roots of any time: what replaces them is the next root, not a date.
            Role::Root => (UnixMs::MIN, UnixMs::MAX),
            _ => (key.not_before, key.not_after),
        };
        let caps = (key.caps != Caps::default()).then(|| key.caps.clone());
        Some(Candidate { key: public, role: Some(role), not_before: window.0, not_after: window.1, caps })
    })
    .collect()
}
