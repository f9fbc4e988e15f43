//! Opening a bundle: everything in it verified and pinned together, or nothing of it accepted.

use crate::artefact::{
    Allocation, Artefact, Bundle, Grant, Head, Kind, Manifest, NodeCertificate, Pool, TimeStatement,
};
use crate::bytes::Digest;
use crate::canonical::{self, CodecError};
use crate::code::Code;
use crate::envelope::{Envelope, Verified, VerifyError, digest_of, verify};
use crate::ids::PoolId;
use crate::limits;
use crate::proof::check_certificate;
use crate::trust_root::{RootError, TrustRoot};

/// A bundle whose every item verified and fits the others.
#[derive(Clone, Debug)]
pub struct OpenedBundle {
    /// The bundle itself.
    pub bundle: Verified<Bundle>,
    /// The newest root.
    pub root: TrustRoot,
    /// What is current.
    pub head: Verified<Head>,
    /// The account's grants and pools.
    pub manifest: Verified<Manifest>,
    /// Every grant of the manifest.
    pub grants: Vec<Verified<Grant>>,
    /// Every pool of the manifest.
    pub pools: Vec<Verified<Pool>>,
    /// Who the node is.
    pub certificate: Verified<NodeCertificate>,
    /// The node's rows.
    pub allocations: Vec<Verified<Allocation>>,
    /// Bounds of true time, if the request asked.
    pub time: Option<Verified<TimeStatement>>,
}

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The file itself.
    #[error("the bundle is refused: {0}")]
    Verify(#[from] VerifyError),
    /// Its payload is not canonical.
    #[error("the bundle is malformed: {0}")]
    Payload(#[from] CodecError),
    /// Its roots do not follow ours.
    #[error("the bundle is refused: {0}")]
    Root(RootError),
    /// Another vendor's, or another mode.
    #[error("the bundle is of another vendor or mode")]
    WrongRealm,
    /// An item does not verify.
    #[error("the bundle's {kind} is refused: {error}")]
    Item {
        /// What it is.
        kind: Kind,
        /// Why.
        error: VerifyError,
    },
    /// Items are missing, too many, or do not fit together.
    #[error("the bundle does not fit together: {0}")]
    Inconsistent(&'static str),
}

impl BundleError {
    /// The registry's code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Verify(error) => error.code(),
            Self::Payload(_) => Code::Malformed,
            Self::WrongRealm => Code::BundleWrongRealm,
            Self::Root(_) | Self::Item { .. } | Self::Inconsistent(_) => Code::BadSignature,
        }
    }
}

/// Verifies a bundle from `root` on (SPEC BND). Whether it is for this node, and newer, is the caller's to ask.
pub fn open_bundle(root: &TrustRoot, bytes: &[u8]) -> Result<OpenedBundle, BundleError> {
    let claimed = peek(bytes)?;
    let newest = root.follow(claimed.items_of(Kind::Root)).map_err(|error| match error {
        RootError::WrongRealm => BundleError::WrongRealm,
        other => BundleError::Root(other),
    })?;
    let bundle: Verified<Bundle> = verify(bytes, &newest.ring(Kind::Bundle))?;
    let opened = OpenedBundle {
        head: one(&bundle, &newest)?.ok_or(BundleError::Inconsistent("it has no head"))?,
        manifest: one(&bundle, &newest)?.ok_or(BundleError::Inconsistent("it has no manifest"))?,
        grants: all(&bundle, &newest)?,
        pools: all(&bundle, &newest)?,
        certificate: one(&bundle, &newest)?.ok_or(BundleError::Inconsistent("it has no node certificate"))?,
        allocations: all(&bundle, &newest)?,
        time: one(&bundle, &newest)?,
        root: newest,
        bundle,
    };
    opened.check().map_err(BundleError::Inconsistent)?;
    Ok(opened)
}

impl OpenedBundle {
    /// The pool version of a digest.
    pub fn pool(&self, digest: Digest) -> Option<&Verified<Pool>> {
        self.pools.iter().find(|pool| pool.digest() == digest)
    }

    /// The grant version of a digest.
    pub fn grant(&self, digest: Digest) -> Option<&Verified<Grant>> {
        self.grants.iter().find(|grant| grant.digest() == digest)
    }

    fn check(&self) -> Result<(), &'static str> {
        let known = [
            Kind::Root,
            Kind::Head,
            Kind::Manifest,
            Kind::Grant,
            Kind::Pool,
            Kind::NodeCertificate,
            Kind::Allocation,
            Kind::TimeStatement,
        ];
        let only_known = self.bundle.items.iter().all(|item| known.iter().any(|k| k.number() == item.kind));
        require(only_known, "it holds an item that does not belong into a bundle")?;
        require(self.ends_its_roots_with_the_newest(), "it does not hold the newest root")?;
        self.check_head()?;
        self.check_manifest()?;
        self.check_node()?;
        self.allocations.iter().try_for_each(|row| self.check_row(row))
    }

    /// Roots that a verifier has are skipped unverified, so the newest one is told by its digest.
    fn ends_its_roots_with_the_newest(&self) -> bool {
        let last = self.bundle.items_of(Kind::Root).last().map(Envelope::parse);
        let digest = |root: Envelope<'_>| digest_of(Kind::Root, &self.root.realm(), root.payload);
        last.is_some_and(|root| root.is_ok_and(|root| digest(root) == self.root.root().digest()))
    }

    fn check_head(&self) -> Result<(), &'static str> {
        let account = self.bundle.account;
        require(self.head.account == account, "its head is another account's")?;
        require(self.head.root_version == self.root.root().version, "its head names another root")?;
        require(
            self.head.status_generation == self.root.root().status_generation,
            "its head is of another status",
        )?;
        require(self.head.manifest == self.manifest.digest(), "its head names another manifest")?;
        require(self.manifest.account == account, "its manifest is another account's")?;
        require(self.head.revocations.is_none(), "its head names a list that this version cannot read")?;
        let revoked = |grant: &Verified<Grant>| {
            grant.generation < self.head.min_grant_generation
                || self.head.revokes(Kind::Grant, grant.issue.serial)
        };
        require(!self.grants.iter().any(revoked), "it holds a grant that its head revokes")?;
        let revoked = |pool: &Verified<Pool>| self.head.revokes(Kind::Pool, pool.issue.serial);
        require(!self.pools.iter().any(revoked), "it holds a pool that its head revokes")?;
        require(
            self.head.min_node_version <= limits::READER_VERSION,
            "its head asks for a newer version of the node",
        )
    }

    /// Grants and pools are exactly the set the manifest names.
    fn check_manifest(&self) -> Result<(), &'static str> {
        let named = |kind: Kind, id, serial, digest| {
            self.manifest
                .entry(kind, id)
                .is_some_and(|entry| entry.serial == serial && entry.digest == digest)
        };
        for grant in &self.grants {
            let issue = grant.issue;
            require(
                named(Kind::Grant, issue.id.0, issue.serial, grant.digest()),
                "its manifest lacks a grant it holds",
            )?;
            require(grant.account == self.bundle.account, "it holds another account's grant")?;
        }
        for pool in &self.pools {
            let issue = pool.issue;
            require(
                named(Kind::Pool, issue.id.0, issue.serial, pool.digest()),
                "its manifest lacks a pool it holds",
            )?;
            require(pool.account == self.bundle.account, "it holds another account's pool")?;
            let grant = self.grant(pool.grant_digest).ok_or("it lacks the grant of a pool")?;
            require(grant.issue.id == pool.grant, "it holds a pool of another grant")?;
        }
        let entries = self.grants.len().saturating_add(self.pools.len());
        require(entries == self.manifest.entries.len(), "its manifest names what it does not hold")
    }

    fn check_node(&self) -> Result<(), &'static str> {
        let Bundle { account, node, generation, .. } = *self.bundle;
        require(self.certificate.node == node, "its certificate is another node's")?;
        require(self.certificate.account == account, "its certificate is another account's")?;
        require(self.certificate.generation == generation, "its certificate is of another generation")?;
        let time = self.time.as_ref().is_none_or(|time| time.node == node && time.account == account);
        require(time, "its time statement is another node's")
    }

    fn check_row(&self, row: &Verified<Allocation>) -> Result<(), &'static str> {
        require(row.node == self.bundle.node, "it holds another node's allocation")?;
        require(row.account == self.bundle.account, "it holds another account's allocation")?;
        require(row.sign_key == self.certificate.sign_key.id(), "it holds an allocation for another key")?;
        require(row.generation == self.bundle.generation, "it holds an allocation of another generation")?;
        check_certificate(&self.certificate, row)?;
        let pool = self.pool(row.pool_digest).ok_or("it lacks the pool of an allocation")?;
        require(pool.issue.id == row.pool, "it holds an allocation of another pool")?;
        let same_pool =
            |other: &&Verified<Allocation>| other.pool == row.pool && other.issue.id != row.issue.id;
        let apart =
            self.allocations.iter().filter(same_pool).all(|other| !other.slots.intersects(&row.slots));
        require(apart, "two of its allocations share a slot")?;
        let twice = self.allocations.iter().filter(|other| other.issue.id == row.issue.id).count() > 1;
        require(!twice, "it holds an allocation twice")?;
        let within = match (pool.slot_count(), row.slots.ranges().last()) {
            (Some(count), Some(last)) => last.end() <= count,
            (_, None) => true,
            (None, Some(_)) => false,
        };
        require(within, "it holds an allocation of slots that its pool has not")
    }

    /// The rows of one pool.
    pub fn rows_of(&self, pool: PoolId) -> impl Iterator<Item = &Verified<Allocation>> {
        self.allocations.iter().filter(move |row| row.pool == pool)
    }
}

/// What a bundle claims before it is verified: its roots, which verify themselves, lead to the keys that verify it.
fn peek(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let envelope = Envelope::parse(bytes).map_err(VerifyError::from)?;
    if envelope.kind != Kind::Bundle {
        return Err(VerifyError::WrongKind { expected: Kind::Bundle, found: envelope.kind }.into());
    }
    Ok(canonical::decode(envelope.payload)?)
}

fn all<T: Artefact>(bundle: &Bundle, root: &TrustRoot) -> Result<Vec<Verified<T>>, BundleError> {
    let ring = root.ring(T::KIND);
    let open = |bytes| verify(bytes, &ring).map_err(|error| BundleError::Item { kind: T::KIND, error });
    bundle.items_of(T::KIND).map(open).collect()
}

fn one<T: Artefact>(bundle: &Bundle, root: &TrustRoot) -> Result<Option<Verified<T>>, BundleError> {
    let mut items = all(bundle, root)?;
    match items.len() {
        0 | 1 => Ok(items.pop()),
        _ => Err(BundleError::Inconsistent("it holds two of what there is one of")),
    }
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}
