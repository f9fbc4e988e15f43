//! A client: uses a seat until its own STOP, and no longer (A5).

use crate::node;
use crate::scope::Model;
use crate::world::{Mode, Seat, Usage, World};

/// Under the row that the node has now; an answer that is lost renews nothing for the client, which is the harmless
/// half of this.
pub(crate) fn renew(model: &Model, world: &World, slot: usize, client: usize) -> Option<World> {
    let node = lessor(world, slot, client)?;
    let possible = world.nodes[node].mode == Mode::Serving
        && is_known(world, slot, node, client)
        && node::promises(model, world, slot, node);
    possible.then(|| renewed(world, slot, node, client))?
}

/// The client says that it holds. Whom a regressed journal believes to have the seat is no longer true.
pub(crate) fn adopt(model: &Model, world: &World, slot: usize, client: usize) -> Option<World> {
    let node = lessor(world, slot, client)?;
    let possible =
        matches!(world.nodes[node].mode, Mode::Recovering { .. }) && node::promises(model, world, slot, node);
    possible.then(|| renewed(world, slot, node, client))?
}

fn renewed(world: &World, slot: usize, node: usize, client: usize) -> Option<World> {
    let mut changed = *world;
    node::hold(&mut changed, slot, node, client);
    (changed != *world).then_some(changed)
}

pub(crate) fn give_back(world: &World, slot: usize, client: usize) -> Option<World> {
    let node = match world.slots[slot].usage[client] {
        Usage::Leased { node, .. } | Usage::Borrowed { node, .. } => usize::from(node),
        Usage::Idle => return None,
    };
    (world.nodes[node].mode != Mode::Gone && is_known(world, slot, node, client)).then(|| {
        let mut world = *world;
        world.slots[slot].at[node].seat = Seat::Free;
        world.slots[slot].usage[client] = Usage::Idle;
        world
    })
}

pub(crate) fn vanish(world: &World, slot: usize, client: usize) -> Option<World> {
    (world.slots[slot].usage[client] != Usage::Idle).then(|| {
        let mut world = *world;
        world.slots[slot].usage[client] = Usage::Idle;
        world
    })
}

/// RECOVER: a ticket of ours that our journal lacks.
pub(crate) fn present_lost_ticket(world: &World, slot: usize, client: usize) -> Option<World> {
    let node = lessor(world, slot, client)?;
    let lost = world.nodes[node].mode == Mode::Serving && !is_known(world, slot, node, client);
    lost.then(|| {
        let mut world = *world;
        node::start_recover(&mut world, node);
        world
    })
}

fn lessor(world: &World, slot: usize, client: usize) -> Option<usize> {
    match world.slots[slot].usage[client] {
        Usage::Leased { node, .. } => Some(usize::from(node)),
        Usage::Idle | Usage::Borrowed { .. } => None,
    }
}

fn is_known(world: &World, slot: usize, node: usize, client: usize) -> bool {
    match world.slots[slot].at[node].seat {
        Seat::Leased { client: holder, .. } | Seat::Borrowed { client: holder, .. } => {
            usize::from(holder) == client
        }
        Seat::Free => false,
    }
}
