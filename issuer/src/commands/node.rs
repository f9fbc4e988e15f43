//! `node`: where seats are served.

use leasehold_cli::{Exit, Failure, People};

use super::pages;
use crate::api::{
    Changed, Class, NodeAttestedDocument, NodeDocument, NodeList, NodeRegister, NodeRegistered, Nothing,
    ReadQuery,
};
use crate::args::{NodeRecoverArgs, NodeRegisterArgs, NodeVerb};
use crate::backend::{Backend, segment};
use crate::context::Context;

pub(super) fn run(context: &Context, verb: NodeVerb) -> Result<Exit, Failure> {
    match verb {
        NodeVerb::Register(args) => register(context, args),
        NodeVerb::Recover(args) => recover(context, &args),
        NodeVerb::List => list(context),
        NodeVerb::Show { node } => show(context, &node),
    }
}

fn register(context: &Context, args: NodeRegisterArgs) -> Result<Exit, Failure> {
    let name = args.name.clone();
    let new = NodeRegister { account: args.account, name: args.name, site: args.site, class: args.class };
    let answer: Changed<NodeRegistered> = context.change("/v1/nodes", &args.change, &new)?;
    let node = &answer.body;
    let people = match (&node.join_code, node.join_code_expires_at) {
        (Some(code), Some(expires_at)) => {
            let id = node.node_id;
            let sentence =
                format!("registered node {id} ({name})\njoin code, good once until {expires_at}: {code}");
            let next = match args.class {
                Class::Online | Class::Intermittent => enroll(context, code),
                Class::AirGapped => format!("leasehold-node request --join {code} --out request.lh"),
            };
            People::sentence(sentence).next(next)
        }
        _ => People::sentence(format!("would register node {name}")),
    };
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn recover(context: &Context, args: &NodeRecoverArgs) -> Result<Exit, Failure> {
    args.change.require_reason()?;
    let path = format!("/v1/nodes/{}:recover", segment(&args.node));
    let answer: Changed<NodeAttestedDocument> = context.change(&path, &args.change, &Nothing {})?;
    let id = answer.body.node_id;
    let verb = answer.verb("attested", "would attest");
    let people = People::sentence(format!("{verb} that no copy of node {id} runs: it may recover once more"));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

/// What is typed at a node that can reach the issuer.
pub(super) fn enroll(context: &Context, code: &str) -> String {
    let issuer = match &context.backend {
        Backend::Remote(remote) => remote.address().to_string(),
        Backend::Local(..) => "https://HOST:PORT".to_owned(),
    };
    format!("leasehold-node enroll --issuer {issuer} --join {code}")
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let nodes = pages::all::<NodeList>(context, "/v1/nodes", None)?;
    let rows = nodes.iter().map(|node| {
        [
            node.node_id.to_string(),
            node.name.clone(),
            node.account_id.to_string(),
            node.class.as_str().to_owned(),
            node.state.as_str().to_owned(),
            node.allocations.to_string(),
        ]
    });
    let people = People::table(["node", "name", "account", "class", "state", "allocations"], rows);
    context.output.answer(&NodeList { nodes, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let node: NodeDocument = context.get(&format!("/v1/nodes/{}", segment(name)), &ReadQuery::default())?;
    let recovery = match (&node.fork, node.awaited) {
        (Some(_), _) => "FORKED: there are two of it, and nothing is signed for it until one recovers",
        (None, true) => "its report is awaited for the thaw of its account",
        (None, false) => "",
    };
    let people = People::facts([
        ("node", node.node_id.to_string()),
        ("name", node.name.clone()),
        ("account", node.account_id.to_string()),
        ("site", node.site.clone().unwrap_or_default()),
        ("class", node.class.as_str().to_owned()),
        ("state", node.state.as_str().to_owned()),
        ("allocations", node.allocations.to_string()),
        ("recovery", recovery.to_owned()),
    ]);
    context.output.answer(&node, &people).map(|()| Exit::DONE)
}
