//! The one verify function.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use super::wire::{Envelope, EnvelopeError, SignatureEntry, digest_of};
use super::{Realm, alg, batch};
use crate::artefact::{Artefact, Caps, CapsExceeded, Kind, Malformed, Role};
use crate::bytes::Digest;
use crate::canonical::{self, CodecError};
use crate::code::Code;
use crate::keys::{KeyId, PublicKey};
use crate::time::UnixMs;

/// A value whose envelope verified. It can be made by [`verify`] only, and keeps the bytes that were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    digest: Digest,
    envelope: Arc<[u8]>,
    roles: Vec<Role>,
}

impl<T> Verified<T> {
    /// The artefact's id, independent of its signatures.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The envelope, byte for byte as it was verified.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// The roles of which enough keys signed it, each key counted for one role: ascending.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A key that may sign, and within which bounds.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The key.
    pub key: PublicKey,
    /// The role by which it signs; a node's or request's own key has none.
    pub role: Option<Role>,
    /// First instant of issue it is good for.
    pub not_before: UnixMs,
    /// Last instant of issue it is good for.
    pub not_after: UnixMs,
    /// Bounds of what it may sign; `None` = no bound.
    pub caps: Option<Caps>,
}

/// The keys that may sign one kind of artefact, and how many must.
#[derive(Clone, Debug)]
pub struct KeyRing {
    realm: Realm,
    candidates: BTreeMap<KeyId, Candidate>,
    threshold: usize,
    approvals: usize,
    /// Keys of other roles, which may second an artefact, and how many of a role speak for it.
    seconders: BTreeMap<KeyId, Candidate>,
    seconds: BTreeMap<Role, usize>,
}

impl KeyRing {
    /// A ring in which `threshold` distinct keys must sign; those of role `approve` count apart, against `approvals`.
    pub fn new(realm: Realm, threshold: usize, approvals: usize, candidates: Vec<Candidate>) -> Self {
        let candidates = candidates.into_iter().map(|c| (c.key.id(), c)).collect();
        Self {
            realm,
            candidates,
            threshold: threshold.max(1),
            approvals: approvals.max(1),
            seconders: BTreeMap::new(),
            seconds: BTreeMap::new(),
        }
    }

    /// Lets keys of another role sign, too: so many of them speak for the role. A key that is in the ring already
    /// counts as what it is there, so that nobody seconds himself.
    pub(crate) fn seconded_by(&mut self, role: Role, threshold: usize, keys: Vec<Candidate>) {
        self.seconds.insert(role, threshold.max(1));
        for key in keys {
            let id = key.key.id();
            if !self.candidates.contains_key(&id) {
                self.seconders.entry(id).or_insert(key);
            }
        }
    }

    fn key(&self, id: KeyId) -> Option<&Candidate> {
        self.candidates.get(&id).or_else(|| self.seconders.get(&id))
    }

    /// The roles that so many of their keys signed for.
    fn roles_of(&self, signers: &Signers<'_>) -> Vec<Role> {
        let mut counts: BTreeMap<Role, usize> = BTreeMap::new();
        for role in signers.values().filter_map(|signer| signer.role) {
            let count = counts.entry(role).or_default();
            *count = count.saturating_add(1);
        }
        let needed = |role: &Role| match self.seconds.get(role) {
            Some(&needed) => needed,
            None if *role == Role::Approve => self.approvals,
            None => self.threshold,
        };
        counts.into_iter().filter(|(role, count)| needed(role) <= *count).map(|(role, _)| role).collect()
    }

    /// A ring of the one key `key`, without bounds.
    pub fn of_one(realm: Realm, key: PublicKey) -> Self {
        let (not_before, not_after) = (UnixMs::MIN, UnixMs::MAX);
        Self::new(realm, 1, 1, vec![Candidate { key, role: None, not_before, not_after, caps: None }])
    }
}

/// Why bytes did not become a [`Verified`] value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not an envelope.
    #[error("the artefact is malformed: {0}")]
    Envelope(#[from] EnvelopeError),
    /// An envelope of something else.
    #[error("it is a {found} where a {expected} belongs")]
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
    /// Signed by a key that may not sign this kind.
    #[error("it is signed by key {0}, which may not sign it here")]
    UnknownKey(KeyId),
    /// A signature does not verify.
    #[error("the signature by key {0} does not verify")]
    BadSignature(KeyId),
    /// One key signed twice.
    #[error("key {0} signed more than once")]
    DuplicateSigner(KeyId),
    /// Too few distinct keys signed.
    #[error("{found} of the {needed} signatures it needs verify")]
    Threshold {
        /// Distinct keys that signed.
        found: usize,
        /// Distinct keys that must.
        needed: usize,
    },
    /// The payload is not canonical.
    #[error("the payload is malformed: {0}")]
    Payload(#[from] CodecError),
    /// The payload breaks a rule of its type.
    #[error("the payload is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Issued outside the signing key's window.
    #[error("it was issued outside the time for which key {0} may sign")]
    KeyWindow(KeyId),
    /// Beyond what the signing key may sign.
    #[error("it goes beyond what its signing key may sign: {0}")]
    Caps(#[from] CapsExceeded),
}

impl VerifyError {
    /// The registry's code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Envelope(_) | Self::WrongKind { .. } | Self::Payload(_) | Self::Malformed(_) => {
                Code::Malformed
            }
            Self::UnknownKey(_)
            | Self::BadSignature(_)
            | Self::DuplicateSigner(_)
            | Self::Threshold { .. }
            | Self::KeyWindow(_)
            | Self::Caps(_) => Code::BadSignature,
        }
    }
}

/// Verifies an envelope in the order of SPEC VER-1: size, keys, signatures over the received bytes, threshold, parse,
/// re-encode, semantic checks, key windows, caps.
pub fn verify<T: Artefact>(bytes: &[u8], ring: &KeyRing) -> Result<Verified<T>, VerifyError> {
    let envelope = Envelope::parse(bytes)?;
    if envelope.kind != T::KIND {
        return Err(VerifyError::WrongKind { expected: T::KIND, found: envelope.kind });
    }
    let signers = check_signatures(&envelope, ring)?;
    let value: T = canonical::decode(envelope.payload)?;
    value.check()?;
    for (id, signer) in &signers {
        let issued_at = value.issued_at();
        if issued_at < signer.not_before || signer.not_after < issued_at {
            return Err(VerifyError::KeyWindow(*id));
        }
    }
    check_caps(&value, ring, &signers)?;
    let digest = digest_of(T::KIND, &ring.realm, envelope.payload);
    Ok(Verified { value, digest, envelope: bytes.into(), roles: ring.roles_of(&signers) })
}

type Signers<'r> = BTreeMap<KeyId, &'r Candidate>;

/// Outside a root every signature must verify under a known key: no bit of an artefact is free. A root is signed by
/// the keys of two versions, of which each ring knows only its own.
fn check_signatures<'r>(envelope: &Envelope<'_>, ring: &'r KeyRing) -> Result<Signers<'r>, VerifyError> {
    let lenient = envelope.kind == Kind::Root;
    let mut seen = BTreeSet::new();
    let mut signers = Signers::new();
    for entry in &envelope.signatures {
        let id = entry.key_id();
        if !seen.insert(id) {
            return Err(VerifyError::DuplicateSigner(id));
        }
        match ring.key(id) {
            None if !lenient => return Err(VerifyError::UnknownKey(id)),
            Some(candidate) if verifies(envelope, entry, candidate, &ring.realm) => {
                signers.insert(id, candidate);
            }
            Some(_) if !lenient => return Err(VerifyError::BadSignature(id)),
            None | Some(_) => {}
        }
    }
    let counts = |id: &KeyId, signer: &Candidate| {
        ring.candidates.contains_key(id) && signer.role != Some(Role::Approve)
    };
    let found = signers.iter().filter(|&(id, signer)| counts(id, signer)).count();
    if found < ring.threshold {
        return Err(VerifyError::Threshold { found, needed: ring.threshold });
    }
    Ok(signers)
}

fn verifies(envelope: &Envelope<'_>, entry: &SignatureEntry, candidate: &Candidate, realm: &Realm) -> bool {
    match entry {
        SignatureEntry::Ed25519 { signature, .. } => {
            candidate.key.verifies(&envelope.message(alg::ED25519, realm, b""), signature)
        }
        SignatureEntry::Batch(place) => batch::signed_message(realm, envelope.payload, place)
            .is_some_and(|message| candidate.key.verifies(&message, &place.signature)),
    }
}

/// Every signer keeps its own caps; what exceeds those of `grant` needs enough `approve` signers within theirs.
/// A log proof that is owed is no bound to be exceeded: nobody's approval replaces it.
fn check_caps<T: Artefact>(value: &T, ring: &KeyRing, signers: &Signers<'_>) -> Result<(), VerifyError> {
    let demand = value.demand();
    let within = |candidate: &Candidate| match &candidate.caps {
        Some(caps) => caps.allow(T::KIND, &demand),
        None => Ok(()),
    };
    let (approvers, others): (Vec<&Candidate>, Vec<&Candidate>) =
        signers.values().copied().partition(|candidate| candidate.role == Some(Role::Approve));
    for approver in &approvers {
        within(approver)?;
    }
    let exceeded = others.iter().find_map(|candidate| within(candidate).err());
    let unlogged =
        others.iter().any(|candidate| candidate.caps.as_ref().is_some_and(|caps| caps.must_be_logged));
    match exceeded {
        Some(exceeded) if approvers.len() < ring.approvals => Err(exceeded.into()),
        Some(_) if unlogged => Err(CapsExceeded::Logged.into()),
        _ => Ok(()),
    }
}
