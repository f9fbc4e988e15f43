//! `key`: the keys of the trust root; their public halves.

use leasehold_cli::{Exit, Failure, People};

use crate::api::{KeyList, ReadQuery};
use crate::args::KeyVerb;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: &KeyVerb) -> Result<Exit, Failure> {
    let KeyVerb::List = verb;
    let list: KeyList = context.get("/v1/keys", &ReadQuery::default())?;
    let rows = list.keys.iter().map(|key| {
        let roles: Vec<String> = key.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        let state = format!("{:?}", key.state).to_lowercase();
        [key.key_id.to_string(), roles.join(","), state, key.not_after.to_string()]
    });
    let people = People::table(["key", "roles", "state", "ends"], rows);
    context.output.answer(&list, &people).map(|()| Exit::DONE)
}
