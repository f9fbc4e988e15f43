//! Who sent a request: a node whose key is registered, or one that shows its join code for the first time.

use leasehold_protocol::artefact::{NodeCertificate, Ratchet, Request};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::node::NodeState;
use crate::recover;
use crate::refusal::require;
use crate::state::State;

/// What a node has been given so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Raised by enrolment and recovery only.
    pub generation: u32,
    /// Its current certificate, which names its keys.
    pub certificate: NodeCertificate,
    /// Where its exchanges with the issuer stand.
    pub ratchet: Ratchet,
}

/// What the shell, who can derive the secrets of join codes, found about the one in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinCheck {
    /// The request has none, or names no code of ours.
    Absent,
    /// Its proof was made with the code for the keys of the request.
    Right,
    /// It was not.
    Wrong,
}

/// The node that sent a request whose signature proved possession of its sign key.
pub(crate) fn identify(
    state: &State,
    at: UnixMs,
    request: &Request,
    join: JoinCheck,
) -> Result<NodeId, Problem> {
    if let (Some(named), Some(_)) = (request.node, request.recovery) {
        return recovering(state, named, request).map(|node| node.node.id);
    }
    let by_key = state.node_of_key(request.sign_key);
    let node = match (request.node, by_key) {
        (Some(named), _) => enrolled(state, named, request)?,
        (None, Some(node)) => node,
        (None, None) => return joining(state, at, request, join),
    };
    check_own_code(node, request)?;
    Ok(node.node.id)
}

/// An enrolled node may show the code that it enrolled with again, and no other one: it would not become that node.
fn check_own_code(node: &NodeState, request: &Request) -> Result<(), Problem> {
    let own = node.node.join.issued.join_id;
    require(request.join.as_ref().is_none_or(|proof| proof.join_id == own), || {
        let detail = format!("the node is enrolled as {} already, with another join code", node.node.id);
        Problem::new(
            Code::AlreadyExists,
            detail,
            "leave the code out; the node that it is for begins with `leasehold-node init` elsewhere",
        )
    })
}

fn enrolled<'s>(state: &'s State, named: NodeId, request: &Request) -> Result<&'s NodeState, Problem> {
    let hint = "make the request on the node that was enrolled, or register the node anew";
    let refused = |detail: String| Problem::new(Code::ArtefactRefused, detail, hint);
    let node = state.nodes.get(&named).filter(|node| Some(node.node.account) == request.account);
    let enrolled = node.and_then(|node| Some((node, node.enrolment.as_ref()?)));
    let (node, enrolment) = enrolled
        .ok_or_else(|| refused(format!("the request names node {named}, which is not enrolled here")))?;
    require(enrolment.certificate.sign_key == request.sign_key, || {
        refused(format!("the request is signed by a key that node {named} is not enrolled with"))
    })?;
    let generation =
        enrolment.generation == request.generation || !state.rules.reports_are_of_their_generation;
    require(generation || request.recovery.is_some(), || {
        refused(format!("the request is of another generation of node {named}"))
    })?;
    Ok(node)
}

/// A node in RECOVER may have forgotten its last generations.
fn recovering<'s>(state: &'s State, named: NodeId, request: &Request) -> Result<&'s NodeState, Problem> {
    let node = enrolled(state, named, request)?;
    let registered = node.enrolment.as_ref().map_or(0, |enrolment| enrolment.generation);
    require(request.generation <= registered, || {
        let hint = "make the request on the node that was enrolled, or register the node anew";
        let detail = format!("the request is of a generation of node {named} that was never given");
        Problem::new(Code::ArtefactRefused, detail, hint)
    })?;
    Ok(node)
}

fn joining(state: &State, at: UnixMs, request: &Request, join: JoinCheck) -> Result<NodeId, Problem> {
    let invalid = |detail: &str| {
        Problem::new(
            Code::JoinCodeInvalid,
            detail,
            "make the request with the join code that `node register` showed",
        )
    };
    let proof = request
        .join
        .as_ref()
        .ok_or_else(|| invalid("the request has no join code and its key is not enrolled"))?;
    let unknown = || invalid("the join code of the request is not one of this issuer");
    let node: &NodeState = state.node_of_join(proof.join_id).ok_or_else(unknown)?;
    match join {
        JoinCheck::Right => {}
        JoinCheck::Absent => return Err(unknown()),
        JoinCheck::Wrong => {
            return Err(invalid("the proof of the join code does not fit the keys of the request"));
        }
    }
    let id = node.node.id;
    // The code may have been used by another key since the backup.
    recover::check_thawed(state, node.node.account)?;
    require(node.enrolment.is_none(), || {
        let detail = format!("the join code of node {id} was used by another key");
        Problem::new(Code::JoinCodeUsed, detail, "register another node and use its join code")
    })?;
    let expires_at = node.node.join.expires_at;
    require(at <= expires_at, || {
        let detail = format!("the join code of node {id} expired at {expires_at}");
        Problem::new(Code::JoinCodeExpired, detail, "register the node anew and use its new join code")
    })?;
    Ok(id)
}
