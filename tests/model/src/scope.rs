//! How far the model goes, and with which rules.

use crate::rule::Rule;
use crate::world::{Kind, Tick};

/// Life of a lease, and W, the longest that the pool allows.
pub(crate) const TTL: Tick = 1;
/// Grace of a node before it takes a leased seat: G.
pub(crate) const GRACE: Tick = 1;
/// How long after its grant a lease may be used in truth, by a client whose clock is as slow as A1 allows. STOP and G
/// are chosen so that this is the first instant at which a node whose clock is as fast as A1 allows takes the seat.
pub(crate) const HOLD: Tick = TTL + GRACE;
/// Longest borrow.
pub(crate) const LONGEST_BORROW: Tick = 2;
/// Grace of a node before it takes a borrowed seat, and how much longer the client's meter may run.
pub(crate) const BORROW_GRACE: Tick = 1;
/// How far beyond its row a borrow, with its grace, may end: mclt of base rows.
pub(crate) const MCLT: Tick = 1;
/// Life of an elastic row.
pub(crate) const ELASTIC_TERM: Tick = 4;

/// The bounds of one exploration. Two nodes, three seats, two clients, every pair of clocks, and every loss, delay,
/// repetition and order of messages are in all of them, but for seats where little time or few faults would be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name.
    pub name: &'static str,
    /// The last instant.
    pub horizon: Tick,
    /// Kinds of rows that are made.
    pub kinds: &'static [Kind],
    /// Seats that are ever allocated.
    pub seats: usize,
    /// Rows at which the issuer stops to make new ones. Those of a new generation count, and are made all the same.
    pub allocations: u8,
    /// Renewals of rows.
    pub row_renewals: u8,
    /// End of base and fixed rows.
    pub base_end: Tick,
    /// Seats of base and fixed rows can be borrowed.
    pub borrows: bool,
    /// A node can be destroyed.
    pub destroys: bool,
    /// Restores of nodes.
    pub node_restores: u8,
    /// Such restores can bring the MARK back as well, so that the node cannot notice.
    pub with_mark: bool,
    /// Restores of the issuer.
    pub issuer_restores: u8,
}

const ELASTIC: &[Kind] = &[Kind::Elastic];
const BASE: &[Kind] = &[Kind::Base];
const BASE_AND_FIXED: &[Kind] = &[Kind::Base, Kind::Fixed];
const ALL_KINDS: &[Kind] = &[Kind::Elastic, Kind::Base, Kind::Fixed];

/// What all scopes begin with: elastic rows of three seats, and nothing is lost but messages and clients.
const CALM: Scope = Scope {
    name: "calm",
    horizon: 5,
    kinds: ELASTIC,
    seats: 3,
    allocations: 3,
    row_renewals: 1,
    base_end: 3,
    borrows: false,
    destroys: false,
    node_restores: 0,
    with_mark: false,
    issuer_restores: 0,
};

impl Scope {
    /// Rows, their renewals, releases and ends.
    pub const ROWS: Self = Self { name: "rows", horizon: 4, ..CALM };
    /// All kinds of rows to their ends.
    pub const ENDS: Self = Self { name: "ends", horizon: 6, kinds: ALL_KINDS, allocations: 2, ..CALM };
    /// The same with borrows, and a node that is destroyed.
    pub const BORROWS: Self =
        Self { name: "borrows", borrows: true, destroys: true, row_renewals: 0, ..Self::ENDS };
    /// Many releases of the same slots.
    pub const RELEASES: Self = Self { name: "releases", horizon: 1, seats: 2, ..CALM };
    /// A node is restored.
    pub const NODE: Self =
        Self { name: "node restored", horizon: 3, allocations: 2, node_restores: 1, ..CALM };
    /// A node is restored that has released before.
    pub const NODE_RELEASES: Self =
        Self { name: "node restored after releases", seats: 1, allocations: 3, horizon: 2, ..Self::NODE };
    /// A node is restored that let seats be borrowed.
    pub const NODE_BORROWS: Self = Self {
        name: "node restored after borrows",
        horizon: 6,
        kinds: BASE,
        base_end: 4,
        borrows: true,
        ..Self::NODE
    };
    /// A node with fixed rows is restored.
    pub const NODE_FIXED: Self = Self {
        name: "node with fixed rows restored",
        horizon: 5,
        kinds: BASE_AND_FIXED,
        base_end: 8,
        ..Self::NODE
    };
    /// A node is restored twice.
    pub const NODE_TWICE: Self =
        Self { name: "node restored twice", seats: 1, allocations: 3, node_restores: 2, ..Self::NODE_FIXED };
    /// A node is restored and does not notice.
    pub const NODE_WITH_MARK: Self =
        Self { name: "node restored with its MARK", row_renewals: 0, with_mark: true, ..Self::NODE };
    /// The issuer is restored.
    pub const ISSUER: Self =
        Self { name: "issuer restored", horizon: 4, allocations: 2, issuer_restores: 1, ..CALM };
    /// The issuer is restored, and the same seat goes round.
    pub const ISSUER_SEAT: Self = Self { name: "issuer restored, one seat", seats: 1, ..Self::ISSUER };
    /// The issuer and a node are restored.
    pub const BOTH: Self =
        Self { name: "both restored", horizon: 3, row_renewals: 0, node_restores: 1, ..Self::ISSUER_SEAT };

    /// What every run of the tests explores.
    pub const DAILY: [Self; 13] = [
        Self::ROWS,
        Self::ENDS,
        Self::BORROWS,
        Self::RELEASES,
        Self::NODE,
        Self::NODE_RELEASES,
        Self::NODE_BORROWS,
        Self::NODE_FIXED,
        Self::NODE_TWICE,
        Self::NODE_WITH_MARK,
        Self::ISSUER,
        Self::ISSUER_SEAT,
        Self::BOTH,
    ];

    /// Some of these with more time, more rows and all seats.
    pub const NIGHTLY: [Self; 6] = [
        Self { horizon: 6, ..Self::ROWS },
        Self { row_renewals: 1, ..Self::NODE_WITH_MARK },
        Self { allocations: 3, ..Self::NODE_BORROWS },
        Self { allocations: 3, ..Self::NODE_FIXED },
        Self { seats: 3, ..Self::BOTH },
        Self { horizon: 4, row_renewals: 1, ..Self::BOTH },
    ];
}

/// A scope with the rules that hold in it.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// How far.
    pub scope: Scope,
    /// The rule that is left out.
    pub without: Option<Rule>,
}

impl Model {
    /// Whether `rule` is obeyed.
    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// How far beyond its end a row of this kind may have promised.
    pub fn mclt(&self, kind: Kind) -> Tick {
        if self.scope.borrows && kind != Kind::Elastic { MCLT } else { 0 }
    }

    /// The longest promise that somebody may have forgotten, from now on.
    pub fn longest_promise(&self, kind: Kind) -> Tick {
        if self.scope.borrows && kind != Kind::Elastic { HOLD + LONGEST_BORROW } else { HOLD }
    }
}
