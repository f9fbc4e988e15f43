//! What applications asked of one pool and were told.

use std::collections::BTreeMap;

/// A moment of a history: events are counted, since only their order matters.
pub(crate) type Moment = usize;

/// What names a lease for its application.
pub(crate) type Key = usize;

/// A lease, as a node tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) lease: String,
    pub(crate) epoch: u64,
    pub(crate) slot: u64,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Checkout,
    Renew,
    Release,
    /// Whether the lease is among those that have not ended.
    List,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A checkout: here it is. A renewal: it goes on. A list: it is there.
    Live,
    /// A release: it was live until now.
    Released,
    /// No seat is free.
    Full,
    /// The lease has ended, or there is none.
    Ended,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) key: Key,
    pub(crate) asked: Asked,
    pub(crate) begun: Moment,
    /// The answer and when it came; none is unknown.
    pub(crate) told: Option<(Told, Moment)>,
}

/// All operations on one pool, from an empty one on.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) seats: usize,
    pub(crate) operations: Vec<Operation>,
    /// What was told about leases, first.
    pub(crate) leases: BTreeMap<Key, Seat>,
    /// And what else about the same ones.
    pub(crate) contradictions: Vec<(Key, Asked, Seat)>,
}

impl History {
    /// Operations that nobody knows the outcome of.
    pub(crate) fn unknown(&self) -> usize {
        self.operations.iter().filter(|operation| operation.told.is_none()).count()
    }
}
