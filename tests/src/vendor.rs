//! A vendor with one key in every role, one account and one node, that signs whatever it is asked to. Two more keys,
//! of the roles `root` and `log`, second what somebody else has to vouch for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_protocol::artefact::{
    Allocation, AllocationKind, Answers, Artefact, BindingMatch, BorrowCaps, Bundle, Caps, Extensions, Grant,
    Head, Issue, Item, KeyState, Kind, LogPolicy, Manifest, ManifestEntry, NodeCaps, NodeCertificate,
    PolicyCeilings, Pool, Ratchet, Request, RevokedSerials, Role, RoleKeys, Root, RootKey,
    ScheduledRevocation, Seats, TimeStatement, TtlBounds,
};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::canonical;
use leasehold_protocol::envelope::{Mode, Realm, RealmId, Sealed, digest_of, seal};
use leasehold_protocol::ids::{
    AccountId, AllocationId, BundleId, CertificateId, GrantId, HeadId, ManifestId, NodeId, PoolId, ProductId,
    RootId, TimeStatementId,
};
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;

/// When the vendor began: 2027-01-15T08:00:00Z. What has no other time is of this moment.
pub const NOW: UnixMs = UnixMs(1_800_000_000_000);
/// A day.
pub const DAY_MS: i64 = 86_400_000;
/// The one customer.
pub const ACCOUNT: AccountId = AccountId([7; 16]);
/// The customer's one node, unless an offer names another.
pub const NODE: NodeId = NodeId([8; 16]);

/// Makes the key of nothing but `root`.
const ROOT_KEY: u8 = 241;
/// Makes the key of nothing but `log`.
const LOG_KEY: u8 = 242;

/// A vendor: a key and the root that trusts it.
pub struct Vendor {
    key: TestKey,
    realm: Realm,
    root: Sealed,
    /// Versions of rows signed so far, by number and seq: each names the one before.
    rows: Mutex<BTreeMap<(u8, u64), Digest>>,
}

/// What a bundle gives a node.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Orders the account's bundles; the head's version too.
    pub serial: u64,
    /// Which node.
    pub node: NodeId,
    /// The generation it is given.
    pub generation: u32,
    /// When head and bundle are issued.
    pub issued_at: UnixMs,
    /// Bounds of true time, if the bundle says any.
    pub time: Option<(UnixMs, UnixMs)>,
    /// What the statement of these says the floor is to be.
    pub floor_reset: Option<UnixMs>,
    /// The role whose own key signs it, too.
    pub seconded_by: Option<Role>,
    /// What a second root, which comes with the bundle, says the floor is to be.
    pub root_floor_reset: Option<UnixMs>,
    /// What the head says is revoked.
    pub revoked: Vec<RevokedSerials>,
    /// What it says will be.
    pub scheduled: Vec<ScheduledRevocation>,
    /// Least generation of grants.
    pub min_grant_generation: u32,
    /// Pools with their grants and rows.
    pub pools: Vec<PoolOffer>,
}

/// A pool, its grant, and the node's rows of it.
#[derive(Clone, Debug)]
pub struct PoolOffer {
    /// Makes the ids of pool and grant.
    pub number: u8,
    /// Of this version of grant and pool. Distinct, and higher for a later version.
    pub serial: u64,
    /// Product.
    pub sku: String,
    /// Ascending.
    pub features: Vec<String>,
    /// Seats sold.
    pub seats: Seats,
    /// Seats beyond those.
    pub overdraft: u32,
    /// Beginning of the grant.
    pub not_before: UnixMs,
    /// End of the grant.
    pub not_after: UnixMs,
    /// Grace after it.
    pub grace_ms: i64,
    /// Lives of leases.
    pub ttl: TtlBounds,
    /// How long seats that were given back wait for the same user and host.
    pub linger_ms: i64,
    /// The grant's bound of that.
    pub max_linger_ms: Option<i64>,
    /// A lease that was not used for so long is not renewed.
    pub idle_ms: Option<i64>,
    /// How long rows are served without a newer head.
    pub max_offline_ms: Option<i64>,
    /// It is not served without knowing the time.
    pub require_clock: bool,
    /// The node's rows.
    pub rows: Vec<RowOffer>,
}

/// An allocation.
#[derive(Clone, Debug)]
pub struct RowOffer {
    /// Makes its id.
    pub number: u8,
    /// Version.
    pub seq: u64,
    /// Base or elastic.
    pub kind: AllocationKind,
    /// Slots; none for an unlimited pool.
    pub slots: SlotSet,
    /// How many seats the vendor wants kept.
    pub shrink_to: Option<u32>,
    /// Releases up to this report are taken into account.
    pub acked_report_seq: u64,
    /// First instant.
    pub not_before: UnixMs,
    /// When the node should ask for the next version.
    pub renew_after: UnixMs,
    /// End.
    pub not_after: UnixMs,
    /// Running time for which it is served without an upper bound of time; makes the row `fixed`.
    pub suspect_budget_ms: Option<i64>,
}

impl Offer {
    /// These pools, in the bundle of that number, for the usual node, with certain time.
    pub fn new(serial: u64, pools: Vec<PoolOffer>) -> Self {
        let (revoked, scheduled) = (Vec::new(), Vec::new());
        let (issued_at, time) = (NOW, Some((NOW, NOW)));
        Self {
            serial,
            node: NODE,
            generation: 1,
            issued_at,
            time,
            floor_reset: None,
            seconded_by: None,
            root_floor_reset: None,
            revoked,
            scheduled,
            min_grant_generation: 0,
            pools,
        }
    }

    /// The same, with these versions of grants revoked.
    #[must_use]
    pub fn revoking(mut self, serials: impl IntoIterator<Item = u64>) -> Self {
        self.revoked = vec![RevokedSerials::new(Kind::Grant, serials)];
        self
    }
}

impl PoolOffer {
    /// `seats` of product `sku`, all on the node, for long.
    pub fn new(number: u8, sku: &str, seats: u32) -> Self {
        Self {
            number,
            serial: u64::from(number),
            sku: sku.to_owned(),
            features: Vec::new(),
            seats: Seats::Value(seats),
            overdraft: 0,
            not_before: NOW.plus(-DAY_MS),
            not_after: NOW.plus(365 * DAY_MS),
            grace_ms: 0,
            ttl: TtlBounds::default(),
            linger_ms: 0,
            max_linger_ms: None,
            idle_ms: None,
            max_offline_ms: None,
            require_clock: false,
            rows: vec![RowOffer::new(number, SlotSet::range(0, seats))],
        }
    }

    /// The pool's id.
    pub const fn id(&self) -> PoolId {
        PoolId([self.number; 16])
    }
}

impl RowOffer {
    /// A base row of these slots, for long.
    pub const fn new(number: u8, slots: SlotSet) -> Self {
        Self {
            number,
            seq: 1,
            kind: AllocationKind::Base,
            slots,
            shrink_to: None,
            acked_report_seq: 0,
            not_before: NOW.plus(-DAY_MS),
            renew_after: NOW.plus(300 * DAY_MS),
            not_after: NOW.plus(366 * DAY_MS),
            suspect_budget_ms: None,
        }
    }
}

impl Vendor {
    /// A vendor of its own realm and key for each number.
    pub fn new(number: u8) -> Self {
        let key = TestKey::new(number);
        let realm = Realm { id: RealmId([number; 16]), mode: Mode::Live };
        let root = sealed(realm, &root(&key, realm, 1, None), &[&key]);
        Self { key, realm, root, rows: Mutex::default() }
    }

    /// What it signs for.
    pub const fn realm(&self) -> Realm {
        self.realm
    }

    /// Envelope of the trust root.
    pub fn trust_root(&self) -> Vec<u8> {
        self.root.envelope.clone()
    }

    /// The number of the row of which this is a version.
    pub fn row_of(&self, digest: Digest) -> Option<u8> {
        let rows = self.rows.lock().expect("nobody panics while signing");
        rows.iter().find(|(_, known)| **known == digest).map(|((number, _), _)| *number)
    }

    /// The second root, which resets the floor.
    fn next_root(&self, floor: UnixMs) -> Sealed {
        sealed(self.realm, &root(&self.key, self.realm, 2, Some(floor)), &[&self.key])
    }

    /// The bundle that answers `request`.
    pub fn answer(&self, request: &Request, offer: &Offer) -> Vec<u8> {
        let grants: Vec<Sealed> = offer.pools.iter().map(|pool| self.seal(&grant(pool))).collect();
        let digests = grants.iter().map(|grant| grant.digest);
        let pools: Vec<Sealed> =
            offer.pools.iter().zip(digests).map(|(offer, grant)| self.seal(&pool(offer, grant))).collect();
        let manifest = self.seal(&manifest(offer, &grants, &pools));
        let head = self.seal(&head(offer, manifest.digest));
        let mut items = vec![(Kind::Root, self.root.clone()), (Kind::Head, head), (Kind::Manifest, manifest)];
        items.extend(grants.into_iter().map(|grant| (Kind::Grant, grant)));
        for (offered, pool) in offer.pools.iter().zip(&pools) {
            let row = |row| self.row(&allocation(request, offer, offered, pool.digest, row));
            items.extend(offered.rows.iter().map(|offered| (Kind::Allocation, row(offered))));
        }
        items.extend(pools.into_iter().map(|pool| (Kind::Pool, pool)));
        items.push((Kind::NodeCertificate, self.seal(&certificate(request, offer))));
        if let Some(bounds) = offer.time {
            let second = match offer.seconded_by {
                Some(Role::Root) => Some(TestKey::new(ROOT_KEY)),
                Some(_) => Some(TestKey::new(LOG_KEY)),
                None => None,
            };
            let signers: Vec<&TestKey> = [&self.key].into_iter().chain(&second).collect();
            items.push((Kind::TimeStatement, sealed(self.realm, &time(request, offer, bounds), &signers)));
        }
        items.extend(offer.root_floor_reset.map(|floor| (Kind::Root, self.next_root(floor))));
        items.sort_by_key(|(kind, _)| kind.number());
        self.seal(&self.bundle(request, offer, items)).envelope
    }

    fn bundle(&self, request: &Request, offer: &Offer, items: Vec<(Kind, Sealed)>) -> Bundle {
        let asked = digest_of(Kind::Request, &self.realm, &canonical::encode(request));
        let item =
            |(kind, sealed): (Kind, Sealed)| Item { kind: kind.number(), envelope: Bytes(sealed.envelope) };
        Bundle {
            issue: Issue { id: BundleId([9; 16]), serial: offer.serial, issued_at: offer.issued_at },
            account: ACCOUNT,
            node: offer.node,
            answers: Answers::Request(asked),
            generation: offer.generation,
            ratchet: Ratchet { counter: request.ratchet.counter.saturating_add(1), tip: Digest([0; 32]) },
            items: items.into_iter().map(item).collect(),
            ext: Extensions::NONE,
        }
    }

    /// Signs a row that names the version before, if there was one.
    fn row(&self, row: &Allocation) -> Sealed {
        let mut rows = self.rows.lock().expect("nobody panics while signing");
        let [number, ..] = row.issue.id.0;
        let prev = row.seq.checked_sub(1).and_then(|seq| rows.get(&(number, seq)));
        let sealed = self.seal(&Allocation { prev: prev.copied(), ..row.clone() });
        rows.insert((number, row.seq), sealed.digest);
        sealed
    }

    fn seal<T: Artefact>(&self, artefact: &T) -> Sealed {
        sealed(self.realm, artefact, &[&self.key])
    }
}

/// A key made from a number: no secret at all.
pub struct TestKey(SigningKey);

impl TestKey {
    /// The key of this number.
    pub fn new(number: u8) -> Self {
        Self(SigningKey::from_bytes(&[number; 32]))
    }
}

impl Signer for TestKey {
    fn public_key(&self) -> PublicKey {
        let bytes = PublicKeyBytes(self.0.verifying_key().to_bytes());
        PublicKey::admit(bytes).expect("a key made from a seed is admitted")
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.0.sign(message).to_bytes())
    }
}

fn sealed<T: Artefact>(realm: Realm, artefact: &T, keys: &[&TestKey]) -> Sealed {
    let signers: Vec<&dyn Signer> = keys.iter().map(|&key| key as &dyn Signer).collect();
    seal(&realm, artefact, &signers).expect("what tests ask for is well formed")
}

/// Serial and time of what never changes.
const fn issue<I>(id: I) -> Issue<I> {
    Issue { id, serial: 1, issued_at: NOW }
}

fn root(key: &TestKey, realm: Realm, version: u32, floor_reset: Option<UnixMs>) -> Root {
    let [own, root, log] = [key, &TestKey::new(ROOT_KEY), &TestKey::new(LOG_KEY)].map(TestKey::public_key);
    let roles = [
        (Role::Root, vec![own, root]),
        (Role::Grant, vec![own]),
        (Role::Alloc, vec![own]),
        (Role::Status, vec![own]),
        (Role::Enrol, vec![own]),
        (Role::Log, vec![log]),
    ];
    let role = |(role, keys): (Role, Vec<PublicKey>)| {
        let mut keys: Vec<_> = keys.iter().map(PublicKey::id).collect();
        keys.sort_unstable();
        RoleKeys { role, threshold: 1, keys }
    };
    let (not_before, not_after) = (NOW.plus(-3650 * DAY_MS), NOW.plus(3650 * DAY_MS));
    let (state, caps) = (KeyState::Active, Caps::default());
    let mut keys = [own, root, log].map(|key| key.bytes());
    keys.sort_unstable();
    let root_key = |public_key| RootKey { public_key, not_before, not_after, state, caps: caps.clone() };
    Root {
        issue: Issue { serial: u64::from(version), ..issue(RootId([14; 16])) },
        version,
        realm: realm.id,
        realm_name: "Test Vendor".to_owned(),
        mode: realm.mode,
        not_after,
        roles: roles.map(role).into(),
        keys: keys.map(root_key).into(),
        issuer_tls_keys: Vec::new(),
        cutoffs: Vec::new(),
        status_generation: 1,
        floor_reset,
        log_policy: LogPolicy::default(),
        ext: Extensions::NONE,
    }
}

fn grant(offer: &PoolOffer) -> Grant {
    Grant {
        issue: Issue { serial: offer.serial, ..issue(GrantId([offer.number; 16])) },
        account: ACCOUNT,
        version: 1,
        product: ProductId([4; 16]),
        sku: offer.sku.clone(),
        edition: None,
        features: offer.features.clone(),
        limits: Vec::new(),
        not_before: offer.not_before,
        not_after: offer.not_after,
        grace_ms: offer.grace_ms,
        environments: Vec::new(),
        regions: Vec::new(),
        bindings: Vec::new(),
        binding_match: BindingMatch::Any,
        ceilings: PolicyCeilings { max_linger_ms: offer.max_linger_ms, ..PolicyCeilings::default() },
        supersedes: None,
        generation: 1,
        ext: Extensions::NONE,
    }
}

fn pool(offer: &PoolOffer, grant_digest: Digest) -> Pool {
    Pool {
        issue: Issue { serial: offer.serial, ..issue(offer.id()) },
        account: ACCOUNT,
        grant: GrantId([offer.number; 16]),
        grant_digest,
        unit: 1,
        seats: offer.seats,
        overdraft: offer.overdraft,
        borrow: BorrowCaps::default(),
        max_offline_base_ms: offer.max_offline_ms,
        max_offline_elastic_ms: offer.max_offline_ms,
        ttl: offer.ttl,
        linger_ms: offer.linger_ms,
        idle_ms: offer.idle_ms,
        require_clock: offer.require_clock,
        ext: Extensions::NONE,
    }
}

fn allocation(
    request: &Request,
    offer: &Offer,
    pool: &PoolOffer,
    pool_digest: Digest,
    row: &RowOffer,
) -> Allocation {
    let sign_key = PublicKey::admit(request.sign_key).expect("nodes of tests have good keys").id();
    Allocation {
        issue: Issue { serial: row.seq, ..issue(AllocationId([row.number; 16])) },
        account: ACCOUNT,
        pool: pool.id(),
        pool_digest,
        node: offer.node,
        sign_key,
        generation: offer.generation,
        kind: row.kind,
        fixed: row.suspect_budget_ms.is_some(),
        slots: row.slots.clone(),
        borrow_slots: SlotSet::EMPTY,
        mclt_ms: 0,
        suspect_budget_ms: row.suspect_budget_ms.unwrap_or(0),
        seq: row.seq,
        prev: None,
        shrink_to: row.shrink_to,
        acked_report_seq: row.acked_report_seq,
        not_before: row.not_before,
        renew_after: row.renew_after.min(row.not_after),
        not_after: row.not_after,
        ext: Extensions::NONE,
    }
}

fn manifest(offer: &Offer, grants: &[Sealed], pools: &[Sealed]) -> Manifest {
    let entry = |kind: Kind, sealed: &[Sealed]| -> Vec<ManifestEntry> {
        let numbered = offer.pools.iter().zip(sealed);
        let entry = |(pool, sealed): (&PoolOffer, &Sealed)| ManifestEntry {
            subject: (kind.number(), [pool.number; 16]),
            serial: pool.serial,
            digest: sealed.digest,
        };
        numbered.map(entry).collect()
    };
    let mut entries = [entry(Kind::Grant, grants), entry(Kind::Pool, pools)].concat();
    entries.sort_by_key(|entry| entry.subject);
    Manifest { issue: issue(ManifestId([3; 16])), account: ACCOUNT, entries, ext: Extensions::NONE }
}

fn head(offer: &Offer, manifest: Digest) -> Head {
    Head {
        issue: Issue { id: HeadId([11; 16]), serial: offer.serial, issued_at: offer.issued_at },
        account: ACCOUNT,
        version: offer.serial,
        status_generation: 1,
        fresh_for_ms: DAY_MS,
        root_version: if offer.root_floor_reset.is_some() { 2 } else { 1 },
        manifest,
        revocations: None,
        min_grant_generation: offer.min_grant_generation,
        min_node_version: 0,
        checkpoint: None,
        revoked: offer.revoked.clone(),
        scheduled: offer.scheduled.clone(),
        ext: Extensions::NONE,
    }
}

fn certificate(request: &Request, offer: &Offer) -> NodeCertificate {
    NodeCertificate {
        issue: issue(CertificateId([12; 16])),
        account: ACCOUNT,
        node: offer.node,
        sign_key: request.sign_key,
        tls_keys: request.tls_keys.clone(),
        generation: offer.generation,
        caps: NodeCaps::default(),
        not_before: NOW.plus(-DAY_MS),
        not_after: NOW.plus(365 * DAY_MS),
        ext: Extensions::NONE,
    }
}

fn time(request: &Request, offer: &Offer, (earliest, latest): (UnixMs, UnixMs)) -> TimeStatement {
    TimeStatement {
        issue: Issue { id: TimeStatementId([13; 16]), serial: offer.serial, issued_at: offer.issued_at },
        account: ACCOUNT,
        node: offer.node,
        nonce: request.nonce,
        earliest,
        latest,
        floor_reset: offer.floor_reset,
        ext: Extensions::NONE,
    }
}
