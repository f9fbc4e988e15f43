//! The issuer: who may serve which slot, R1 to R3′ and R6, and its own RECOVER.
//!
//! Its clock is right: its lower bound frees as early, and its upper bound extends as late, as they ever may.

use crate::rule::Rule;
use crate::scope::{ELASTIC_TERM, HOLD, Model};
use crate::world::{Entry, Holder, Kind, Mode, NODES, Row, Sent, Slot, Tick, World};

pub(crate) fn allocate(model: &Model, world: &World, slot: usize, node: usize, kind: Kind) -> Option<World> {
    let free = match world.slots[slot].ledger.holder {
        Holder::Nobody => true,
        Holder::Dead { until } => world.now >= until,
        Holder::Node { .. } => false,
    };
    free.then(|| give(model, world, slot, node, kind))?
}

/// R3: by time.
pub(crate) fn reallocate(
    model: &Model,
    world: &World,
    slot: usize,
    node: usize,
    kind: Kind,
) -> Option<World> {
    let Holder::Node { kind: old, not_after, .. } = world.slots[slot].ledger.holder else { return None };
    let promised = if model.keeps(Rule::CloseAfterBorrows) { model.mclt(old) } else { 0 };
    let ended = world.now >= not_after + promised || !model.keeps(Rule::CloseAfterEnd);
    let closable = old != Kind::Fixed || !model.keeps(Rule::FixedIsNotClosed);
    (ended && closable).then(|| give(model, world, slot, node, kind))?
}

fn give(model: &Model, world: &World, slot: usize, node: usize, kind: Kind) -> Option<World> {
    let not_after = match kind {
        Kind::Elastic => world.now + ELASTIC_TERM,
        Kind::Base | Kind::Fixed => model.scope.base_end,
    };
    let made: u8 = world.slots.iter().map(|slot| slot.allocated).sum();
    let others =
        world.slots.iter().enumerate().filter(|(other, column)| *other != slot && column.allocated > 0);
    let possible = world.issuer.frozen.is_none()
        && others.count() < model.scope.seats
        && made < model.scope.allocations
        && world.nodes[node].mode != Mode::Gone
        && world.now < not_after;
    possible.then(|| {
        let mut world = *world;
        world.issuer.accounts.known[node] = true;
        open(&mut world, slot, node, kind, not_after);
        world
    })
}

/// A new row, on its way.
fn open(world: &mut World, slot: usize, node: usize, kind: Kind, not_after: Tick) {
    let column = &mut world.slots[slot];
    column.allocated += 1;
    column.ledger =
        Entry { id: column.allocated, holder: Holder::Node { node: number(node), kind, not_after } };
    send(world, slot);
}

/// The present version of a slot's row goes to its node.
fn send(world: &mut World, slot: usize) {
    let Entry { id, holder: Holder::Node { node, kind, not_after } } = world.slots[slot].ledger else {
        return;
    };
    let node = usize::from(node);
    let accounts = &world.issuer.accounts;
    let (acked, generation) = (accounts.acked[node], accounts.generation[node]);
    world.slots[slot].at[node].bag = Some(Sent { row: Row { id, kind, not_after }, acked, generation });
}

pub(crate) fn renew_row(model: &Model, world: &World, slot: usize) -> Option<World> {
    world.issuer.frozen.is_none().then(|| extend(model, world, slot))?
}

/// R6.
fn extend(model: &Model, world: &World, slot: usize) -> Option<World> {
    let mut world = *world;
    let Holder::Node { kind: Kind::Elastic, not_after, .. } = &mut world.slots[slot].ledger.holder else {
        return None;
    };
    let renewed =
        if model.keeps(Rule::RowNeverShrinks) { world.now + ELASTIC_TERM } else { world.now + HOLD };
    let changes = renewed > *not_after || !model.keeps(Rule::RowNeverShrinks) && renewed != *not_after;
    *not_after = renewed;
    world.rows_renewed += 1;
    send(&mut world, slot);
    (changes && world.rows_renewed <= model.scope.row_renewals).then_some(world)
}

/// R2, the issuer's side: a report tells again what was released before it.
pub(crate) fn take_release(model: &Model, world: &World, slot: usize, node: usize) -> Option<World> {
    let (_, newest, generation) = world.slots[slot].at[node].release_sent?;
    let mut changed = *world;
    for (number, column) in changed.slots.iter_mut().enumerate() {
        let told = column.at[node].release_sent.filter(|&(_, seq, of)| of == generation && seq <= newest);
        if number == slot || model.keeps(Rule::ReportTellsAll) && told.is_some() {
            free_released(model, column, node);
        }
    }
    let accounts = &mut changed.issuer.accounts;
    if generation == accounts.generation[node] || !model.keeps(Rule::ReleaseOfThisGeneration) {
        accounts.acked[node] = accounts.acked[node].max(newest);
    }
    (changed != *world).then_some(changed)
}

fn free_released(model: &Model, column: &mut Slot, node: usize) {
    let Some((id, _, _)) = column.at[node].release_sent else { return };
    let ledger = &mut column.ledger;
    if let Holder::Node { node: holder, kind, .. } = ledger.holder
        && usize::from(holder) == node
        && kind != Kind::Fixed
        && (ledger.id == id || !model.keeps(Rule::ReleaseNamesRow))
    {
        ledger.holder = Holder::Nobody;
    }
}

/// R3′ for a node that lives: its slots are carried into its next generation.
pub(crate) fn reissue(model: &Model, world: &World, node: usize) -> Option<World> {
    let asked = world.nodes[node].recoveries;
    let possible = world.issuer.frozen.is_none()
        && matches!(world.nodes[node].mode, Mode::Recovering { .. })
        && asked > world.issuer.accounts.generation[node];
    if !possible {
        return None;
    }
    let mut world = *world;
    world.issuer.accounts.generation[node] = asked;
    world.issuer.accounts.acked[node] = 0;
    for slot in 0..world.slots.len() {
        let Some((kind, not_after)) = held_by(&world, slot, node) else { continue };
        if !model.keeps(Rule::LivingNodeKeepsSlots) {
            let until = world.now + model.longest_promise(kind);
            world.slots[slot].ledger.holder = Holder::Dead { until };
            continue;
        }
        match kind {
            Kind::Elastic => {
                let not_after = not_after.max(world.now + ELASTIC_TERM);
                open(&mut world, slot, node, kind, not_after);
            }
            Kind::Base | Kind::Fixed => open(&mut world, slot, node, Kind::Base, not_after),
        }
    }
    Some(world)
}

/// R3′ for a node that runs nowhere.
pub(crate) fn attest_destroyed(model: &Model, world: &World, node: usize) -> Option<World> {
    if world.issuer.frozen.is_some() || world.nodes[node].mode != Mode::Gone {
        return None;
    }
    let mut changed = *world;
    for slot in 0..changed.slots.len() {
        let Some((kind, _)) = held_by(&changed, slot, node) else { continue };
        let wait = if model.keeps(Rule::DeadNodeRunsOut) { model.longest_promise(kind) } else { 0 };
        changed.slots[slot].ledger.holder = Holder::Dead { until: world.now + wait };
    }
    (changed != *world).then_some(changed)
}

fn held_by(world: &World, slot: usize, node: usize) -> Option<(Kind, Tick)> {
    match world.slots[slot].ledger.holder {
        Holder::Node { node: holder, kind, not_after } if usize::from(holder) == node => {
            Some((kind, not_after))
        }
        _ => None,
    }
}

/// RECOVER: a node's rows are adopted; of two rows for one slot the later one was made when the earlier was closed.
pub(crate) fn take_report(model: &Model, world: &World, node: usize) -> Option<World> {
    if world.issuer.frozen?[node] || !may_report(model, world, node) {
        return None;
    }
    let mut world = *world;
    let journal = world.nodes[node].journal;
    let accounts = &mut world.issuer.accounts;
    accounts.known[node] = true;
    accounts.generation[node] = accounts.generation[node].max(journal.generation);
    if let Some(reported) = &mut world.issuer.frozen {
        reported[node] = true;
    }
    for column in &mut world.slots {
        if model.keeps(Rule::ReportFencesOldRows) {
            column.at[node].bag = None;
        }
        let Some(Row { id, kind, not_after }) = column.at[node].row else { continue };
        let known_end = match column.ledger.holder {
            Holder::Node { not_after, .. } => not_after,
            Holder::Nobody | Holder::Dead { .. } => 0,
        };
        let presented = Holder::Node { node: number(node), kind, not_after };
        if id > column.ledger.id || id == column.ledger.id && not_after > known_end && known_end > 0 {
            column.ledger = Entry { id, holder: presented };
        }
    }
    Some(world)
}

fn may_report(model: &Model, world: &World, node: usize) -> bool {
    match world.nodes[node].mode {
        Mode::Serving => true,
        Mode::Recovering { since, .. } => {
            world.now >= since + model.longest_promise(Kind::Base)
                || !model.keeps(Rule::RecoveringNodeReportsLate)
        }
        Mode::Gone => false,
    }
}

/// RECOVER: at once, without waiting for the thaw.
pub(crate) fn extend_presented(model: &Model, world: &World, slot: usize) -> Option<World> {
    let Holder::Node { node, not_after, .. } = world.slots[slot].ledger.holder else { return None };
    let runs = world.now < not_after || !model.keeps(Rule::EndedRowIsNotExtended);
    (world.issuer.frozen?[usize::from(node)] && runs).then(|| extend(model, world, slot))?
}

/// RECOVER ends: all known nodes have reported, and the operator says truly that no other node got seats.
pub(crate) fn thaw(model: &Model, world: &World) -> Option<World> {
    let reported = world.issuer.frozen?;
    let known = world.issuer.accounts.known;
    let got_seats = |node: usize| {
        world.slots.iter().any(|slot| slot.at[node].row.is_some() || slot.at[node].bag.is_some())
    };
    let all_known_reported = (0..NODES).all(|node| reported[node] || !known[node]);
    let no_other_got_seats = (0..NODES).all(|node| reported[node] || !got_seats(node));
    let attested = no_other_got_seats || !model.keeps(Rule::IssuerNeedsAttestation);
    (all_known_reported && attested).then(|| {
        let mut world = *world;
        world.issuer.frozen = None;
        world
    })
}

fn number(node: usize) -> u8 {
    u8::try_from(node).expect("there are two nodes")
}
