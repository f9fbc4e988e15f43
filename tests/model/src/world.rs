//! The state: everything that issuer, nodes, clients and the network between them hold at one instant.
//!
//! What concerns one slot stands together, for no law and no rule looks at two slots at once, and columns can be
//! sorted: slots, nodes and clients are interchangeable, and of all worlds that differ only in names one is explored.

/// Seats sold of the pool.
pub(crate) const SLOTS: usize = 3;
/// Nodes of the account.
pub(crate) const NODES: usize = 2;
/// Applications that want a seat.
pub(crate) const CLIENTS: usize = 2;

/// Time in ticks. A tick is the unit of everything: life of a lease, grace, error of a clock.
pub type Tick = u8;
/// Names one allocation of a slot. A later one is higher; none repeats, as the issuer's generation stands above it.
pub(crate) type RowId = u8;
/// Counts a node's releases.
pub(crate) type ReportSeq = u8;
/// The registered life of a node's journal. Here also the number of the RECOVER whose request made it.
pub(crate) type Generation = u8;

/// Everything at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct World {
    /// True time, which no party sees.
    pub(crate) now: Tick,
    /// What the issuer knows of the nodes.
    pub(crate) issuer: Issuer,
    /// The same as of the backup; its part of each slot is [`Slot::ledger_backup`].
    pub(crate) issuer_backup: Option<Accounts>,
    /// The nodes.
    pub(crate) nodes: [Node; NODES],
    /// The seats of the pool.
    pub(crate) slots: [Slot; SLOTS],
    /// Renewals of rows so far, which the scope bounds.
    pub(crate) rows_renewed: u8,
    /// Restores of nodes so far, which the scope bounds.
    pub(crate) nodes_restored: u8,
    /// Restores of the issuer so far, which the scope bounds.
    pub(crate) issuers_restored: u8,
}

/// The issuer, but for its ledger of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Issuer {
    /// What its journal says of the nodes.
    pub(crate) accounts: Accounts,
    /// RECOVER: which nodes have reported since the restore.
    pub(crate) frozen: Option<[bool; NODES]>,
}

/// What the issuer's journal says of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Accounts {
    /// The nodes that ever got a seat, as far as the journal goes.
    pub(crate) known: [bool; NODES],
    /// The generation each is registered with.
    pub(crate) generation: [Generation; NODES],
    /// The newest release taken from each.
    pub(crate) acked: [ReportSeq; NODES],
}

/// A node, but for its ledger of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    /// How far its interval of time is from true time.
    pub(crate) clock: Clock,
    /// What it may do.
    pub(crate) mode: Mode,
    /// What its journal says.
    pub(crate) journal: Journal,
    /// The same as of the backup; its part of each slot is in [`AtNode`].
    pub(crate) backup: Option<Journal>,
    /// How often it entered RECOVER: the nonce that a request for a new generation carries.
    pub(crate) recoveries: Generation,
    /// After RECOVER, slots that could have been borrowed stay in QUARANTINE until then; 0 = no longer.
    pub(crate) borrows_unknown_until: Tick,
    /// Its journal is older than it knows. The node cannot see this.
    pub(crate) regressed: bool,
}

/// What a node's journal says, but for slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Journal {
    /// The generation its rows belong to.
    pub(crate) generation: Generation,
    /// Its newest release.
    pub(crate) report_seq: ReportSeq,
}

/// The two ends of an honest node's error: its interval `[floor, hi]` touches true time from either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Clock {
    /// Behind: `hi` is true time, so it promises as late as it ever may.
    Behind,
    /// Ahead: `floor` is true time, so it takes borrowed seats back as early as it ever may.
    Ahead,
}

impl Clock {
    /// Proven lower bound of true time.
    pub(crate) const fn floor(self, now: Tick) -> Tick {
        match self {
            Self::Behind => now.saturating_sub(1),
            Self::Ahead => now,
        }
    }

    /// Upper bound of true time.
    pub(crate) const fn hi(self, now: Tick) -> Tick {
        match self {
            Self::Behind => now,
            Self::Ahead => now + 1,
        }
    }
}

/// What a node may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    /// Everything that its rows allow.
    Serving,
    /// Its ledger may have regressed: adopts tickets, nothing else.
    Recovering {
        /// When it began.
        since: Tick,
        /// Rows that answer the request made in this RECOVER have come.
        answered: bool,
    },
    /// Destroyed.
    Gone,
}

/// Everything that concerns one seat of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    /// How often it was allocated: the newest [`RowId`]. No restore takes this back.
    pub(crate) allocated: RowId,
    /// The issuer's ledger.
    pub(crate) ledger: Entry,
    /// The same as of the issuer's backup.
    pub(crate) ledger_backup: Entry,
    /// What each node, and the network to and from it, holds.
    pub(crate) at: [AtNode; NODES],
    /// Who uses it in truth.
    pub(crate) usage: [Usage; CLIENTS],
    /// A node that had regressed without a sign gave it away: assumption A3 is broken, nothing is promised.
    pub(crate) forfeit: bool,
}

/// The issuer's entry for one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    /// The newest row of this slot.
    pub(crate) id: RowId,
    /// Who may serve it.
    pub(crate) holder: Holder,
}

/// Who may serve a slot, for all the issuer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A node, under a row.
    Node {
        /// Its number.
        node: u8,
        /// Of the row.
        kind: Kind,
        /// Of the newest version of the row.
        not_after: Tick,
    },
    /// Nobody, once what a dead generation promised has run out.
    Dead {
        /// When that is.
        until: Tick,
    },
}

/// Kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Short, renewed, moves between nodes.
    Elastic,
    /// To the end of the grant; seats may be borrowed.
    Base,
    /// A base row of a site without contact: never freed by time or release within its generation. The node may use
    /// it without an upper bound of time, out of the row's suspect budget.
    Fixed,
}

/// A row as a node holds it: the right to serve one slot. A row of several slots is several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// Which allocation.
    pub(crate) id: RowId,
    /// What kind.
    pub(crate) kind: Kind,
    /// Its end.
    pub(crate) not_after: Tick,
}

/// What one node, and the network to and from it, holds of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AtNode {
    /// The right to serve it.
    pub(crate) row: Option<Row>,
    /// The release that took it out of the rows, until a row acknowledges it; 0 = none.
    pub(crate) released: ReportSeq,
    /// Who has it.
    pub(crate) seat: Seat,
    /// Row, release and seat as of the node's backup.
    pub(crate) backup: Option<(Option<Row>, ReportSeq, Seat)>,
    /// The newest row sent to the node. It may arrive late, never, or again and again.
    pub(crate) bag: Option<Sent>,
    /// The newest release sent to the issuer: it may arrive late, never, or again and again.
    pub(crate) release_sent: Option<(RowId, ReportSeq, Generation)>,
}

/// A row on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sent {
    /// The row.
    pub(crate) row: Row,
    /// `acked_report_seq` of the row.
    pub(crate) acked: ReportSeq,
    /// The node's generation it was made for.
    pub(crate) generation: Generation,
}

/// Who has a seat, for all its node knows. A lease is named by its client: nobody holds two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Seat {
    /// Nobody; or somebody whose deadline and grace are over, which is the same to whoever asks.
    Free,
    /// ACTIVE.
    Leased {
        /// By whom.
        client: u8,
        /// Its deadline, in service time, which runs like true time here.
        deadline: Tick,
    },
    /// BORROWED.
    Borrowed {
        /// By whom.
        client: u8,
        /// Its end, by the calendar.
        not_after: Tick,
    },
}

/// What one client does with one slot, in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Usage {
    /// Nothing.
    Idle,
    /// Uses it under a lease.
    Leased {
        /// Of this node.
        node: u8,
        /// Its own STOP at the latest, if its clock is as slow as A1 allows.
        stop: Tick,
    },
    /// Uses it under a borrow.
    Borrowed {
        /// Of this node.
        node: u8,
        /// Its end at the latest, if its meter is as slow as A1 allows.
        stop: Tick,
    },
}

impl Usage {
    /// When it ends by itself.
    pub(crate) const fn stop(self) -> Option<Tick> {
        match self {
            Self::Idle => None,
            Self::Leased { stop, .. } | Self::Borrowed { stop, .. } => Some(stop),
        }
    }
}

impl World {
    /// Nothing is allocated, nobody knows anything; one world for each pair of clocks.
    pub(crate) fn initial() -> [Self; 3] {
        let (behind, ahead) = (Clock::Behind, Clock::Ahead);
        [[behind, behind], [behind, ahead], [ahead, ahead]].map(Self::with_clocks)
    }

    fn with_clocks(clocks: [Clock; NODES]) -> Self {
        let accounts = Accounts { known: [false; NODES], generation: [0; NODES], acked: [0; NODES] };
        let journal = Journal { generation: 0, report_seq: 0 };
        let node = |clock| Node {
            clock,
            mode: Mode::Serving,
            journal,
            backup: None,
            recoveries: 0,
            borrows_unknown_until: 0,
            regressed: false,
        };
        let entry = Entry { id: 0, holder: Holder::Nobody };
        let at =
            AtNode { row: None, released: 0, seat: Seat::Free, backup: None, bag: None, release_sent: None };
        let slot = Slot {
            allocated: 0,
            ledger: entry,
            ledger_backup: entry,
            at: [at; NODES],
            usage: [Usage::Idle; CLIENTS],
            forfeit: false,
        };
        Self {
            now: 0,
            issuer: Issuer { accounts, frozen: None },
            issuer_backup: None,
            nodes: clocks.map(node),
            slots: [slot; SLOTS],
            rows_renewed: 0,
            nodes_restored: 0,
            issuers_restored: 0,
        }
    }

    /// A client uses at most one seat.
    pub(crate) fn is_idle(&self, client: usize) -> bool {
        self.slots.iter().all(|slot| slot.usage[client] == Usage::Idle)
    }

    /// The law: no seat is used by two at once, so the seats in use never exceed those sold.
    pub(crate) fn breaks_law(&self) -> bool {
        self.slots.iter().any(|slot| {
            let users = slot.usage.iter().filter(|usage| **usage != Usage::Idle).count();
            users > 1 && !slot.forfeit
        })
    }

    /// Of all worlds that differ only in the names of slots, nodes and clients, always the same one.
    pub(crate) fn canonical(&self) -> Self {
        let mut least = self.sorted();
        let mut other = *self;
        other.swap_clients();
        least = least.min(other.sorted());
        if self.nodes[0].clock == self.nodes[1].clock {
            other.swap_nodes();
            least = least.min(other.sorted());
            other.swap_clients();
            least = least.min(other.sorted());
        }
        least
    }

    fn sorted(mut self) -> Self {
        self.slots.sort_unstable();
        self
    }

    fn swap_nodes(&mut self) {
        self.nodes.swap(0, 1);
        for accounts in [Some(&mut self.issuer.accounts), self.issuer_backup.as_mut()].into_iter().flatten() {
            accounts.known.swap(0, 1);
            accounts.generation.swap(0, 1);
            accounts.acked.swap(0, 1);
        }
        if let Some(reported) = &mut self.issuer.frozen {
            reported.swap(0, 1);
        }
        for slot in &mut self.slots {
            slot.at.swap(0, 1);
            for entry in [&mut slot.ledger, &mut slot.ledger_backup] {
                if let Holder::Node { node, .. } = &mut entry.holder {
                    *node = 1 - *node;
                }
            }
            for usage in &mut slot.usage {
                if let Usage::Leased { node, .. } | Usage::Borrowed { node, .. } = usage {
                    *node = 1 - *node;
                }
            }
        }
    }

    fn swap_clients(&mut self) {
        for slot in &mut self.slots {
            slot.usage.swap(0, 1);
            for at in &mut slot.at {
                at.seat.swap_clients();
                if let Some((_, _, seat)) = &mut at.backup {
                    seat.swap_clients();
                }
            }
        }
    }
}

impl Seat {
    fn swap_clients(&mut self) {
        if let Self::Leased { client, .. } | Self::Borrowed { client, .. } = self {
            *client = 1 - *client;
        }
    }
}
