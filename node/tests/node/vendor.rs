//! A vendor small enough for a test: one key in every role, one account, one pool, one node.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_protocol::api::ChainAnswer;
use leasehold_protocol::armour::{armour, unarmour};
use leasehold_protocol::artefact::{
    Allocation, AllocationKind, Answers, Artefact, BindingMatch, BorrowCaps, Bundle, Caps, Chain, Extensions,
    Grant, Head, Issue, Item, KeyState, Kind, LogPolicy, Manifest, ManifestEntry, NodeCaps, NodeCertificate,
    PolicyCeilings, Pool, Ratchet, Request, Role, RoleKeys, Root, RootKey, SeatProof, Seats, TimeStatement,
    TtlBounds,
};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::envelope::{Mode, Realm, RealmId, Sealed, Verified, seal, verify};
use leasehold_protocol::ids::{AccountId, NodeId};
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::proof::{ProvedSeat, verify_proof};
use leasehold_protocol::request::open_request;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;

/// What the vendor sells.
pub(crate) const SKU: &str = "cad";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const ACCOUNT: AccountId = AccountId([7; 16]);
const NODE: NodeId = NodeId([8; 16]);

pub(crate) struct Vendor {
    key: Key,
    realm: Realm,
    now: UnixMs,
    root: Sealed,
}

struct Key(SigningKey);

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::admit(PublicKeyBytes(self.0.verifying_key().to_bytes())).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// The version of a head, its age, and for how long it is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) version: u64,
    pub(crate) hours_old: i64,
    pub(crate) fresh_hours: i64,
}

impl Word {
    /// One that all nodes share.
    pub(crate) const fn of_now(version: u64) -> Self {
        Self { version, hours_old: 0, fresh_hours: 24 }
    }
}

impl Vendor {
    pub(crate) fn new() -> Self {
        Self::with(5, 6)
    }

    /// Another vendor, who knows the ids of this one.
    pub(crate) fn of_another_realm() -> Self {
        Self::with(15, 16)
    }

    fn with(key: u8, realm: u8) -> Self {
        let key = Key(SigningKey::from_bytes(&[key; 32]));
        let realm = Realm { id: RealmId([realm; 16]), mode: Mode::Live };
        let now = wall();
        let root = seal(&realm, &root(&key, realm, now), &[&key]).unwrap();
        Self { key, realm, now, root }
    }

    /// What `init --trust` takes.
    pub(crate) fn trust_root(&self) -> String {
        armour(&self.root.envelope).unwrap()
    }

    /// The bundle that answers `request` with an allocation of `seats`.
    pub(crate) fn bundle(&self, request: &[u8], serial: u64, seats: u32) -> Vec<u8> {
        self.bundle_at(request, serial, Word::of_now(serial), seats)
    }

    /// A head that says this word, as polls bring it.
    pub(crate) fn signed_head(&self, word: Word) -> Vec<u8> {
        self.seal(&self.head(Digest([0; 32]), word)).envelope
    }

    /// The same, with a head that says this word.
    /// What a node asks.
    pub(crate) fn opened(&self, request: &[u8]) -> Request {
        (*open_request(request, self.realm).unwrap()).clone()
    }

    pub(crate) fn bundle_at(&self, request: &[u8], serial: u64, word: Word, seats: u32) -> Vec<u8> {
        let request = open_request(request, self.realm).unwrap();
        let grant = self.seal(&self.grant());
        let pool = self.seal(&self.pool(grant.digest));
        let allocation = Allocation { seq: 2 * serial, ..self.allocation(&request, pool.digest, seats) };
        let allocation = self.seal(&allocation);
        let entry =
            |kind: Kind, id, digest| ManifestEntry { subject: (kind.number(), id), serial: 1, digest };
        let entries =
            vec![entry(Kind::Grant, [1; 16], grant.digest), entry(Kind::Pool, [2; 16], pool.digest)];
        let manifest = self.seal(&Manifest {
            issue: self.issue([3; 16]),
            account: ACCOUNT,
            entries,
            ext: Extensions::NONE,
        });
        let head = self.seal(&self.head(manifest.digest, word));
        let certificate = self.seal(&self.certificate(&request));
        let time = self.seal(&self.time(&request));
        let items = [
            (Kind::Root, &self.root),
            (Kind::Head, &head),
            (Kind::Manifest, &manifest),
            (Kind::Grant, &grant),
            (Kind::Pool, &pool),
            (Kind::Allocation, &allocation),
            (Kind::NodeCertificate, &certificate),
            (Kind::TimeStatement, &time),
        ];
        let item = |(kind, sealed): (Kind, &Sealed)| Item {
            kind: kind.number(),
            envelope: Bytes(sealed.envelope.clone()),
        };
        let bundle = Bundle {
            issue: Issue { serial, ..self.issue([9; 16]) },
            account: ACCOUNT,
            node: NODE,
            answers: Answers::Request(request.digest()),
            generation: 1,
            ratchet: Ratchet { counter: request.ratchet.counter + 1, tip: Digest([0; 32]) },
            items: items.map(item).into(),
            ext: Extensions::NONE,
        };
        self.seal(&bundle).envelope
    }

    /// Verifies what a node answered, as a client with nothing but the trust root does.
    pub(crate) fn prove(&self, chain: &ChainAnswer, ticket: &str) -> ProvedSeat {
        let bytes = |text: &String| Bytes(unarmour(text.as_bytes()).unwrap());
        let chain = Chain {
            roots: chain.roots.iter().map(bytes).collect(),
            grant: bytes(&chain.grant),
            pool: bytes(&chain.pool),
            allocation: bytes(&chain.allocation),
            certificate: bytes(&chain.certificate),
        };
        let proof = SeatProof { chain, ticket: bytes(&ticket.to_owned()), ext: Extensions::NONE };
        let root = TrustRoot::pin(&self.root.envelope).unwrap();
        verify_proof(&root, &proof.to_bytes()).unwrap().1
    }

    /// The certificate that a node shows, verified as a client with nothing but the trust root does.
    pub(crate) fn certificate_of(&self, shown: &str) -> Verified<NodeCertificate> {
        let root = TrustRoot::pin(&self.root.envelope).unwrap();
        verify(&unarmour(shown.as_bytes()).unwrap(), &root.ring(Kind::NodeCertificate)).unwrap()
    }

    fn seal<T: Artefact>(&self, artefact: &T) -> Sealed {
        seal(&self.realm, artefact, &[&self.key]).unwrap()
    }

    fn issue<I: From16>(&self, id: [u8; 16]) -> Issue<I> {
        Issue { id: I::from16(id), serial: 1, issued_at: self.now }
    }

    fn grant(&self) -> Grant {
        Grant {
            issue: self.issue([1; 16]),
            account: ACCOUNT,
            version: 1,
            product: leasehold_protocol::ids::ProductId([4; 16]),
            sku: SKU.into(),
            edition: None,
            features: vec!["draw".into(), "render".into()],
            limits: Vec::new(),
            not_before: self.now.plus(-DAY_MS),
            not_after: self.now.plus(30 * DAY_MS),
            grace_ms: 0,
            environments: Vec::new(),
            regions: Vec::new(),
            bindings: Vec::new(),
            binding_match: BindingMatch::Any,
            ceilings: PolicyCeilings { max_linger_ms: None, max_duplicate_group: None },
            supersedes: None,
            generation: 1,
            ext: Extensions::NONE,
        }
    }

    fn pool(&self, grant_digest: Digest) -> Pool {
        Pool {
            issue: self.issue([2; 16]),
            account: ACCOUNT,
            grant: leasehold_protocol::ids::GrantId([1; 16]),
            grant_digest,
            unit: 1,
            seats: Seats::Value(100),
            overdraft: 0,
            borrow: BorrowCaps { max_seats: 0, max_ms: 0, early_return: false },
            max_offline_base_ms: None,
            max_offline_elastic_ms: None,
            ttl: TtlBounds { min_ms: 60_000, default_ms: 900_000, max_ms: 900_000 },
            linger_ms: 0,
            idle_ms: Some(3_600_000),
            require_clock: false,
            ext: Extensions::NONE,
        }
    }

    fn allocation(&self, request: &Request, pool_digest: Digest, seats: u32) -> Allocation {
        Allocation {
            issue: self.issue([10; 16]),
            account: ACCOUNT,
            pool: leasehold_protocol::ids::PoolId([2; 16]),
            pool_digest,
            node: NODE,
            sign_key: PublicKey::admit(request.sign_key).unwrap().id(),
            generation: 1,
            kind: AllocationKind::Base,
            fixed: false,
            slots: SlotSet::range(0, seats),
            borrow_slots: SlotSet::default(),
            mclt_ms: 0,
            suspect_budget_ms: 0,
            seq: 1,
            prev: None,
            shrink_to: None,
            acked_report_seq: 0,
            not_before: self.now.plus(-DAY_MS),
            renew_after: self.now.plus(15 * DAY_MS),
            not_after: self.now.plus(31 * DAY_MS),
            ext: Extensions::NONE,
        }
    }

    fn head(&self, manifest: Digest, word: Word) -> Head {
        let issued_at = self.now.plus(-word.hours_old * HOUR_MS);
        Head {
            issue: Issue { issued_at, ..self.issue([11; 16]) },
            account: ACCOUNT,
            version: word.version,
            status_generation: 1,
            fresh_for_ms: word.fresh_hours * HOUR_MS,
            root_version: 1,
            manifest,
            revocations: None,
            min_grant_generation: 0,
            min_node_version: 0,
            checkpoint: None,
            revoked: Vec::new(),
            scheduled: Vec::new(),
            ext: Extensions::NONE,
        }
    }

    fn certificate(&self, request: &Request) -> NodeCertificate {
        NodeCertificate {
            issue: self.issue([12; 16]),
            account: ACCOUNT,
            node: NODE,
            sign_key: request.sign_key,
            tls_keys: request.tls_keys.clone(),
            generation: 1,
            caps: NodeCaps { max_seats: None },
            not_before: self.now.plus(-DAY_MS),
            not_after: self.now.plus(90 * DAY_MS),
            ext: Extensions::NONE,
        }
    }

    fn time(&self, request: &Verified<Request>) -> TimeStatement {
        TimeStatement {
            issue: self.issue([13; 16]),
            account: ACCOUNT,
            node: NODE,
            nonce: request.nonce,
            earliest: self.now.plus(-3_600_000),
            latest: self.now.plus(3_600_000),
            floor_reset: None,
            ext: Extensions::NONE,
        }
    }
}

fn root(key: &Key, realm: Realm, now: UnixMs) -> Root {
    let public = key.public_key();
    let roles = [Role::Root, Role::Grant, Role::Alloc, Role::Status, Role::Enrol];
    Root {
        issue: Issue { id: leasehold_protocol::ids::RootId([14; 16]), serial: 1, issued_at: now },
        version: 1,
        realm: realm.id,
        realm_name: "Test Vendor".into(),
        mode: realm.mode,
        not_after: now.plus(3650 * DAY_MS),
        roles: roles.map(|role| RoleKeys { role, threshold: 1, keys: vec![public.id()] }).into(),
        keys: vec![RootKey {
            public_key: public.bytes(),
            not_before: now.plus(-DAY_MS),
            not_after: now.plus(3650 * DAY_MS),
            state: KeyState::Active,
            caps: Caps::default(),
        }],
        issuer_tls_keys: Vec::new(),
        cutoffs: Vec::new(),
        status_generation: 1,
        floor_reset: None,
        log_policy: LogPolicy { origin: String::new(), witness_quorum: 0, witnesses: Vec::new() },
        ext: Extensions::NONE,
    }
}

/// Ids of all kinds are made of 16 bytes.
trait From16 {
    fn from16(bytes: [u8; 16]) -> Self;
}

macro_rules! from16 {
    ($($id:ident)*) => {$(
        impl From16 for leasehold_protocol::ids::$id {
            fn from16(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }
    )*};
}
from16!(AllocationId BundleId CertificateId GrantId HeadId ManifestId PoolId TimeStatementId);

#[expect(clippy::disallowed_methods, reason = "a vendor of this moment, for nodes that read the real clock")]
fn wall() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(since.as_millis()).unwrap())
}
