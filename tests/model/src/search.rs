//! Breadth first through every reachable world, so that the first violation found has a shortest history.
//!
//! Of a world seen only a fingerprint of 64 bits is kept, with that of the world it came from. That two of N worlds
//! share one, and one of them goes unseen, has a chance below N²/2⁶⁵: one in three hundred thousand for ten million.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::Duration;

use leasehold_clock::Stopwatch;

use crate::action::Action;
use crate::scope::Model;
use crate::world::World;

/// What an exploration found.
#[derive(Debug)]
pub struct Outcome {
    /// Different worlds.
    pub states: usize,
    /// Steps between them.
    pub steps: u64,
    /// Steps from a first world to the farthest.
    pub depth: usize,
    /// How often each action happened.
    pub happened: BTreeMap<String, u64>,
    /// The shortest history that breaks the law; nothing if the law holds in all worlds.
    pub violation: Option<History>,
    /// Time taken.
    pub took: Duration,
}

/// A first world, and what happened then.
#[derive(Clone, Debug)]
pub struct History {
    first: World,
    steps: Vec<(Action, World)>,
}

/// Explores all of a model, or until the law is broken.
pub fn explore(model: &Model) -> Outcome {
    let clock = Stopwatch::start();
    let mut search = Search::new(model);
    let mut depth = 0;
    let found = loop {
        if let Some(found) = search.broken {
            break Some(found);
        }
        if search.frontier.is_empty() {
            break None;
        }
        depth += 1;
        search.advance();
    };
    Outcome {
        states: search.seen.len(),
        steps: search.counts.iter().sum(),
        depth,
        happened: search.happened(),
        violation: found.map(|fingerprint| search.history(fingerprint)),
        took: clock.elapsed(),
    }
}

/// A fingerprint that is as good as random, and serves as its own hash.
type Fingerprint = u64;

struct Search<'a> {
    model: &'a Model,
    actions: Vec<Action>,
    counts: Vec<u64>,
    /// Each world seen, and where it was reached from.
    seen: HashMap<Fingerprint, Option<Fingerprint>, BuildHasherDefault<Itself>>,
    frontier: Vec<(Fingerprint, World)>,
    broken: Option<Fingerprint>,
}

impl<'a> Search<'a> {
    fn new(model: &'a Model) -> Self {
        let actions = Action::all(&model.scope);
        let counts = vec![0; actions.len()];
        let mut search =
            Self { model, actions, counts, seen: HashMap::default(), frontier: Vec::new(), broken: None };
        for first in World::initial() {
            search.reach(None, first.canonical());
        }
        search
    }

    /// One step from each world of the frontier.
    fn advance(&mut self) {
        for (fingerprint, world) in std::mem::take(&mut self.frontier) {
            for index in 0..self.actions.len() {
                if let Some(next) = self.actions[index].apply(self.model, &world) {
                    self.counts[index] += 1;
                    self.reach(Some(fingerprint), next.canonical());
                }
            }
        }
    }

    fn reach(&mut self, from: Option<Fingerprint>, world: World) {
        let fingerprint = fingerprint(&world);
        if let hash_map::Entry::Vacant(unseen) = self.seen.entry(fingerprint) {
            unseen.insert(from);
            if self.broken.is_none() && world.breaks_law() {
                self.broken = Some(fingerprint);
            }
            self.frontier.push((fingerprint, world));
        }
    }

    fn happened(&self) -> BTreeMap<String, u64> {
        let mut happened = BTreeMap::new();
        for (action, count) in self.actions.iter().zip(&self.counts) {
            *happened.entry(action.name()).or_default() += count;
        }
        happened
    }

    /// Follows the fingerprints from the first world, without renaming anybody on the way.
    fn history(&self, last: Fingerprint) -> History {
        let mut path = vec![last];
        while let Some(Some(before)) = path.last().map(|fingerprint| self.seen[fingerprint]) {
            path.push(before);
        }
        let mut path = path.into_iter().rev();
        let start = path.next();
        let first = World::initial().into_iter().find(|world| Some(fingerprint(&world.canonical())) == start);
        let first = first.expect("every path begins in a first world");
        let mut history = History { first, steps: Vec::new() };
        let mut world = first;
        for wanted in path {
            let mut steps =
                self.actions.iter().filter_map(|&action| Some((action, action.apply(self.model, &world)?)));
            let step = steps.find(|(_, next)| fingerprint(&next.canonical()) == wanted);
            let step = step.expect("the same step was possible under other names");
            world = step.1;
            history.steps.push(step);
        }
        history
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, took, violation, .. } = self;
        let seconds = took.as_secs_f64();
        match violation {
            None => write!(f, "holds in {states} states, {steps} steps, {depth} deep, {seconds:.1} s"),
            Some(history) => {
                let len = history.steps.len();
                write!(f, "broken after {len} steps, {states} states, {seconds:.1} s\n{history}")
            }
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.first.nodes.map(|node| node.clock);
        writeln!(f, "  at 0: clock of node 0 {a:?}, of node 1 {b:?}")?;
        let mut now = self.first.now;
        for (action, world) in &self.steps {
            if *action != Action::Tick {
                writeln!(f, "  at {now}: {action}")?;
            }
            now = world.now;
        }
        for (number, slot) in self.steps.last().map(|(_, world)| world.slots).iter().flatten().enumerate() {
            let users = slot.usage.iter().filter(|usage| usage.stop().is_some()).count();
            if users > 1 {
                writeln!(f, "  at {now}: slot {number} has two users: {:?}", slot.usage)?;
            }
        }
        Ok(())
    }
}

fn fingerprint(world: &World) -> Fingerprint {
    let mut bytes = Bytes { bytes: [0; Bytes::CAPACITY], len: 0 };
    world.hash(&mut bytes);
    bytes.finish()
}

/// Collects what a value hashes, and mixes it eight bytes at a time.
struct Bytes {
    bytes: [u8; Bytes::CAPACITY],
    len: usize,
}

impl Bytes {
    /// More than a world writes.
    const CAPACITY: usize = 512;
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

impl Hasher for Bytes {
    fn write_u8(&mut self, byte: u8) {
        self.push(byte);
    }

    /// Which variant of an enum, and how long an array: both small.
    fn write_isize(&mut self, small: isize) {
        self.push(small.to_le_bytes()[0]);
    }

    fn write_usize(&mut self, small: usize) {
        self.push(small.to_le_bytes()[0]);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    fn finish(&self) -> Fingerprint {
        let mut mixed = Self::MULTIPLIER;
        for word in self.bytes[..self.len.next_multiple_of(8)].chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            let product = u128::from(mixed ^ word) * u128::from(Self::MULTIPLIER);
            let [low, high] = [product & u128::from(u64::MAX), product >> 64];
            mixed = u64::try_from(low ^ high).expect("half of the product").rotate_left(23);
        }
        mixed
    }
}

/// The hash of a fingerprint is the fingerprint.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
