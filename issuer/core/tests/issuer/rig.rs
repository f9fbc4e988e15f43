//! An issuer with a simulated clock and a journal in memory, and the keys of its vendor.

use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_issuer_core::{
    Cause, Command, Effect, Effects, Fact, Input, IssuedJoin, Issuer, Mobility, NewAccount, NewAllocation,
    NewGrant, NewNode, NewProduct, NodeClass, Reply, ReplyTo, RootPlan, Row, Rules, Source, What,
};
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::{Mode, Realm, RealmId, seal};
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{BootId, ClockReading, Stamp, UnixMs};

pub(crate) const REALM: Realm = Realm { id: RealmId([9; 16]), mode: Mode::Live };
pub(crate) const DAY_MS: i64 = 86_400_000;
/// When the issuer is initialised: 2027-01-15T08:00:00Z.
pub(crate) const START: UnixMs = UnixMs(1_800_000_000_000);

/// A key that a test holds.
#[derive(Clone)]
pub(crate) struct TestKey(SigningKey);

impl TestKey {
    pub(crate) fn new(number: u8) -> Self {
        Self(SigningKey::from_bytes(&[number; 32]))
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

/// An issuer, the frames it made, and the clock of its machine.
pub(crate) struct Rig {
    pub(crate) issuer: Issuer,
    pub(crate) frames: Vec<(Stamp, Vec<Fact>)>,
    pub(crate) now: ClockReading,
    pub(crate) root: TestKey,
    pub(crate) online: TestKey,
    rules: Rules,
    seed: u64,
}

impl Rig {
    /// An issuer that is initialised.
    pub(crate) fn new() -> Self {
        Self::with_rules(Rules::LAW)
    }

    /// The same with rules left out.
    pub(crate) fn with_rules(rules: Rules) -> Self {
        let mut rig = Self { issuer: Issuer::with_rules(rules), rules, ..Self::empty() };
        let root = rig.root_envelope();
        rig.act(Command::Initialise { root }).unwrap();
        rig
    }

    /// A backup of `records` frames comes back: the issuer has forgotten the others.
    pub(crate) fn restore(&mut self, records: usize) {
        self.frames.truncate(records);
        self.issuer = self.replayed();
    }

    /// An issuer before its first record.
    pub(crate) fn empty() -> Self {
        let now = ClockReading {
            boottime_ms: 1_000_000,
            mono_ms: 1_000_000,
            raw_ms: 1_000_000,
            wall_ms: START,
            boot_id: BootId([1; 16]),
            ..ClockReading::default()
        };
        let (root, online) = (TestKey::new(1), TestKey::new(2));
        Self { issuer: Issuer::new(), frames: Vec::new(), now, root, online, rules: Rules::LAW, seed: 0 }
    }

    /// An issuer that sold `seats` seats of CAD to ACME, with a node `plant` of the class.
    pub(crate) fn with_pool(seats: Seats, overdraft: u32, class: NodeClass) -> Self {
        let mut rig = Self::new();
        rig.account("ACME");
        rig.product("CAD", &["sim"]);
        rig.act(Command::CreateGrant(NewGrant { overdraft, ..grant(seats) })).unwrap();
        rig.node("plant", class);
        rig
    }

    pub(crate) fn root_envelope(&mut self) -> Vec<u8> {
        let plan = RootPlan {
            realm: REALM.id,
            realm_name: "test".to_owned(),
            mode: REALM.mode,
            root_key: self.root.public_key(),
            online_key: self.online.public_key(),
            tls_key: TestKey::new(3).public_key(),
        };
        let mut entropy = self.entropy();
        let root = self.issuer.plan_root(&self.now, &mut entropy, &cause(), &plan).unwrap();
        seal(&REALM, &root, &[&self.root]).unwrap().envelope
    }

    /// Time passes; the wall clock goes along.
    pub(crate) fn pass(&mut self, span_ms: i64) {
        self.run(span_ms);
        self.now.wall_ms = self.now.wall_ms.plus(span_ms);
    }

    /// The machine runs; its wall clock stands.
    pub(crate) fn run(&mut self, span_ms: i64) {
        self.now.boottime_ms += span_ms;
        self.now.mono_ms += span_ms;
        self.now.raw_ms += span_ms;
    }

    /// The machine starts again after `off_ms`.
    pub(crate) fn reboot(&mut self, off_ms: i64) {
        self.now.boot_id.0[0] += 1;
        (self.now.boottime_ms, self.now.mono_ms, self.now.raw_ms) = (1000, 1000, 1000);
        self.now.wall_ms = self.now.wall_ms.plus(off_ms);
    }

    /// Does a command in a frame of its own; the answer names the record that did it.
    pub(crate) fn act(&mut self, command: Command) -> Result<Seq, Problem> {
        self.act_for(cause(), command)
    }

    pub(crate) fn act_for(&mut self, cause: Cause, command: Command) -> Result<Seq, Problem> {
        let stamp = self.issuer.stamp_of(&self.now);
        self.issuer.stamp(&stamp);
        let mut effects = Effects::default();
        let mut entropy = self.entropy();
        let input = Input { to: ReplyTo(7), cause, command };
        self.issuer.handle(&self.now, &mut entropy, &input, &mut effects);
        let mut facts = Vec::new();
        for effect in effects.0 {
            match effect {
                Effect::Record(fact) => facts.push(*fact),
                Effect::Reply { to, after, body } => {
                    assert_eq!(to, ReplyTo(7));
                    let answer = match body {
                        Reply::Done { seq } => {
                            assert_eq!((facts.len(), after), (1, seq), "it is answered after its record");
                            Ok(seq)
                        }
                        Reply::DoneBefore { seq } => {
                            assert_eq!((facts.len(), after), (0, seq));
                            Ok(seq)
                        }
                        Reply::Refused(problem) => {
                            assert_eq!((facts.len(), after), (0, Seq::NONE), "a refusal records nothing");
                            Err(*problem)
                        }
                    };
                    // A frame without records is a tick: refusals, too, happen at a time.
                    assert!(facts.iter().all(|fact| What::KINDS.contains(&fact.what.kind())), "{facts:?}");
                    self.frames.push((stamp, facts));
                    return answer;
                }
            }
        }
        panic!("a command is answered");
    }

    pub(crate) fn refused(&mut self, command: Command) -> Code {
        self.act(command).unwrap_err().code
    }

    /// The fact of a record.
    pub(crate) fn fact(&self, seq: Seq) -> &Fact {
        let at = usize::try_from(seq.0 - 1).unwrap();
        self.frames.iter().flat_map(|(_, facts)| facts).nth(at).unwrap()
    }

    pub(crate) fn account(&mut self, name: &str) -> String {
        let seq = self.act(Command::CreateAccount(account(name))).unwrap();
        let What::AccountCreated(account) = &self.fact(seq).what else { panic!("an account is made") };
        account.id.to_string()
    }

    pub(crate) fn product(&mut self, sku: &str, features: &[&str]) {
        self.act(Command::CreateProduct(product(sku, features))).unwrap();
    }

    pub(crate) fn node(&mut self, name: &str, class: NodeClass) {
        let issued = self.issued_join();
        let node = NewNode { account: "ACME".to_owned(), name: name.to_owned(), site: None, class };
        self.act(Command::RegisterNode { node, issued }).unwrap();
    }

    /// A join code as the shell would make it: here the nonce is the secret.
    pub(crate) fn issued_join(&mut self) -> IssuedJoin {
        let nonce = self.entropy().draw();
        IssuedJoin { nonce, join_id: JoinSecret(nonce).join_id() }
    }

    pub(crate) fn allocate(&mut self, node: &str, seats: u32) -> Result<Row, Problem> {
        self.allocate_as(NewAllocation { node: node.to_owned(), ..allocation(seats) })
    }

    pub(crate) fn allocate_as(&mut self, new: NewAllocation) -> Result<Row, Problem> {
        let seq = self.act(Command::CreateAllocation(new))?;
        let What::AllocationCreated { row, .. } = &self.fact(seq).what else { panic!("a row is made") };
        Ok((**row).clone())
    }

    /// The issuer that the journal alone gives.
    pub(crate) fn replayed(&self) -> Issuer {
        let mut issuer = Issuer::with_rules(self.rules);
        for (stamp, facts) in &self.frames {
            issuer.stamp(stamp);
            for fact in facts {
                let fact = Fact::from_bytes(&fact.to_bytes()).unwrap();
                issuer.apply(issuer.next_seq(), &fact).unwrap();
            }
        }
        issuer
    }

    pub(crate) fn check_replay(&self) {
        assert_eq!(self.replayed().state_hash(), self.issuer.state_hash());
    }

    pub(crate) fn entropy(&mut self) -> Entropy {
        self.seed += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        Entropy::new(seed)
    }
}

pub(crate) fn cause() -> Cause {
    Cause {
        actor: "jane".to_owned(),
        source: Source { system: "test".to_owned(), reference: None },
        reason: None,
        idempotency: None,
        accept_time: None,
    }
}

pub(crate) fn account(name: &str) -> NewAccount {
    NewAccount { name: name.to_owned(), parent: None, region: None, timezone: None, external: Vec::new() }
}

pub(crate) fn product(sku: &str, features: &[&str]) -> NewProduct {
    NewProduct { sku: sku.to_owned(), features: features.iter().map(ToString::to_string).collect() }
}

/// A grant of CAD to ACME for a year from [`START`] on.
pub(crate) fn grant(seats: Seats) -> NewGrant {
    NewGrant {
        account: "ACME".to_owned(),
        product: "CAD".to_owned(),
        edition: None,
        seats,
        overdraft: 0,
        not_before: START,
        not_after: START.plus(365 * DAY_MS),
        grace_ms: 0,
        features: Vec::new(),
        environments: Vec::new(),
        regions: Vec::new(),
        max_ttl_ms: None,
        linger_ms: 0,
        idle_ms: None,
    }
}

/// A movable base row of CAD for the node `plant`.
pub(crate) fn allocation(seats: u32) -> NewAllocation {
    NewAllocation {
        pool: "CAD".to_owned(),
        node: "plant".to_owned(),
        seats: Seats::Value(seats),
        until: None,
        kind: AllocationKind::Base,
        mobility: Some(Mobility::Movable),
    }
}
