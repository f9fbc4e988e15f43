//! The whole store of a node with the real core on top of it: journal, MARK, snapshots and the next segment lie on a disk
//! that loses, reorders and tears what was not synced, whenever the power fails. What was acknowledged is there after
//! every cut, and the same key gets the same answer.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

use std::collections::BTreeMap;

use leasehold_crash::{Chance, Disk, Op};
use leasehold_journal::file::snapshot::{SnapshotHead, SnapshotReader, SnapshotWriter, list_in};
use leasehold_journal::{Draft, FileHome, Frame, Genesis, Home as _, JournalError, Tail};
use leasehold_node_core::{
    Cause, Checkout, Effect, Effects, Entropy, Initialise, Input, NodeCore, Principal, Record, Reply,
    ReplyTo, RestoreError, STATE_VERSION, Way,
};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{Holder, HolderProof, JournalTail};
use leasehold_protocol::bytes::{Digest, SpkiDigest};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::Signer as _;
use leasehold_protocol::time::{BootId, ClockReading};
use leasehold_tests::vendor::{NOW, Offer, PoolOffer, TestKey, Vendor};
use nix::errno::Errno;

const SEEDS: u64 = 80;
const NIGHTLY_SEEDS: u64 = 2000;
const CUTS_PER_SEED: usize = 5;
const SEATS: u32 = 5;
const SEGMENT_BYTES: u32 = 8192;
const ANN: Principal = Principal::Uid(1);

/// A lease as its application knows it.
type Lease = (LeaseId, u64);

/// What is acknowledged under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Held(Lease),
    /// Asked to be given back: it may be either.
    Returning(Lease),
    Returned(Lease),
}

/// What must have happened somewhere, or the test shows nothing.
#[derive(Debug, Default)]
struct Seen {
    cuts: usize,
    while_starting: usize,
    torn: usize,
    above_the_mark: usize,
    from_a_snapshot: usize,
    segments: usize,
    acknowledged: usize,
    retried: usize,
}

#[test]
fn nothing_acknowledged_is_lost_at_any_cut() {
    let (image, clock) = image();
    let seeds = if std::env::var_os("LEASEHOLD_NIGHTLY").is_some() { NIGHTLY_SEEDS } else { SEEDS };
    let mut seen = Seen::default();
    for seed in 0..seeds {
        run(seed, &image, clock, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.cuts >= 300);
    let least = seen.while_starting.min(seen.torn).min(seen.above_the_mark).min(seen.from_a_snapshot);
    assert!(least >= 5 && seen.segments > 300 && seen.retried > 300, "{seen:?}");
}

/// Cut after cut on one disk.
fn run(seed: u64, image: &Disk, mut clock: ClockReading, seen: &mut Seen) {
    let (mut chance, mut disk) = (Chance(seed), image.copy());
    let mut known = BTreeMap::new();
    for _ in 0..CUTS_PER_SEED {
        clock.boottime_ms += 1000;
        disk.power_off_after(1 + chance.below(90));
        match Node::start(&disk, seen) {
            Ok(mut node) => node.serve_until_cut(&mut clock, &mut known, &mut chance, seen),
            Err(JournalError::Read { .. } | JournalError::Write { .. }) => seen.while_starting += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
        disk = if chance.one_in(4) { disk.after_kill() } else { disk.after_power_cut(&mut chance) };
        disk.heal();
        seen.cuts += 1;
        let whole = disk.copy();
        let mut node = Node::start(&whole, seen).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        node.check(seed, &clock, &known, seen);
        seen.segments += whole.named(".seg").len();
    }
}

/// A disk that lies about the segment, and not about the MARK, is found out.
#[test]
fn what_a_lying_disk_lost_is_not_served_without() {
    let (image, mut clock) = image();
    let (mut refused, mut whole) = (0, 0);
    for seed in 0..100 {
        let (mut chance, disk, mut seen, mut known) =
            (Chance(seed), image.copy(), Seen::default(), BTreeMap::new());
        let mut node = Node::start(&disk, &mut seen).unwrap();
        disk.lie(Op::Sync, ".seg");
        for _ in 0..=chance.below(6) {
            let key = u8::try_from(chance.below(20)).unwrap();
            node.checkout(&mut clock, key, &mut known).unwrap();
        }
        // Before something leaves that others hold against this journal.
        node.home.sync_mark().unwrap();
        drop(node);
        let cut = disk.after_power_cut(&mut chance);
        match Node::start(&cut, &mut seen) {
            Err(JournalError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(mut node) => {
                node.check(seed, &clock, &known, &mut seen);
                whole += 1;
            }
        }
    }
    println!("{refused} refused, {whole} whole");
    assert!(refused > 20);
}

/// A disk that refuses ends the process, which loses nothing.
#[test]
fn a_refused_step_ends_a_node_that_loses_nothing() {
    let (image, clock) = image();
    let mut seen = Seen::default();
    for errno in [Errno::EIO, Errno::ENOSPC] {
        for (op, name) in [
            (Op::Write, ".seg"),
            (Op::Sync, ".seg"),
            (Op::Write, "MARK"),
            (Op::Write, "SNAPSHOT"),
            (Op::Create, "NEXT"),
        ] {
            for seed in 0..4 {
                let (mut chance, disk, mut known, mut clock) =
                    (Chance(seed), image.copy(), BTreeMap::new(), clock);
                let mut node = Node::start(&disk, &mut seen).unwrap();
                disk.power_off_after(400);
                disk.fail(op, name, errno);
                node.serve_until_cut(&mut clock, &mut known, &mut chance, &mut seen);
                drop(node);
                let cut = disk.after_power_cut(&mut chance);
                cut.heal();
                Node::start(&cut, &mut seen).unwrap().check(seed, &clock, &known, &mut seen);
            }
        }
    }
}

/// The journal on the disk and what it comes to.
struct Node {
    core: NodeCore,
    home: FileHome<Disk>,
    disk: Disk,
}

impl Node {
    /// As the shell starts: from the newest snapshot that is of use, or from the beginning.
    fn start(disk: &Disk, seen: &mut Seen) -> Result<Self, JournalError> {
        for found in list_in(disk, &genesis())? {
            let Ok(head) = found.head else { continue };
            let (home, opened) = match FileHome::open_in(disk.clone(), Some(head.tail)) {
                Err(JournalError::NotThrough(_)) => continue,
                opened => opened?,
            };
            let parts =
                SnapshotReader::open_in(disk, &found.name, &genesis()).expect("its head was just read");
            let Ok(core) = NodeCore::restore(parts.map(|part| part.map_err(|_| RestoreError::Cut))) else {
                continue;
            };
            seen.from_a_snapshot += 1;
            return Self::replay(
                disk,
                (home, core, Some(head.tail)),
                seen,
                opened.torn.is_some(),
                opened.unmarked_frames,
            );
        }
        let (home, opened) = FileHome::open_in(disk.clone(), None)?;
        let begin = (home, NodeCore::new(), None);
        Self::replay(disk, begin, seen, opened.torn.is_some(), opened.unmarked_frames)
    }

    fn replay(
        disk: &Disk,
        (home, mut core, at): (FileHome<Disk>, NodeCore, Option<Tail>),
        seen: &mut Seen,
        torn: bool,
        unmarked: u64,
    ) -> Result<Self, JournalError> {
        seen.torn += usize::from(torn);
        seen.above_the_mark += usize::from(unmarked > 0);
        let frames: Vec<Frame> = home.read(core.next_seq())?.collect::<Result<_, _>>()?;
        for frame in frames.iter().skip_while(|frame| at.is_some_and(|at| frame.prev != at.chain)) {
            core.stamp(&frame.stamp);
            for (seq, bytes) in (0..).map(|at| frame.first_seq.plus(at)).zip(&frame.records) {
                core.apply(seq, &Record::from_bytes(bytes).unwrap()).unwrap();
            }
        }
        assert_eq!(core.next_seq(), home.tail().next_seq);
        Ok(Self { core, home, disk: disk.clone() })
    }

    /// One frame: decided, durable, answered.
    fn frame(&mut self, clock: &mut ClockReading, input: Input) -> Result<Option<Reply>, JournalError> {
        clock.boottime_ms += 10;
        let stamp = self.core.stamp_of(clock);
        self.core.stamp(&stamp);
        let mut effects = Effects::default();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&clock.boottime_ms.to_le_bytes());
        let idle = matches!(input, Input::Tick);
        self.core.handle(clock, &mut Entropy::new(seed), input, &mut effects);
        let (mut records, mut reply) = (Vec::new(), None);
        for effect in effects.0 {
            match effect {
                Effect::Record(record) => records.push(record.to_bytes()),
                Effect::Reply { body, .. } => reply = Some(body),
                Effect::Sign(_) | Effect::Event(_) => {}
            }
        }
        if records.is_empty() && !idle {
            self.core.forget_frame();
        } else {
            self.home.commit(Draft::of_records(stamp, records))?;
        }
        Ok(reply)
    }

    /// Takes, renews and gives back seats, ticks and makes snapshots, until the disk refuses.
    fn serve_until_cut(
        &mut self,
        clock: &mut ClockReading,
        known: &mut BTreeMap<u8, Known>,
        chance: &mut Chance,
        seen: &mut Seen,
    ) {
        for _ in 0..200 {
            let key = u8::try_from(chance.below(250)).unwrap();
            let done = match (
                chance.below(8),
                known.values().copied().find(|known| matches!(known, Known::Held(_))),
            ) {
                (0, _) => self.frame(clock, Input::Tick).map(drop),
                // One that is not written harms nothing.
                (1, _) => {
                    let _ = self.snapshot();
                    Ok(())
                }
                (2, Some(Known::Held((lease, _)))) => self
                    .frame(
                        clock,
                        Input::Renew { to: ReplyTo(0), principal: ANN, lease, idle_ms: None, shown: None },
                    )
                    .map(drop),
                (3..=5, Some(Known::Held(lease))) => self.release(clock, lease, known),
                _ => self.checkout(clock, key, known),
            };
            if done.is_err() {
                return;
            }
            seen.acknowledged += 1;
        }
    }

    fn checkout(
        &mut self,
        clock: &mut ClockReading,
        key: u8,
        known: &mut BTreeMap<u8, Known>,
    ) -> Result<(), JournalError> {
        if let Some(Reply::Seat(seat)) = self.frame(clock, checkout(key))? {
            known.entry(key).or_insert(Known::Held((seat.lease, seat.epoch)));
        }
        Ok(())
    }

    fn release(
        &mut self,
        clock: &mut ClockReading,
        lease: Lease,
        known: &mut BTreeMap<u8, Known>,
    ) -> Result<(), JournalError> {
        let key = *known.iter().find(|(_, known)| **known == Known::Held(lease)).unwrap().0;
        known.insert(key, Known::Returning(lease));
        self.frame(clock, Input::Release { to: ReplyTo(0), principal: ANN, lease: lease.0 })?;
        known.insert(key, Known::Returned(lease));
        Ok(())
    }

    fn snapshot(&self) -> Result<(), JournalError> {
        let head = SnapshotHead { state_version: STATE_VERSION, tail: self.home.tail(), made_at: NOW };
        let mut writer = SnapshotWriter::create_in(self.disk.clone(), genesis(), head)?;
        self.core.snapshot().try_for_each(|part| writer.add(&part))?;
        writer.finish()
    }

    /// Each acknowledged operation is there, and a retry gets what the first answer said.
    fn check(&mut self, seed: u64, clock: &ClockReading, known: &BTreeMap<u8, Known>, seen: &mut Seen) {
        let mut clock = *clock;
        let live = |node: &Self, clock: &ClockReading| -> BTreeMap<LeaseId, u64> {
            node.core.leases(clock).leases.iter().map(|lease| (lease.lease_id, lease.epoch)).collect()
        };
        let before = live(self, &clock);
        for (&key, &known) in known {
            let again = self.frame(&mut clock, checkout(key)).unwrap();
            let now = match &again {
                Some(Reply::Seat(seat)) => Some((seat.lease, seat.epoch)),
                _ => None,
            };
            seen.retried += 1;
            match known {
                Known::Held(lease) => {
                    assert_eq!(before.get(&lease.0), Some(&lease.1), "seed {seed}: key {key} is lost");
                    assert_eq!(now, Some(lease), "seed {seed}: key {key}: {again:?}");
                }
                Known::Returned(lease) => {
                    assert!(!before.contains_key(&lease.0), "seed {seed}: key {key} came back");
                    assert_eq!(now, None, "seed {seed}: key {key}: {again:?}");
                }
                Known::Returning(lease) => {
                    assert!(now.is_none_or(|now| now == lease), "seed {seed}: key {key}");
                }
            }
        }
        assert!(live(self, &clock).len() <= SEATS as usize, "seed {seed}: oversold");
    }
}

/// A node that was made and provisioned; and its clock.
fn image() -> (Disk, ClockReading) {
    let disk = Disk::default();
    let home = FileHome::create_in(disk.clone(), &genesis()).unwrap();
    let mut node = Node { core: NodeCore::new(), home, disk: disk.clone() };
    let mut clock = ClockReading {
        boottime_ms: 1_000_000,
        mono_ms: 1_000_000,
        raw_ms: 1_000_000,
        wall_ms: NOW,
        boot_id: BootId([1; 16]),
        ..ClockReading::default()
    };
    let vendor = Vendor::new(1);
    let initialise = Initialise {
        cause: cause(),
        trust_root: vendor.trust_root(),
        sign_key: TestKey::new(2).public_key().bytes(),
        tls_keys: vec![SpkiDigest([1; 32])],
        name: "plant".to_owned(),
    };
    node.frame(&mut clock, Input::Initialise(initialise)).unwrap();
    let journal = JournalTail { seq: 1, chain: Digest([0; 32]) };
    let request = Input::MakeRequest {
        to: ReplyTo(0),
        cause: cause(),
        way: Way::Courier,
        present: false,
        join: None,
        journal,
    };
    let Some(Reply::Request(request)) = node.frame(&mut clock, request).unwrap() else {
        panic!("no request")
    };
    let envelope = vendor.answer(&request, &Offer::new(1, vec![PoolOffer::new(1, "cad", SEATS)]));
    let import =
        Input::Import { to: ReplyTo(0), cause: cause(), envelope, dry_run: false, accept_time: false };
    let reply = node.frame(&mut clock, import).unwrap();
    assert!(matches!(reply, Some(Reply::Imported(_))), "{reply:?}");
    node.home.close().unwrap();
    (disk.after_kill(), clock)
}

fn checkout(key: u8) -> Input {
    let holder = Holder {
        user: "ann".to_owned(),
        host: "desk".to_owned(),
        process: None,
        proof: HolderProof::Asserted,
    };
    let checkout = Checkout {
        product: Some("cad".to_owned()),
        pool: None,
        features: Vec::new(),
        count: 1,
        holder,
        key: IdempotencyKey([key; 16]),
        ttl_ms: None,
    };
    Input::Checkout { to: ReplyTo(0), principal: ANN, checkout }
}

fn genesis() -> Genesis {
    Genesis::new("node", [1; 16], [2; 16]).unwrap().with_segment_bytes(SEGMENT_BYTES).unwrap()
}

fn cause() -> Cause {
    Cause { actor: "tester".to_owned(), reason: None, idempotency_key: None }
}
