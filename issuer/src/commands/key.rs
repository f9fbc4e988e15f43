//! `key`: the keys of the trust root; their public halves.

use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_protocol::artefact::{Role, Root, RootKey};
use leasehold_protocol::keys::{KeyId, PublicKey};
use serde_json::json;

use super::odd_fact;
use crate::args::KeyVerb;
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context, verb: &KeyVerb) -> Result<Exit, Failure> {
    let KeyVerb::List = verb;
    let (issuer, _) = journal::read(&context.dir)?;
    let root = issuer.trust_root().ok_or_else(odd_fact)?.root();
    let keys = root.keys.iter().map(|key| {
        let id = PublicKey::admit(key.public_key).map_err(|_| odd_fact())?.id();
        Ok((id, key, roles(root, id)))
    });
    let keys: Vec<(KeyId, &RootKey, Vec<Role>)> = keys.collect::<Result<_, Failure>>()?;
    let documents: Vec<_> = keys
        .iter()
        .map(|(id, key, roles)| {
            json!({
                "key_id": id,
                "public_key": key.public_key,
                "roles": roles,
                "state": key.state,
                "not_before": key.not_before,
                "not_after": key.not_after,
            })
        })
        .collect();
    let rows = keys.iter().map(|(id, key, roles)| {
        let roles: Vec<String> = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        [id.to_string(), roles.join(","), format!("{:?}", key.state).to_lowercase(), rfc3339(key.not_after)]
    });
    let people = People::table(["key", "roles", "state", "ends"], rows);
    context.output.answer(&json!({"keys": documents}), &people).map(|()| Exit::DONE)
}

fn roles(root: &Root, id: KeyId) -> Vec<Role> {
    root.roles.iter().filter(|role| role.keys.contains(&id)).map(|role| role.role).collect()
}
