//! `node`: where seats are served.

use leasehold_cli::{Exit, Failure, People, rfc3339};
use leasehold_issuer_core::{Command, IssuedJoin, NewNode, NodeClass, NodeView, What};
use leasehold_protocol::keys::PublicKey;
use serde_json::{Value, json};

use super::{mark, odd_fact};
use crate::args::{Class, NodeRegisterArgs, NodeVerb};
use crate::context::Context;
use crate::journal;
use crate::ledger::{Intent, Ledger, random};

pub(super) fn run(context: &Context, verb: NodeVerb) -> Result<Exit, Failure> {
    match verb {
        NodeVerb::Register(args) => register(context, args),
        NodeVerb::List => list(context),
        NodeVerb::Show { node } => show(context, &node),
    }
}

fn register(context: &Context, args: NodeRegisterArgs) -> Result<Exit, Failure> {
    let (cause, intent) = (args.change.cause()?, args.change.intent());
    let node = NewNode { account: args.account, name: args.name, site: args.site, class: class(args.class) };
    let ledger = Ledger::open(&context.dir)?;
    if intent == Intent::DryRun {
        // Never recorded, so no code comes of it.
        let issued = IssuedJoin { nonce: random()?, join_id: random()? };
        let done = ledger.begin()?.commit(cause, Command::RegisterNode { node, issued }, intent)?;
        let What::NodeRegistered(node) = &done.fact.what else { return Err(odd_fact()) };
        let people = People::sentence(format!("would register node {}", node.name));
        return context
            .output
            .answer(&mark(json!({"node_id": node.id}), intent), &people)
            .map(|()| Exit::DONE);
    }
    let keys = context.unlock(ledger.issuer())?;
    let issued = keys.new_join()?;
    let done = ledger.begin()?.commit(cause, Command::RegisterNode { node, issued }, intent)?;
    let What::NodeRegistered(node) = &done.fact.what else { return Err(odd_fact()) };
    let code = keys.join_code(node.join.issued.nonce).to_string();
    let expires_at = node.join.expires_at;
    let people = People::sentence(format!(
        "registered node {} ({})\njoin code, good once until {}: {code}",
        node.id,
        node.name,
        rfc3339(expires_at),
    ));
    let people = people.next(format!("leasehold-node request --join {code} --out request.lh"));
    let document = json!({"node_id": node.id, "join_code": code, "join_code_expires_at": expires_at});
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

const fn class(class: Class) -> NodeClass {
    match class {
        Class::Online => NodeClass::Online,
        Class::Intermittent => NodeClass::Intermittent,
        Class::AirGapped => NodeClass::AirGapped,
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let documents: Vec<Value> = issuer.nodes().map(document).collect();
    let rows = issuer.nodes().map(|view| {
        [
            view.node.id.to_string(),
            view.node.name.clone(),
            view.node.account.to_string(),
            class_text(view.node.class).to_owned(),
            state(view).to_owned(),
            view.rows.to_string(),
        ]
    });
    let people = People::table(["node", "name", "account", "class", "state", "allocations"], rows);
    context.output.answer(&json!({"nodes": documents}), &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let view = issuer.node(name)?;
    let people = People::facts([
        ("node", view.node.id.to_string()),
        ("name", view.node.name.clone()),
        ("account", view.node.account.to_string()),
        ("site", view.node.site.clone().unwrap_or_default()),
        ("class", class_text(view.node.class).to_owned()),
        ("state", state(view).to_owned()),
        ("allocations", view.rows.to_string()),
    ]);
    context.output.answer(&document(view), &people).map(|()| Exit::DONE)
}

const fn state(view: NodeView<'_>) -> &'static str {
    if view.enrolment.is_some() { "enrolled" } else { "registered" }
}

const fn class_text(class: NodeClass) -> &'static str {
    match class {
        NodeClass::Online => "online",
        NodeClass::Intermittent => "intermittent",
        NodeClass::AirGapped => "air-gapped",
    }
}

fn document(view: NodeView<'_>) -> Value {
    let NodeView { node, enrolment, rows, .. } = view;
    let certificate = enrolment.map(|enrolment| &enrolment.certificate);
    let key = certificate.and_then(|certificate| PublicKey::admit(certificate.sign_key).ok());
    json!({
        "node_id": node.id,
        "name": node.name,
        "account_id": node.account,
        "site": node.site,
        "class": node.class,
        "state": state(view),
        "join_code_expires_at": node.join.expires_at,
        "node_key_id": key.map(|key| key.id()),
        "generation": enrolment.map(|enrolment| enrolment.generation),
        "certificate_not_after": certificate.map(|certificate| certificate.not_after),
        "allocations": rows,
    })
}
