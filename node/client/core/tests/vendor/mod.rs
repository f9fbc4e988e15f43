//! A vendor, an account and a node with keys made from their names: real signatures for tests, no secrets.

use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_protocol::api::{
    ChainAnswer, CheckoutRequest, HolderName, IdempotencyKey, IdentityAnswer, Seat, stop_in_ms,
};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::artefact::{
    Allocation, AllocationKind, Artefact, BindingMatch, BorrowCaps, Caps, Chain, Extensions, Grant, Holder,
    HolderProof, Interval, Issue, KeyState, LeaseTicket, LogPolicy, NodeCaps, NodeCertificate,
    PolicyCeilings, Pool, Role, RoleKeys, Root, RootKey, Seats, TicketFlags, TtlBounds,
};
use leasehold_protocol::bytes::{Bytes, Digest, SpkiDigest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Mode, Realm, RealmId, TicketBatch, seal};
use leasehold_protocol::ids::{
    AccountId, AllocationId, CertificateId, GrantId, LeaseId, NodeId, PoolId, ProductId, RootId,
};
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use sha2::{Digest as _, Sha256};

/// 2025-11-24T16:00:00Z: when everything is issued.
pub(crate) const NOW: UnixMs = UnixMs(1_764_000_000_000);
const DAY_MS: i64 = 86_400_000;
const FOR_EVER: UnixMs = UnixMs(NOW.0 + 400 * DAY_MS);

/// What one vendor signed for one node: the product `cad` with the features `base` and `render`, 40 seats.
pub(crate) struct Vendor {
    realm: Realm,
    sign: TestKey,
    node: TestKey,
    allocation: Digest,
    pool: PoolId,
    /// Envelope of the trust root.
    pub(crate) root: Vec<u8>,
    /// From the root to the node.
    pub(crate) chain: Chain,
}

/// A seat the node gives.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    /// Number of the lease.
    pub(crate) lease: u8,
    /// Counts grants and renewals of the lease: each has a ticket of its own.
    pub(crate) issue: u8,
    /// Granted life.
    pub(crate) ttl_ms: i64,
    /// How much of it is gone.
    pub(crate) age_ms: i64,
}

impl Vendor {
    pub(crate) fn new(name: &str) -> Self {
        let (sign, node) = (TestKey::of(&format!("{name} signs")), TestKey::of(&format!("{name}'s node")));
        let root = root(name, &sign);
        let realm = Realm { id: root.realm, mode: root.mode };
        let grant = seal(&realm, &grant(), &[&sign]).unwrap();
        let pool = pool(grant.digest);
        let sealed_pool = seal(&realm, &pool, &[&sign]).unwrap();
        let allocation = seal(&realm, &allocation(sealed_pool.digest, &node), &[&sign]).unwrap();
        let certificate = seal(&realm, &certificate(&node), &[&sign]).unwrap();
        Self {
            realm,
            allocation: allocation.digest,
            pool: pool.issue.id,
            root: seal(&realm, &root, &[&sign]).unwrap().envelope,
            sign,
            node,
            chain: Chain {
                roots: Vec::new(),
                grant: Bytes(grant.envelope),
                pool: Bytes(sealed_pool.envelope),
                allocation: Bytes(allocation.envelope),
                certificate: Bytes(certificate.envelope),
            },
        }
    }

    /// The answer to the question for the chain.
    pub(crate) fn chain_answer(&self) -> ChainAnswer {
        let text = |bytes: &Bytes| one_line(&bytes.0).unwrap();
        ChainAnswer {
            roots: Vec::new(),
            grant: text(&self.chain.grant),
            pool: text(&self.chain.pool),
            allocation: text(&self.chain.allocation),
            certificate: text(&self.chain.certificate),
        }
    }

    /// The answer to the question who the node is, with a certificate for these TLS keys.
    pub(crate) fn identity(&self, tls_keys: &[SpkiDigest]) -> IdentityAnswer {
        let certificate = NodeCertificate { tls_keys: tls_keys.to_vec(), ..certificate(&self.node) };
        let sealed = seal(&self.realm, &certificate, &[&self.sign]).unwrap();
        IdentityAnswer {
            node_id: Some(certificate.node),
            roots: vec![one_line(&self.root).unwrap()],
            certificate: Some(one_line(&sealed.envelope).unwrap()),
        }
    }

    /// The seat that is given for `asked`, with its signed ticket.
    pub(crate) fn seat(&self, asked: &CheckoutRequest, given: Given) -> Seat {
        self.seat_of(&self.ticket(asked, given), given)
    }

    /// What the node says of `ticket`.
    pub(crate) fn seat_of(&self, ticket: &LeaseTicket, given: Given) -> Seat {
        let leaves = [TicketBatch::leaf(&self.realm, ticket)];
        let batch = TicketBatch::sign(&self.realm, &leaves, &self.node).unwrap();
        let envelope = batch.envelope(ticket, 0).unwrap();
        Seat {
            code: Code::Allowed,
            lease_id: ticket.lease,
            epoch: ticket.epoch,
            pool_id: self.pool,
            slot: (ticket.count == 1).then(|| ticket.slots.first()).flatten(),
            slots: (ticket.count > 1).then(|| ticket.slots.iter().collect()),
            product: "cad".into(),
            features: ticket.features.clone(),
            holder: ticket.holder.to_string(),
            ttl_ms: i64::from(ticket.ttl_ms),
            age_ms: given.age_ms,
            expires_in_ms: (given.ttl_ms - given.age_ms).max(0),
            stop_in_ms: stop_in_ms(given.ttl_ms, given.age_ms),
            ticket: one_line(&envelope).unwrap(),
            chain: self.chain.digest(),
        }
    }

    /// The ticket of a seat, to be changed before it is signed.
    pub(crate) fn ticket(&self, asked: &CheckoutRequest, given: Given) -> LeaseTicket {
        let issued_at = NOW.plus(i64::from(given.issue) * 1000);
        LeaseTicket {
            lease: lease(given.lease),
            serial: u64::from(given.lease),
            allocation: self.allocation,
            slots: SlotSet::range(u32::from(given.lease), asked.count),
            count: asked.count,
            holder: Holder {
                user: asked.holder.user.clone(),
                host: asked.holder.host.clone(),
                process: asked.holder.process.clone(),
                proof: HolderProof::Asserted,
            },
            features: asked.features.clone(),
            generation: 1,
            epoch: 1 << 40 | u64::from(given.lease),
            ttl_ms: u32::try_from(given.ttl_ms).unwrap(),
            issued: Interval { floor: issued_at, hi: issued_at.plus(300_000) },
            flags: TicketFlags::default(),
            ext: Extensions::NONE,
        }
    }
}

/// The lease of a number.
pub(crate) fn lease(number: u8) -> LeaseId {
    LeaseId([number; 16])
}

/// A wish for one seat of `cad`.
pub(crate) fn wish() -> CheckoutRequest {
    CheckoutRequest {
        product: Some("cad".into()),
        pool: None,
        features: vec!["base".into()],
        count: 1,
        holder: HolderName { user: "ada".into(), host: "ws-17".into(), process: None },
        key: IdempotencyKey([7; 16]),
        ttl_ms: None,
    }
}

struct TestKey(SigningKey);

impl TestKey {
    fn of(name: &str) -> Self {
        Self(SigningKey::from_bytes(&Sha256::digest(name).into()))
    }
}

impl Signer for TestKey {
    fn public_key(&self) -> PublicKey {
        PublicKey::admit(PublicKeyBytes(self.0.verifying_key().to_bytes())).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.0.sign(message).to_bytes())
    }
}

fn id(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    bytes
}

fn issue<I>(id: I) -> Issue<I> {
    Issue { id, serial: 1, issued_at: NOW }
}

fn account() -> AccountId {
    AccountId(id("account"))
}

fn root(name: &str, sign: &TestKey) -> Root {
    let key = sign.public_key();
    let roles = [Role::Root, Role::Grant, Role::Approve, Role::Alloc, Role::Status, Role::Enrol];
    let root = Root {
        issue: issue(RootId(id("root"))),
        version: 1,
        realm: RealmId(id(name)),
        realm_name: name.into(),
        mode: Mode::Live,
        not_after: FOR_EVER,
        roles: roles.into_iter().map(|role| RoleKeys { role, threshold: 1, keys: vec![key.id()] }).collect(),
        keys: vec![RootKey {
            public_key: key.bytes(),
            not_before: NOW,
            not_after: FOR_EVER,
            state: KeyState::Active,
            caps: Caps::default(),
        }],
        issuer_tls_keys: Vec::new(),
        cutoffs: Vec::new(),
        status_generation: 1,
        floor_reset: None,
        log_policy: LogPolicy::default(),
        ext: Extensions::NONE,
    };
    root.check().unwrap();
    root
}

fn grant() -> Grant {
    Grant {
        issue: issue(GrantId(id("grant"))),
        account: account(),
        version: 1,
        product: ProductId(id("product")),
        sku: "cad".into(),
        edition: None,
        features: vec!["base".into(), "render".into()],
        limits: Vec::new(),
        not_before: NOW,
        not_after: NOW.plus(365 * DAY_MS),
        grace_ms: 0,
        environments: Vec::new(),
        regions: Vec::new(),
        bindings: Vec::new(),
        binding_match: BindingMatch::Any,
        ceilings: PolicyCeilings::default(),
        supersedes: None,
        generation: 1,
        ext: Extensions::NONE,
    }
}

fn pool(grant_digest: Digest) -> Pool {
    Pool {
        issue: issue(PoolId(id("pool"))),
        account: account(),
        grant: GrantId(id("grant")),
        grant_digest,
        unit: 1,
        seats: Seats::Value(100),
        overdraft: 0,
        borrow: BorrowCaps::default(),
        max_offline_base_ms: None,
        max_offline_elastic_ms: None,
        ttl: TtlBounds { min_ms: 60_000, default_ms: 900_000, max_ms: DAY_MS },
        linger_ms: 0,
        idle_ms: None,
        require_clock: false,
        ext: Extensions::NONE,
    }
}

fn allocation(pool_digest: Digest, node: &TestKey) -> Allocation {
    Allocation {
        issue: issue(AllocationId(id("allocation"))),
        account: account(),
        pool: PoolId(id("pool")),
        pool_digest,
        node: NodeId(id("node")),
        sign_key: node.public_key().id(),
        generation: 1,
        kind: AllocationKind::Base,
        fixed: true,
        slots: SlotSet::range(0, 40),
        borrow_slots: SlotSet::EMPTY,
        mclt_ms: 0,
        suspect_budget_ms: 0,
        seq: 1,
        prev: None,
        shrink_to: None,
        acked_report_seq: 0,
        not_before: NOW,
        renew_after: NOW.plus(300 * DAY_MS),
        not_after: NOW.plus(366 * DAY_MS),
        ext: Extensions::NONE,
    }
}

fn certificate(node: &TestKey) -> NodeCertificate {
    NodeCertificate {
        issue: issue(CertificateId(id("certificate"))),
        account: account(),
        node: NodeId(id("node")),
        sign_key: node.public_key().bytes(),
        tls_keys: vec![SpkiDigest([0x11; 32])],
        generation: 1,
        caps: NodeCaps::default(),
        not_before: NOW,
        not_after: NOW.plus(90 * DAY_MS),
        ext: Extensions::NONE,
    }
}
