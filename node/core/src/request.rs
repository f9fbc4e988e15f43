//! Making a request: what the node has, reports and asks for.

use leasehold_protocol::artefact::{
    Extensions, Have, Issue, JournalTail, PoolUsage, Ratchet, Request, Wants,
};
use leasehold_protocol::bytes::{Digest, Nonce};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::RequestId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;

use crate::core::{NodeCore, OpenRequest, refuse, reply};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::record::Record;
use leasehold_protocol::entropy::Entropy;

impl NodeCore {
    pub(crate) fn make_request(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        join: Option<JoinSecret>,
        journal: JournalTail,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
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
        let serial = self.reports.saturating_add(1);
        let request = Request {
            issue: Issue {
                id: RequestId::new(self.clock.wall(), &entropy.draw()),
                serial,
                issued_at: self.clock.wall(),
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
            released: provision.map(|p| p.releases.told()).unwrap_or_default(),
            usage: self.usage(),
            journal,
            wants: Wants::ALL,
            ext: Extensions::NONE,
        };
        let request = Box::new(request);
        let seq = self.emit(Record::RequestMade { cause, request: request.clone() }, out);
        reply(to, seq, Reply::Request(request), out);
    }

    /// The request that was made under the same idempotency key, as long as a bundle may answer it.
    fn made_before(&self, cause: &Cause) -> Option<&OpenRequest> {
        let key = cause.idempotency_key?;
        self.requests.iter().find(|made| made.idempotency_key == Some(key))
    }

    fn usage(&self) -> Vec<PoolUsage> {
        let pools = self.provision.iter().flat_map(|p| &p.pools);
        let mut usage: Vec<PoolUsage> = pools
            .filter_map(|(&index, entry)| {
                let counts = self.ledger.pool(index)?;
                Some(PoolUsage {
                    pool: entry.pool.issue.id,
                    peak_seats: counts.peak_seats,
                    granted: counts.granted,
                    denied: counts.denied,
                })
            })
            .collect();
        usage.sort_by_key(|row| row.pool);
        usage.truncate(leasehold_protocol::limits::REPORTED_ROWS);
        usage
    }
}

fn other_request() -> Problem {
    let detail = "the idempotency key was used for a request with another join code";
    Problem::new(Code::IdempotencyMismatch, detail, "use a new key for a new request")
}
