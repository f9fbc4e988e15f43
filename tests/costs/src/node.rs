//! A core with leases, driven as the shell drives it: one frame, one input, its records encoded, its ticket hashed.

use leasehold_node_core::{
    Cause, Checkout, Effect, Effects, Entropy, Initialise, Input, NodeCore, Principal, Reply, ReplyTo, Way,
};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{Holder, HolderProof, JournalTail};
use leasehold_protocol::bytes::{Digest, SpkiDigest};
use leasehold_protocol::envelope::{Realm, TicketBatch};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::time::{BootId, ClockReading};
use leasehold_tests::vendor::{NOW, Offer, PoolOffer, TestKey, Vendor};

const PRINCIPAL: Principal = Principal::Uid(1000);
/// People who hold seats; as many machines.
const HOLDERS: u32 = 100;

pub(crate) struct Node {
    core: NodeCore,
    realm: Realm,
    now: ClockReading,
    inputs: u32,
    held: Vec<(u32, LeaseId)>,
}

impl Node {
    /// With `live` leases of a pool of `seats`.
    pub(crate) fn with(live: u32, seats: u32) -> Self {
        let vendor = Vendor::new(1);
        let now = ClockReading {
            boottime_ms: 1_000_000,
            mono_ms: 1_000_000,
            raw_ms: 1_000_000,
            wall_ms: NOW,
            boot_id: BootId([1; 16]),
            ..ClockReading::default()
        };
        let realm = vendor.realm();
        let mut node = Self { core: NodeCore::new(), realm, now, inputs: 0, held: Vec::new() };
        node.provision(&vendor, seats);
        for _ in 0..live {
            node.checkout();
        }
        node
    }

    /// Somebody new wants a seat.
    pub(crate) fn checkout(&mut self) -> Reply {
        let key = self.inputs;
        let reply = self.ask(checkout(key));
        if let Reply::Seat(seat) = &reply {
            self.held.push((key, seat.lease));
        }
        reply
    }

    /// The holder of the `number`-th lease asks again.
    pub(crate) fn retry(&mut self, number: u32) -> Reply {
        let (key, _) = self.held(number);
        self.ask(checkout(key))
    }

    /// The `number`-th lease is renewed.
    pub(crate) fn renew(&mut self, number: u32) -> Reply {
        let (_, lease) = self.held(number);
        self.ask(Input::Renew { to: ReplyTo(0), principal: PRINCIPAL, lease, idle_ms: None, shown: None })
    }

    /// The `number`-th lease is given back.
    pub(crate) fn release(&mut self, number: u32) -> Reply {
        let (_, lease) = self.held(number);
        self.ask(Input::Release { to: ReplyTo(0), principal: PRINCIPAL, lease })
    }

    /// Leaves free seats between all that are held.
    pub(crate) fn release_every_second(&mut self) {
        for number in (0..self.held.len()).rev().step_by(2) {
            let (_, lease) = self.held.remove(number);
            self.ask(Input::Release { to: ReplyTo(0), principal: PRINCIPAL, lease });
        }
    }

    fn held(&self, number: u32) -> (u32, LeaseId) {
        self.held[number as usize % self.held.len()]
    }

    fn provision(&mut self, vendor: &Vendor, seats: u32) {
        let cause = Cause { actor: "it".to_owned(), reason: None, idempotency_key: None };
        self.frame(Input::Initialise(Initialise {
            cause: cause.clone(),
            trust_root: vendor.trust_root(),
            sign_key: TestKey::new(2).public_key().bytes(),
            tls_keys: vec![SpkiDigest([1; 32])],
            name: "plant".to_owned(),
        }));
        let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
        let (to, way) = (ReplyTo(0), Way::Courier);
        let made = self.ask(Input::MakeRequest {
            to,
            cause: cause.clone(),
            way,
            present: false,
            join: None,
            journal,
        });
        let Reply::Request(request) = made else { panic!("no request: {made:?}") };
        let offer = Offer::new(1, vec![PoolOffer::new(1, "cad", seats)]);
        let envelope = vendor.answer(&request, &offer);
        let import = Input::Import { to: ReplyTo(0), cause, envelope, dry_run: false, accept_time: false };
        let imported = self.ask(import);
        assert!(matches!(imported, Reply::Imported(_)), "{imported:?}");
    }

    fn ask(&mut self, input: Input) -> Reply {
        self.frame(input).expect("each input but the first is answered")
    }

    fn frame(&mut self, input: Input) -> Option<Reply> {
        self.inputs += 1;
        self.now.boottime_ms += 1;
        self.now.mono_ms += 1;
        self.now.raw_ms += 1;
        self.now.wall_ms = self.now.wall_ms.plus(1);
        let stamp = self.core.stamp_of(&self.now);
        self.core.stamp(&stamp);
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&self.inputs.to_le_bytes());
        let mut effects = Effects::default();
        self.core.handle(&self.now, &mut Entropy::new(seed), input, &mut effects);
        let mut answer = None;
        for effect in effects.0 {
            match effect {
                Effect::Record(record) => drop(record.to_bytes()),
                Effect::Sign(ticket) => assert_ne!(TicketBatch::leaf(&self.realm, &ticket), [0; 32]),
                Effect::Reply { body, .. } => answer = Some(body),
                Effect::Event(_) => {}
            }
        }
        self.core.forget_frame();
        answer
    }
}

fn checkout(key: u32) -> Input {
    let person = key % HOLDERS;
    let checkout = Checkout {
        product: Some("cad".to_owned()),
        pool: None,
        features: Vec::new(),
        count: 1,
        holder: Holder {
            user: format!("user{person:03}"),
            host: format!("host{person:03}.example.com"),
            process: None,
            proof: HolderProof::Asserted,
        },
        key: IdempotencyKey(u128::from(key).to_be_bytes()),
        ttl_ms: None,
    };
    Input::Checkout { to: ReplyTo(0), principal: PRINCIPAL, checkout }
}
