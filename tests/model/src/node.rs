//! A node: which seats it gives under its rows, R2, R4, R5 and R7, and its RECOVER.

use crate::rule::Rule;
use crate::scope::{BORROW_GRACE, HOLD, LONGEST_BORROW, Model, TTL};
use crate::world::{Journal, Kind, Mode, Node, Row, Seat, Sent, Usage, World};

/// Rows come in any order; a later version of a row, and a later row of the slot, replaces what is there.
pub(crate) fn import(model: &Model, world: &World, slot: usize, node: usize) -> Option<World> {
    let sent = world.slots[slot].at[node].bag?;
    let Mode::Serving = world.nodes[node].mode else { return None };
    (sent.generation == world.nodes[node].journal.generation)
        .then(|| take_row(model, world, slot, node, sent))?
}

/// RECOVER: with the first row of a new generation all old ones are void.
pub(crate) fn import_answer(model: &Model, world: &World, slot: usize, node: usize) -> Option<World> {
    let sent = world.slots[slot].at[node].bag?;
    let Node { mode, journal, recoveries, .. } = world.nodes[node];
    let Mode::Recovering { since, .. } = mode else { return None };
    let answers = if model.keeps(Rule::RecoverNeedsOwnAnswer) {
        sent.generation == recoveries
    } else {
        sent.generation > 0 && sent.generation >= journal.generation
    };
    if !answers {
        return None;
    }
    let mut world = *world;
    if sent.generation != journal.generation {
        world.nodes[node].journal = Journal { generation: sent.generation, report_seq: 0 };
        for column in &mut world.slots {
            column.at[node].row = None;
            column.at[node].released = 0;
        }
    }
    world.nodes[node].mode = Mode::Recovering { since, answered: true };
    take_row(model, &world, slot, node, sent)
}

fn take_row(model: &Model, world: &World, slot: usize, node: usize, sent: Sent) -> Option<World> {
    let mut world = *world;
    let at = &mut world.slots[slot].at[node];
    let acknowledged = sent.acked >= at.released || !model.keeps(Rule::ReleaseStaysOut);
    let newer = at.row.is_none_or(|row| (sent.row.id, sent.row.not_after) > (row.id, row.not_after));
    at.row = Some(sent.row);
    at.released = 0;
    (acknowledged && newer).then_some(world)
}

/// RECOVER: the issuer's counter is above ours.
pub(crate) fn notice_lost_report(world: &World, slot: usize, node: usize) -> Option<World> {
    let sent = world.slots[slot].at[node].bag?;
    let Node { mode, journal, .. } = world.nodes[node];
    let lost = sent.generation > journal.generation
        || sent.generation == journal.generation && sent.acked > journal.report_seq;
    (mode == Mode::Serving && lost).then(|| {
        let mut world = *world;
        start_recover(&mut world, node);
        world
    })
}

pub(crate) fn start_recover(world: &mut World, node: usize) {
    let node = &mut world.nodes[node];
    node.mode = Mode::Recovering { since: world.now, answered: false };
    node.recoveries += 1;
    node.regressed = false;
}

/// R2, the node's side.
pub(crate) fn release(model: &Model, world: &World, slot: usize, node: usize) -> Option<World> {
    let at = world.slots[slot].at[node];
    let row = at.row?;
    let certain = match world.nodes[node].mode {
        Mode::Serving => !is_quarantined(model, world, slot, node),
        Mode::Recovering { .. } => !model.keeps(Rule::RecoverReleasesNothing),
        Mode::Gone => false,
    };
    let free = at.seat == Seat::Free || !model.keeps(Rule::ReleaseWhenFree);
    (certain && free && row.kind != Kind::Fixed && at.released == 0).then(|| {
        let mut world = *world;
        let Node { journal, regressed, .. } = &mut world.nodes[node];
        journal.report_seq += 1;
        let column = &mut world.slots[slot];
        column.forfeit |= *regressed;
        let at = &mut column.at[node];
        at.released = journal.report_seq;
        at.release_sent = Some((row.id, journal.report_seq, journal.generation));
        if model.keeps(Rule::ReleaseRemovesRightFirst) {
            at.row = None;
        }
        world
    })
}

/// RECOVER ends for good.
pub(crate) fn end_recover(model: &Model, world: &World, node: usize) -> Option<World> {
    let Mode::Recovering { since, answered: true } = world.nodes[node].mode else { return None };
    (world.now >= since + recover_wait(model)).then(|| {
        let mut world = *world;
        world.nodes[node].mode = Mode::Serving;
        if model.keeps(Rule::RecoverWaitsForBorrows) {
            let known = since + model.longest_promise(Kind::Base);
            world.nodes[node].borrows_unknown_until = if known > world.now { known } else { 0 };
        }
        world
    })
}

/// W + G.
fn recover_wait(model: &Model) -> u8 {
    if model.keeps(Rule::RecoverWaits) { HOLD } else { 0 }
}

pub(crate) fn check_out(
    model: &Model,
    world: &World,
    slot: usize,
    node: usize,
    client: usize,
) -> Option<World> {
    let may_grant = match world.nodes[node].mode {
        Mode::Serving => true,
        Mode::Recovering { .. } => !model.keeps(Rule::RecoverGrantsNothing),
        Mode::Gone => false,
    };
    may_grant.then(|| lease(model, world, slot, node, client))?
}

/// RECOVER ends by time alone for the `fixed` rows of the journal; nothing else is served, nor imported, until an
/// answer comes.
pub(crate) fn check_out_fixed(
    model: &Model,
    world: &World,
    slot: usize,
    node: usize,
    client: usize,
) -> Option<World> {
    let Node { mode: Mode::Recovering { since, answered: false }, journal, .. } = world.nodes[node] else {
        return None;
    };
    let row = world.slots[slot].at[node].row?;
    let waited = match (row.kind, model.scope.borrows) {
        (Kind::Base | Kind::Fixed, true) if model.keeps(Rule::RecoverWaitsForBorrows) => {
            world.now >= since + model.longest_promise(row.kind)
        }
        _ => world.now >= since + recover_wait(model),
    };
    let stays = row.kind == Kind::Fixed || !model.keeps(Rule::TimeAloneForFixedOnly);
    let last = world.issuer.accounts.generation[node] == journal.generation
        || !model.keeps(Rule::TimeAloneInLastGeneration);
    (waited && stays && last).then(|| lease(model, world, slot, node, client))?
}

fn lease(model: &Model, world: &World, slot: usize, node: usize, client: usize) -> Option<World> {
    let possible =
        is_grantable(model, world, slot, node) && promises(model, world, slot, node) && world.is_idle(client);
    possible.then(|| {
        let mut world = *world;
        world.slots[slot].forfeit |= world.nodes[node].regressed;
        hold(&mut world, slot, node, client);
        world
    })
}

/// Grants or renews for one TTL: what the node writes, and what the client believes.
pub(crate) fn hold(world: &mut World, slot: usize, node: usize, client: usize) {
    let column = &mut world.slots[slot];
    column.at[node].seat = Seat::Leased { client: number(client), deadline: world.now + TTL };
    column.usage[client] = Usage::Leased { node: number(node), stop: world.now + HOLD };
}

/// R5.
fn is_grantable(model: &Model, world: &World, slot: usize, node: usize) -> bool {
    let at = &world.slots[slot].at[node];
    let free = at.seat == Seat::Free || !model.keeps(Rule::SeatIsCounted);
    free && !is_quarantined(model, world, slot, node)
}

/// After RECOVER, of the borrow sub-range.
fn is_quarantined(model: &Model, world: &World, slot: usize, node: usize) -> bool {
    let borrowable = world.slots[slot].at[node].row.is_some_and(|row| row.kind != Kind::Elastic);
    model.scope.borrows && borrowable && world.now < world.nodes[node].borrows_unknown_until
}

/// R4 for leases: the row that the node holds lets it promise one TTL, and grace, from now.
pub(crate) fn promises(model: &Model, world: &World, slot: usize, node: usize) -> bool {
    let at = &world.slots[slot].at[node];
    let Some(Row { kind, not_after, .. }) = at.row else { return false };
    let clock = world.nodes[node].clock;
    let hi = if model.keeps(Rule::LeaseJudgedByHi) { clock.hi(world.now) } else { clock.floor(world.now) };
    let ends = if model.keeps(Rule::LeaseWithinRow) { hi + HOLD } else { hi };
    let out_of_budget = kind == Kind::Fixed && clock.floor(world.now) < not_after;
    ends <= not_after || out_of_budget
}

/// R4 for borrows.
pub(crate) fn borrow_seat(
    model: &Model,
    world: &World,
    slot: usize,
    node: usize,
    client: usize,
) -> Option<World> {
    let row = world.slots[slot].at[node].row?;
    let now = world.now;
    let may_borrow = model.scope.borrows
        && world.nodes[node].mode == Mode::Serving
        && row.kind != Kind::Elastic
        && world.nodes[node].clock.hi(now) < row.not_after
        && is_grantable(model, world, slot, node)
        && world.is_idle(client);
    let cap = row.not_after + model.mclt(row.kind) - BORROW_GRACE;
    let wanted = now + LONGEST_BORROW;
    let not_after = if model.keeps(Rule::BorrowWithinRow) { wanted.min(cap) } else { wanted };
    (may_borrow && not_after > now).then(|| {
        let mut world = *world;
        let column = &mut world.slots[slot];
        column.forfeit |= world.nodes[node].regressed;
        column.at[node].seat = Seat::Borrowed { client: number(client), not_after };
        column.usage[client] = Usage::Borrowed { node: number(node), stop: not_after + BORROW_GRACE };
        world
    })
}

fn number(index: usize) -> u8 {
    u8::try_from(index).expect("there are two of each")
}
