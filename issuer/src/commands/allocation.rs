//! `allocation`: which node serves how many seats of a pool.

use leasehold_cli::{Exit, Failure, People};
use leasehold_protocol::ids::NodeId;

use super::pages;
use crate::api::{
    AllocationCreate, AllocationCreated, AllocationList, AllocationShrink, AllocationShrunk, Changed, Class,
    Life, Movement, NodeDocument, NodeState, ReadQuery,
};
use crate::args::{AllocationCreateArgs, AllocationShrinkArgs, AllocationVerb};
use crate::backend::segment;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: AllocationVerb) -> Result<Exit, Failure> {
    match verb {
        AllocationVerb::Create(args) => create(context, *args),
        AllocationVerb::List => list(context),
        AllocationVerb::Shrink(args) => shrink(context, &args),
    }
}

fn shrink(context: &Context, args: &AllocationShrinkArgs) -> Result<Exit, Failure> {
    let path = format!("/v1/allocations/{}:shrink", segment(&args.allocation));
    let wish = AllocationShrink { seats: args.seats };
    let answer: Changed<AllocationShrunk> = context.change(&path, &args.change, &wish)?;
    let AllocationShrunk { allocation_id, node_id, shrink_to, freed } = &answer.body;
    let sentence = match shrink_to {
        Some(keep) => format!(
            "{} node {node_id} to keep {keep} seats of {allocation_id}: the others are free once it has released them",
            answer.verb("asked", "would ask"),
        ),
        None => format!("{} {freed} seats of {allocation_id} at once", answer.verb("freed", "would free")),
    };
    let people = People::sentence(sentence).next(context.command("allocation list"));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn create(context: &Context, args: AllocationCreateArgs) -> Result<Exit, Failure> {
    let mobility = match (args.fixed, args.movable) {
        (true, _) => Some(Movement::Fixed),
        (_, true) => Some(Movement::Movable),
        _ => None,
    };
    let new = AllocationCreate {
        pool: args.pool,
        node: args.node,
        seats: args.seats.into(),
        until: args.until,
        timezone: args.timezone.map(|timezone| timezone.name().to_owned()),
        kind: if args.elastic { Life::Elastic } else { Life::Base },
        mobility,
    };
    let answer: Changed<AllocationCreated> = context.change("/v1/allocations", &args.change, &new)?;
    let row = &answer.body;
    let sentence = format!(
        "{} {} seats of pool {} to node {} until {}: allocation {}",
        answer.verb("allocated", "would allocate"),
        row.seats,
        row.pool_id,
        row.node_id,
        row.not_after,
        row.allocation_id,
    );
    let people = People::sentence(sentence);
    let people = match delivery(context, row.node_id) {
        Some(next) => people.next(next),
        None => people,
    };
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

/// How a node gets its allocations, if somebody has to do something for it. Scripts know it themselves.
fn delivery(context: &Context, node: NodeId) -> Option<String> {
    if context.output.is_json() {
        return None;
    }
    let node: NodeDocument = context.get(&format!("/v1/nodes/{node}"), &ReadQuery::default()).ok()?;
    match (node.class, node.state) {
        (Class::AirGapped, _) => Some(context.command("bundle create --request request.lh --out bundle.lh")),
        (Class::Online | Class::Intermittent, NodeState::Registered) => {
            Some(super::node::enroll(context, "CODE"))
        }
        (Class::Online | Class::Intermittent, NodeState::Enrolled) => None,
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let allocations = pages::all::<AllocationList>(context, "/v1/allocations", None)?;
    let rows = allocations.iter().map(|row| {
        [
            row.allocation_id.to_string(),
            row.pool_id.to_string(),
            row.node_id.to_string(),
            row.seats.to_string(),
            row.not_after.to_string(),
            match (row.shrink_to, row.carried) {
                (Some(seats), _) => format!("shrinking to {seats}"),
                (None, true) => "carried".to_owned(),
                (None, false) => "waiting".to_owned(),
            },
        ]
    });
    let people = People::table(["allocation", "pool", "node", "seats", "ends", "state"], rows);
    context
        .output
        .answer(&AllocationList { allocations, next_page_token: None }, &people)
        .map(|()| Exit::DONE)
}
