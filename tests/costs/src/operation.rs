//! What is counted.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use leasehold_node_core::Reply;

use crate::node::Node;

/// One operation on a state that says where costs could grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    kind: Kind,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A seat for a new key.
    Checkout,
    /// The same key again.
    Retry,
    /// A longer life.
    Renew,
    /// A seat given back.
    Release,
    /// No seat is free.
    Denial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Hardly anybody is there.
    Few,
    /// Thousands of leases.
    Many,
    /// Thousands of leases, and free seats between all of them.
    Scattered,
}

impl Operation {
    /// Every one that is counted.
    pub(crate) const ALL: [Self; 9] = [
        Self::new(Kind::Checkout, State::Few),
        Self::new(Kind::Checkout, State::Many),
        Self::new(Kind::Checkout, State::Scattered),
        Self::new(Kind::Retry, State::Many),
        Self::new(Kind::Renew, State::Few),
        Self::new(Kind::Renew, State::Many),
        Self::new(Kind::Release, State::Many),
        Self::new(Kind::Release, State::Scattered),
        Self::new(Kind::Denial, State::Many),
    ];

    const fn new(kind: Kind, state: State) -> Self {
        Self { kind, state }
    }

    /// What people call it.
    pub(crate) const fn name(self) -> &'static str {
        match (self.kind, self.state) {
            (Kind::Checkout, State::Few) => "checkout-few",
            (Kind::Checkout, State::Many) => "checkout-many",
            (Kind::Checkout, State::Scattered) => "checkout-scattered",
            (Kind::Retry, _) => "retry",
            (Kind::Renew, State::Few) => "renew-few",
            (Kind::Renew, _) => "renew-many",
            (Kind::Release, State::Scattered) => "release-scattered",
            (Kind::Release, _) => "release-many",
            (Kind::Denial, _) => "denial",
        }
    }

    /// Prepares the state, and carries the operation out so many times.
    pub(crate) fn repeat(self, times: u32) {
        let mut node = self.state.node(self.kind);
        for number in 0..times {
            let reply = match self.kind {
                Kind::Checkout | Kind::Denial => node.checkout(),
                Kind::Retry => node.retry(number),
                Kind::Renew => node.renew(number),
                Kind::Release => node.release(number),
            };
            let expected = match self.kind {
                Kind::Checkout | Kind::Retry | Kind::Renew => matches!(reply, Reply::Seat(_)),
                Kind::Release => matches!(reply, Reply::Released(true)),
                Kind::Denial => matches!(reply, Reply::Denied(_)),
            };
            assert!(expected, "{}: {reply:?}", self.name());
        }
    }
}

/// Leases where there are many.
const MANY: u32 = 1000;
/// Seats beyond those that are held.
const ROOM: u32 = 800;

impl State {
    fn node(self, kind: Kind) -> Node {
        let room = if kind == Kind::Denial { 0 } else { ROOM };
        match self {
            Self::Few => Node::with(10, 10 + room),
            Self::Many => Node::with(MANY, MANY + room),
            Self::Scattered => {
                let mut node = Node::with(2 * MANY, 2 * MANY + room);
                node.release_every_second();
                node
            }
        }
    }
}

impl ValueEnum for Operation {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}
