//! What nobody decides: time, and what is lost.

use crate::node;
use crate::rule::Rule;
use crate::scope::{BORROW_GRACE, GRACE, Model};
use crate::world::{AtNode, Clock, Entry, Holder, Mode, NODES, Seat, Tick, Usage, World};

/// Clients stop, and nodes take back what has run out, as early as they may.
pub(crate) fn tick(model: &Model, world: &World) -> Option<World> {
    (world.now < model.scope.horizon).then(|| {
        let mut world = *world;
        world.now += 1;
        let now = world.now;
        for node in &mut world.nodes {
            if node.borrows_unknown_until <= now {
                node.borrows_unknown_until = 0;
            }
        }
        for column in &mut world.slots {
            for usage in &mut column.usage {
                if usage.stop().is_some_and(|stop| stop <= now) {
                    *usage = Usage::Idle;
                }
            }
            for (node, at) in world.nodes.iter().zip(&mut column.at) {
                take_back(model, node.clock, now, &mut at.seat);
                if let Some((_, _, seat)) = &mut at.backup {
                    take_back(model, node.clock, now, seat);
                }
            }
        }
        world
    })
}

/// R5.
fn take_back(model: &Model, clock: Clock, now: Tick, seat: &mut Seat) {
    let over = match *seat {
        Seat::Free => false,
        Seat::Leased { deadline, .. } => {
            now >= deadline + if model.keeps(Rule::LeaseGrace) { GRACE } else { 0 }
        }
        Seat::Borrowed { not_after, .. } => {
            let floor = if model.keeps(Rule::BorrowJudgedByFloor) { clock.floor(now) } else { clock.hi(now) };
            floor >= not_after + BORROW_GRACE
        }
    };
    if over {
        *seat = Seat::Free;
    }
}

pub(crate) fn back_up_node(model: &Model, world: &World, node: usize) -> Option<World> {
    let possible = world.nodes_restored < model.scope.node_restores
        && world.nodes[node].mode != Mode::Gone
        && world.nodes.iter().all(|node| node.backup.is_none());
    possible.then(|| {
        let mut world = *world;
        world.nodes[node].backup = Some(world.nodes[node].journal);
        for column in &mut world.slots {
            let AtNode { row, released, seat, .. } = column.at[node];
            column.at[node].backup = Some((row, released, seat));
        }
        world
    })
}

/// The journal is behind its MARK, or damaged, or an operator says that it was restored.
pub(crate) fn restore_node(model: &Model, world: &World, node: usize) -> Option<World> {
    let mut world = set_back(model, world, node)?;
    if model.keeps(Rule::RegressIsNoticed) {
        node::start_recover(&mut world, node);
    } else {
        world.nodes[node].mode = Mode::Serving;
    }
    Some(world)
}

pub(crate) fn restore_node_with_mark(model: &Model, world: &World, node: usize) -> Option<World> {
    let mut world = set_back(model, world, node)?;
    world.nodes[node].mode = Mode::Serving;
    world.nodes[node].regressed = true;
    model.scope.with_mark.then_some(world)
}

fn set_back(model: &Model, world: &World, node: usize) -> Option<World> {
    let journal = world.nodes[node].backup?;
    if world.nodes[node].mode == Mode::Gone {
        return None;
    }
    let mut world = *world;
    world.nodes_restored += 1;
    let last = world.nodes_restored == model.scope.node_restores;
    world.nodes[node].journal = journal;
    for column in &mut world.slots {
        let at = &mut column.at[node];
        if let Some((row, released, seat)) = at.backup {
            (at.row, at.released, at.seat) = (row, released, seat);
        }
    }
    if last {
        forget_backup(&mut world, node);
    }
    Some(world)
}

fn forget_backup(world: &mut World, node: usize) {
    world.nodes[node].backup = None;
    for column in &mut world.slots {
        column.at[node].backup = None;
    }
}

pub(crate) fn destroy_node(model: &Model, world: &World, node: usize) -> Option<World> {
    let possible = model.scope.destroys && world.nodes.iter().all(|node| node.mode != Mode::Gone);
    possible.then(|| {
        let mut world = *world;
        forget_backup(&mut world, node);
        world.nodes[node].mode = Mode::Gone;
        for column in &mut world.slots {
            let at = &mut column.at[node];
            (at.row, at.seat, at.bag) = (None, Seat::Free, None);
        }
        world
    })
}

pub(crate) fn back_up_issuer(model: &Model, world: &World) -> Option<World> {
    let possible = world.issuers_restored < model.scope.issuer_restores
        && world.issuer_backup.is_none()
        && world.issuer.frozen.is_none();
    possible.then(|| {
        let mut world = *world;
        world.issuer_backup = Some(world.issuer.accounts);
        for column in &mut world.slots {
            column.ledger_backup = column.ledger;
        }
        world
    })
}

pub(crate) fn restore_issuer(model: &Model, world: &World) -> Option<World> {
    let accounts = world.issuer_backup?;
    let mut world = *world;
    world.issuers_restored += 1;
    world.issuer.accounts = accounts;
    world.issuer.frozen = model.keeps(Rule::IssuerFreezes).then_some([false; NODES]);
    world.issuer_backup = None;
    for column in &mut world.slots {
        column.ledger = column.ledger_backup;
        column.ledger_backup = Entry { id: 0, holder: Holder::Nobody };
        if !model.keeps(Rule::RowIdsNeverRepeat) {
            column.allocated = column.ledger.id;
        }
    }
    Some(world)
}
