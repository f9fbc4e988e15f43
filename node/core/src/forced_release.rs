//! Force-release: an operator takes a lease back. What its holder was promised stands, and is counted until it is over.

use leasehold_protocol::api::{ForceReleaseAnswer, IdempotencyKey, LeaseState};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;

use crate::core::{NodeCore, refuse, reply};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::lease::{Lease, Standing};
use crate::limits;
use crate::record::{EndCause, Record};

/// A force-release under an idempotency key, to be answered alike when it is asked again.
pub(crate) type Forced = (IdempotencyKey, ForceReleaseAnswer);

impl NodeCore {
    /// The lease is renewed no more. If nobody may use it even now, it ends at once.
    pub(crate) fn force_release(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        id: LeaseId,
        dry_run: bool,
        out: &mut Effects,
    ) {
        if let Err(problem) = cause.check().and_then(|()| cause.check_reason()) {
            return refuse(to, problem, out);
        }
        if let Some(before) = self.forced_before(&cause) {
            if before.lease_id != id {
                return self.refuse_by_record(to, other_lease(), out);
            }
            return reply(
                to,
                self.next_seq().previous(),
                Reply::ForceReleased(Box::new(before.clone())),
                out,
            );
        }
        let lease = self.ledger.by_id(id);
        let Some((lease, answer)) = lease.and_then(|lease| Some((lease, self.forced_answer(lease)?))) else {
            return self.refuse_by_record(to, unknown(id), out);
        };
        let grant = lease.grant;
        if dry_run || lease.standing() == Standing::Forced {
            return reply(to, self.next_seq().previous(), Reply::ForceReleased(Box::new(answer)), out);
        }
        let mut seq = self.emit(Record::LeaseForced { cause, grant }, out);
        if answer.state == LeaseState::Evictable {
            seq = self.emit(Record::LeaseEnded { grant, cause: EndCause::Forced }, out);
            self.shrink_rows(out);
        }
        reply(to, seq, Reply::ForceReleased(Box::new(answer)), out);
    }

    pub(crate) fn apply_forced(&mut self, cause: &Cause, grant: Seq) {
        let answer = self.ledger.get(grant).and_then(|lease| self.forced_answer(lease));
        let rules = self.rules;
        self.ledger.update(grant, |lease| lease.force(rules));
        let Some(forced) = cause.idempotency_key.zip(answer) else { return };
        self.forced.push_back(forced);
        if self.forced.len() > limits::KEPT_ANSWERS {
            self.forced.pop_front();
        }
    }

    fn forced_before(&self, cause: &Cause) -> Option<&ForceReleaseAnswer> {
        let key = cause.idempotency_key?;
        self.forced.iter().find(|(known, _)| *known == key).map(|(_, answer)| answer)
    }

    fn forced_answer(&self, lease: &Lease) -> Option<ForceReleaseAnswer> {
        let entry = self.provision.as_ref()?.pools.get(&lease.pool)?;
        let svc = self.clock.svc();
        let free = lease.has_run_out(svc) || lease.standing() == Standing::Released;
        Some(ForceReleaseAnswer {
            lease_id: lease.id,
            pool_id: entry.pool.issue.id,
            holder: self.holders.get(lease.holder)?.to_string(),
            state: if free { LeaseState::Evictable } else { LeaseState::Drain },
            free_in_ms: if free { 0 } else { lease.reclaim_at().since(svc) },
        })
    }
}

fn unknown(lease: LeaseId) -> Problem {
    Problem::new(Code::LeaseUnknown, format!("no lease {lease} is known here"), "`leases` shows them")
}

fn other_lease() -> Problem {
    let detail = "the idempotency key was used for another lease";
    Problem::new(Code::IdempotencyMismatch, detail, "use a new key for another lease")
}
