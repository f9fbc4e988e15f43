//! Nodes: where seats are served.

use std::collections::{BTreeSet, VecDeque};

use leasehold_protocol::artefact::PoolUsage;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::{AccountId, AllocationId, CertificateId, NodeId};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::enrolment::Enrolment;
use crate::fork::{Forked, Reports};
use crate::limits;
use crate::refusal::{invalid, limit, require};
use crate::state::State;
use crate::text;

/// A wish for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// Whose, by id or name.
    pub account: String,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub site: Option<String>,
    /// How it is reached.
    pub class: NodeClass,
}

/// How a node is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeClass {
    /// Over a network, all the time.
    Online,
    /// Over a network, now and then.
    Intermittent,
    /// By files that are carried.
    AirGapped,
}

/// What a join code's secret is derived from. The secret itself is nowhere in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedJoin {
    /// Drawn by the shell; its signing module derives the secret of it.
    pub nonce: [u8; 16],
    /// Names the code in a request.
    pub join_id: [u8; 16],
}

/// The join code of a node: good once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Which code.
    pub issued: IssuedJoin,
    /// Until when it can be used.
    pub expires_at: UnixMs,
}

/// A registered node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Whose.
    pub account: AccountId,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub site: Option<String>,
    /// How it is reached.
    pub class: NodeClass,
    /// Id of all its certificates.
    pub certificate: CertificateId,
    /// How it enrols.
    pub join: Join,
}

/// A node, its enrolment once it used its join code, and its live rows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeState {
    pub(crate) node: Node,
    /// The record that last changed it.
    pub(crate) since: Seq,
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) rows: BTreeSet<AllocationId>,
    /// The last bundles, oldest first.
    pub(crate) sent: VecDeque<SentBundle>,
    /// The newest of them that the node has shown to have applied.
    pub(crate) applied: Option<Applied>,
    /// Releases up to this report of the node are taken into account.
    pub(crate) acked_report_seq: u64,
    /// The last receipts and their records, oldest first.
    pub(crate) receipts: VecDeque<(Digest, Seq)>,
    /// What its last report said.
    pub(crate) usage: Option<Usage>,
    /// Where it stood in the last reports of its generation.
    pub(crate) reports: Reports,
    /// It contradicted itself: there are two of it.
    pub(crate) forked: Option<Forked>,
    /// Since the issuer's RECOVER it has told behind the fence what it stands on.
    pub(crate) reported: bool,
    /// When it got new generations in the last year, oldest first.
    pub(crate) recovered_at: VecDeque<UnixMs>,
    /// An operator attested that no copy of it runs; good for one new generation.
    pub(crate) vouched: bool,
}

impl NodeState {
    /// A node that is not enrolled yet.
    pub(crate) fn new(since: Seq, node: Node) -> Self {
        Self {
            node,
            since,
            enrolment: None,
            rows: BTreeSet::new(),
            sent: VecDeque::new(),
            applied: None,
            acked_report_seq: 0,
            receipts: VecDeque::new(),
            usage: None,
            reports: Reports::default(),
            forked: None,
            reported: false,
            recovered_at: VecDeque::new(),
            vouched: false,
        }
    }
}

/// A bundle that was given to a node.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SentBundle {
    pub(crate) bundle: Digest,
    pub(crate) head_version: u64,
    pub(crate) head_issued_at: UnixMs,
}

/// The newest word of the issuer that a node has shown to have applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Version of the head.
    pub head_version: u64,
    /// When the issuer learnt of it.
    pub at: UnixMs,
}

/// An operator's word that no copy of a node runs, as a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAttested {
    /// Whose node.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Which node.
    #[serde(rename = "node_id")]
    pub node: NodeId,
}

/// What a node reported of its pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// When the issuer got it.
    pub reported_at: UnixMs,
    /// Since the report before, by pool.
    pub pools: Vec<PoolUsage>,
}

pub(crate) fn register(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewNode,
    issued: IssuedJoin,
) -> Result<Node, Problem> {
    let account = state.account(state.find_account(&new.account)?)?;
    text::check_name(&new.name, "name")?;
    text::check_optional(new.site.as_deref(), leasehold_protocol::limits::NAME_BYTES, "site")?;
    require(account.nodes.len() < limits::NODES_PER_ACCOUNT, || {
        limit("nodes of one account", limits::NODES_PER_ACCOUNT)
    })?;
    if let Some(namesake) = state.node_names.named(&new.name).find(|id| account.nodes.contains(id)) {
        return Err(Problem::new(
            Code::AlreadyExists,
            format!("the account has a node {:?} already: {namesake}", new.name),
            "use that node, or choose another name",
        ));
    }
    let life_ms = match new.class {
        NodeClass::Online | NodeClass::Intermittent => limits::JOIN_CODE_NEAR_MS,
        NodeClass::AirGapped => limits::JOIN_CODE_FAR_MS,
    };
    Ok(Node {
        id: NodeId::new(at, &entropy.draw()),
        account: account.account.id,
        name: new.name.clone(),
        site: new.site.clone(),
        class: new.class,
        certificate: CertificateId::new(at, &entropy.draw()),
        join: Join { issued, expires_at: at.plus(life_ms) },
    })
}

/// An operator's word that no copy of the node runs.
pub(crate) fn attest(state: &State, by: &Cause, node: &str) -> Result<(Seq, NodeAttested), Problem> {
    require(by.reason.is_some(), || {
        invalid(
            "an attestation needs a reason",
            "say with --reason how it was found out: it is kept for ever",
        )
    })?;
    let found = state.node(state.find_any_node(node)?)?;
    Ok((found.since, NodeAttested { account: found.node.account, node: found.node.id }))
}
