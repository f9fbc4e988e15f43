//! Everything that can happen, one step at a time.

use std::fmt;

use crate::scope::{Model, Scope};
use crate::world::{CLIENTS, Kind, NODES, SLOTS, World};
use crate::{client, fault, issuer, node};

/// A step. Slots, nodes and clients are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// True time passes; clients stop at their STOP; nodes take back what has run out.
    Tick,
    /// The issuer gives a free slot to a node and sends the row.
    Allocate { slot: usize, node: usize, kind: Kind },
    /// The issuer closes a row by time and gives the slot away.
    Reallocate { slot: usize, node: usize, kind: Kind },
    /// The issuer extends a row and sends its new version.
    RenewRow { slot: usize },
    /// A release arrives at the issuer, for the first time or again.
    TakeRelease { slot: usize, node: usize },
    /// The issuer answers a node's request made in RECOVER: new generation, new rows.
    Reissue { node: usize },
    /// An operator attests that a node is destroyed.
    AttestDestroyed { node: usize },
    /// A row arrives at a node, for the first time or again.
    Import { slot: usize, node: usize },
    /// A row of a new generation arrives at a node in RECOVER.
    ImportAnswer { slot: usize, node: usize },
    /// A node gives a slot back: takes it out of its rows and signs the release.
    Release { slot: usize, node: usize },
    /// RECOVER ends: answered, and waited for.
    EndRecover { node: usize },
    /// A client gets a lease.
    CheckOut { slot: usize, node: usize, client: usize },
    /// A client gets a lease under a fixed row of a node whose RECOVER ended for such rows by time alone.
    CheckOutFixed { slot: usize, node: usize, client: usize },
    /// A client renews its lease.
    Renew { slot: usize, client: usize },
    /// A node in RECOVER adopts the ticket of a client that holds, and renews it.
    Adopt { slot: usize, client: usize },
    /// A client borrows a seat.
    Borrow { slot: usize, node: usize, client: usize },
    /// A client gives its seat back.
    Return { slot: usize, client: usize },
    /// A client ends without a word, or its word is lost.
    Vanish { slot: usize, client: usize },
    /// A node learns from a ticket that it has forgotten a lease.
    PresentLostTicket { slot: usize, client: usize },
    /// A node learns from a row that it has forgotten a report.
    PresentLostReport { slot: usize, node: usize },
    /// A node's journal is backed up.
    BackUpNode { node: usize },
    /// A node's journal is set back to its backup; the MARK tells.
    RestoreNode { node: usize },
    /// A node's journal and MARK are set back together.
    RestoreNodeWithMark { node: usize },
    /// A node is destroyed.
    DestroyNode { node: usize },
    /// The issuer's journal is backed up.
    BackUpIssuer,
    /// The issuer's journal is set back to its backup.
    RestoreIssuer,
    /// A node reports to the issuer that was restored.
    Report { node: usize },
    /// The issuer that was restored extends a row that was presented to it.
    ExtendPresented { slot: usize },
    /// The issuer ends its RECOVER.
    Thaw,
}

impl Action {
    /// Every action that this scope can have.
    pub(crate) fn all(scope: &Scope) -> Vec<Self> {
        let mut all = vec![Self::Tick, Self::BackUpIssuer, Self::RestoreIssuer, Self::Thaw];
        for node in 0..NODES {
            all.extend([
                Self::Reissue { node },
                Self::AttestDestroyed { node },
                Self::EndRecover { node },
                Self::BackUpNode { node },
                Self::RestoreNode { node },
                Self::RestoreNodeWithMark { node },
                Self::DestroyNode { node },
                Self::Report { node },
            ]);
        }
        for slot in 0..SLOTS {
            all.extend([Self::RenewRow { slot }, Self::ExtendPresented { slot }]);
            for client in 0..CLIENTS {
                all.extend([
                    Self::Renew { slot, client },
                    Self::Adopt { slot, client },
                    Self::Return { slot, client },
                    Self::Vanish { slot, client },
                    Self::PresentLostTicket { slot, client },
                ]);
            }
            for node in 0..NODES {
                Self::add_all_of_row(scope, slot, node, &mut all);
            }
        }
        all
    }

    fn add_all_of_row(scope: &Scope, slot: usize, node: usize, all: &mut Vec<Self>) {
        all.extend([
            Self::TakeRelease { slot, node },
            Self::Import { slot, node },
            Self::ImportAnswer { slot, node },
            Self::Release { slot, node },
            Self::PresentLostReport { slot, node },
        ]);
        for &kind in scope.kinds {
            all.extend([Self::Allocate { slot, node, kind }, Self::Reallocate { slot, node, kind }]);
        }
        for client in 0..CLIENTS {
            all.extend([
                Self::CheckOut { slot, node, client },
                Self::CheckOutFixed { slot, node, client },
                Self::Borrow { slot, node, client },
            ]);
        }
    }

    /// What the world becomes, if this can happen in it.
    pub(crate) fn apply(self, model: &Model, world: &World) -> Option<World> {
        match self {
            Self::Tick => fault::tick(model, world),
            Self::Allocate { slot, node, kind } => issuer::allocate(model, world, slot, node, kind),
            Self::Reallocate { slot, node, kind } => issuer::reallocate(model, world, slot, node, kind),
            Self::RenewRow { slot } => issuer::renew_row(model, world, slot),
            Self::TakeRelease { slot, node } => issuer::take_release(model, world, slot, node),
            Self::Reissue { node } => issuer::reissue(model, world, node),
            Self::AttestDestroyed { node } => issuer::attest_destroyed(model, world, node),
            Self::Report { node } => issuer::take_report(model, world, node),
            Self::ExtendPresented { slot } => issuer::extend_presented(model, world, slot),
            Self::Thaw => issuer::thaw(model, world),
            Self::Import { slot, node } => node::import(model, world, slot, node),
            Self::ImportAnswer { slot, node } => node::import_answer(model, world, slot, node),
            Self::PresentLostReport { slot, node } => node::notice_lost_report(world, slot, node),
            Self::Release { slot, node } => node::release(model, world, slot, node),
            Self::EndRecover { node } => node::end_recover(model, world, node),
            Self::CheckOut { slot, node, client } => node::check_out(model, world, slot, node, client),
            Self::CheckOutFixed { slot, node, client } => {
                node::check_out_fixed(model, world, slot, node, client)
            }
            Self::Borrow { slot, node, client } => node::borrow_seat(model, world, slot, node, client),
            Self::Renew { slot, client } => client::renew(model, world, slot, client),
            Self::Adopt { slot, client } => client::adopt(model, world, slot, client),
            Self::Return { slot, client } => client::give_back(world, slot, client),
            Self::Vanish { slot, client } => client::vanish(world, slot, client),
            Self::PresentLostTicket { slot, client } => client::present_lost_ticket(world, slot, client),
            Self::BackUpNode { node } => fault::back_up_node(model, world, node),
            Self::RestoreNode { node } => fault::restore_node(model, world, node),
            Self::RestoreNodeWithMark { node } => fault::restore_node_with_mark(model, world, node),
            Self::DestroyNode { node } => fault::destroy_node(model, world, node),
            Self::BackUpIssuer => fault::back_up_issuer(model, world),
            Self::RestoreIssuer => fault::restore_issuer(model, world),
        }
    }

    /// Its name without whom it concerns.
    pub(crate) fn name(self) -> String {
        let debug = format!("{self:?}");
        debug.split(' ').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Tick => write!(f, "a tick passes"),
            Self::Allocate { slot, node, kind } => {
                write!(f, "issuer: gives slot {slot} to node {node} ({kind:?}), row sent")
            }
            Self::Reallocate { slot, node, kind } => write!(
                f,
                "issuer: closes the row of slot {slot} by time, gives it to node {node} ({kind:?}), row sent"
            ),
            Self::RenewRow { slot } => write!(f, "issuer: extends the row of slot {slot}, new version sent"),
            Self::TakeRelease { slot, node } => {
                write!(f, "issuer: takes the release of slot {slot} by node {node}")
            }
            Self::Reissue { node } => {
                write!(f, "issuer: registers the next generation of node {node}, rows sent")
            }
            Self::AttestDestroyed { node } => write!(f, "operator: attests that node {node} is destroyed"),
            Self::Import { slot, node } => write!(f, "node {node}: imports the row of slot {slot}"),
            Self::ImportAnswer { slot, node } => {
                write!(f, "node {node}: in RECOVER, imports the row of slot {slot} of a new generation")
            }
            Self::Release { slot, node } => write!(f, "node {node}: releases slot {slot}, report sent"),
            Self::EndRecover { node } => write!(f, "node {node}: ends RECOVER"),
            Self::CheckOut { slot, node, client } => {
                write!(f, "node {node}: leases slot {slot} to client {client}")
            }
            Self::CheckOutFixed { slot, node, client } => {
                write!(f, "node {node}: in RECOVER, leases slot {slot} under its old row to client {client}")
            }
            Self::Renew { slot, client } => write!(f, "client {client}: renews slot {slot}"),
            Self::Adopt { slot, client } => {
                write!(f, "client {client}: presents its ticket for slot {slot}, adopted and renewed")
            }
            Self::Borrow { slot, node, client } => {
                write!(f, "node {node}: lets client {client} borrow slot {slot}")
            }
            Self::Return { slot, client } => write!(f, "client {client}: gives slot {slot} back"),
            Self::Vanish { slot, client } => write!(f, "client {client}: stops using slot {slot}, unheard"),
            Self::PresentLostTicket { slot, client } => {
                write!(f, "client {client}: presents a ticket for slot {slot} that its node lacks; RECOVER")
            }
            Self::PresentLostReport { slot, node } => {
                write!(f, "node {node}: sees in the row of slot {slot} a report that it lacks; RECOVER")
            }
            Self::BackUpNode { node } => write!(f, "node {node}: is backed up"),
            Self::RestoreNode { node } => write!(f, "node {node}: is restored, behind its MARK"),
            Self::RestoreNodeWithMark { node } => write!(f, "node {node}: is restored with its MARK"),
            Self::DestroyNode { node } => write!(f, "node {node}: is destroyed"),
            Self::BackUpIssuer => write!(f, "issuer: is backed up"),
            Self::RestoreIssuer => write!(f, "issuer: is restored"),
            Self::Report { node } => write!(f, "node {node}: reports its rows to the restored issuer"),
            Self::ExtendPresented { slot } => {
                write!(f, "issuer: extends the presented row of slot {slot}, sent")
            }
            Self::Thaw => write!(f, "issuer: thaws"),
        }
    }
}
