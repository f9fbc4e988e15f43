//! Making a request: what the node has, reports and asks for.

use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{
    Answers, Extensions, Have, Issue, JournalTail, Kind, Ratchet, Request, Wants,
};
use leasehold_protocol::bytes::{Digest, Nonce};
use leasehold_protocol::canonical;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Realm, digest_of};
use leasehold_protocol::ids::RequestId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::core::{NodeCore, refuse, reply};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::limits;
use crate::provision::Provision;
use crate::record::{Record, Way};
use crate::usage::{self, Usage};
use leasehold_protocol::entropy::Entropy;

/// What is asked for with [`crate::Input::MakeRequest`].
pub(crate) struct RequestWish {
    pub(crate) cause: Cause,
    pub(crate) way: Way,
    /// The issuer wants to see what the node stands on.
    pub(crate) present: bool,
    pub(crate) join: Option<JoinSecret>,
    pub(crate) journal: JournalTail,
}

/// A request that a bundle may answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    digest: Digest,
    pub(crate) nonce: Nonce,
    request: Request,
    way: Way,
    seq: Seq,
    idempotency_key: Option<IdempotencyKey>,
    pub(crate) made: Option<Moment>,
    /// Since the request before, as long as none that tells it was answered.
    pub(crate) usage: Usage,
}

impl NodeCore {
    pub(crate) fn make_request(
        &mut self,
        to: ReplyTo,
        wish: RequestWish,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let RequestWish { cause, way, present, join, journal } = wish;
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        let Some(identity) = &self.identity else { return };
        let join = join.map(|secret| secret.prove(identity.sign_key, &identity.tls_keys));
        if let Some(made) = self.made_before(&cause) {
            if made.request.join != join {
                return self.refuse_by_record(to, other_request(), out);
            }
            return reply(to, made.seq, Reply::Request(Box::new(made.request.clone())), out);
        }
        let provision = self.provision.as_ref();
        let recovery = self.recovery().filter(|_| provision.is_some());
        let presents = present || way == Way::Courier || recovery.is_some();
        let serial = self.reports.saturating_add(1);
        let request = Request {
            issue: Issue {
                id: RequestId::new(self.clock.wall().recorded(), &entropy.draw()),
                serial,
                issued_at: self.clock.wall().recorded(),
            },
            account: provision.map(|p| p.account),
            node: provision.map(|p| p.node),
            name: identity.name.clone(),
            generation: provision.map_or(0, |p| p.generation),
            sign_key: identity.sign_key,
            tls_keys: identity.tls_keys.clone(),
            join,
            nonce: Nonce(entropy.draw()),
            have: Have {
                root_version: identity.root.root().version,
                head_version: provision.map_or(0, |p| p.head.version),
                bundle: provision.map(|p| p.last_bundle.digest),
            },
            ratchet: provision.map_or(Ratchet { counter: 0, tip: Digest([0; 32]) }, |p| p.ratchet),
            report_seq: serial,
            released: self.told_releases(),
            usage: self.untold_usage(),
            journal,
            wants: Wants::ALL,
            recovery,
            presented: provision.filter(|_| presents).map(Provision::presented),
            ext: Extensions::NONE,
        };
        let request = Box::new(request);
        let seq = self.emit(Record::RequestMade { cause, way, request: request.clone() }, out);
        reply(to, seq, Reply::Request(request), out);
    }

    /// The request that was made under the same idempotency key, as long as a bundle may answer it.
    fn made_before(&self, cause: &Cause) -> Option<&OpenRequest> {
        let key = cause.idempotency_key?;
        self.requests.iter().find(|made| made.idempotency_key == Some(key))
    }

    pub(crate) fn apply_request(
        &mut self,
        seq: Seq,
        cause: &Cause,
        way: Way,
        request: &Request,
        realm: &Realm,
    ) {
        self.reports = self.reports.saturating_add(1);
        // What the node sends by itself displaces its own last one only, never what a courier carries.
        let displaced = self.requests.iter().position(|open| way == Way::Network && open.way == way);
        self.requests.push_back(OpenRequest {
            digest: digest_of(Kind::Request, realm, &canonical::encode(request)),
            nonce: request.nonce,
            request: request.clone(),
            way,
            seq,
            idempotency_key: cause.idempotency_key,
            made: self.clock.moment(),
            usage: self.ledger.take_usage(),
        });
        if let Some(index) = displaced {
            self.forget_request(index);
        }
        if self.requests.len() > limits::OPEN_REQUESTS {
            self.forget_request(0);
        }
    }

    /// Whether a bundle answers a request of this node that none has answered.
    pub(crate) fn is_open(&self, request: Digest) -> bool {
        self.requests.iter().any(|open| open.digest == request)
    }

    /// Whether what is answered was asked in RECOVER. Several may have been, and be answered with a generation each.
    pub(crate) fn asked_for_generation(&self, answers: &Answers) -> bool {
        let mut asked = self.requests.iter().filter(|open| open.request.recovery.is_some());
        asked.any(|open| *answers == Answers::Request(open.digest))
    }

    /// A bundle is in force: what its request told is counted no more.
    pub(crate) fn apply_answer(&mut self, answers: &Answers) {
        let answered = self.requests.iter().position(|open| *answers == Answers::Request(open.digest));
        let Some(open) = answered.and_then(|index| self.requests.remove(index)) else { return };
        self.answered_report = self.answered_report.max(open.request.report_seq);
        for told in self.requests.iter_mut().take(answered.unwrap_or_default()) {
            told.usage.clear();
        }
    }

    /// What only a forgotten request told is told by the next one.
    fn forget_request(&mut self, index: usize) {
        let Some(forgotten) = self.requests.remove(index) else { return };
        if let Some(next) = self.requests.get_mut(index) {
            usage::add(&mut next.usage, forgotten.usage);
        }
    }
}

fn other_request() -> Problem {
    let detail = "the idempotency key was used for a request with another join code";
    Problem::new(Code::IdempotencyMismatch, detail, "use a new key for a new request")
}
