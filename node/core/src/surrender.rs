//! Surrender: the site gives seats back that the vendor did not ask for.

use leasehold_protocol::api::{IdempotencyKey, SurrenderAnswer};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::PoolId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use serde::{Deserialize, Serialize};

use crate::core::{NodeCore, refuse, reply, unprovisioned};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::limits;
use crate::provision::{PoolIndex, RowIndex};
use crate::record::ReleaseCause;

/// A surrender under an idempotency key, to be answered alike when it is asked again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Surrendered {
    key: IdempotencyKey,
    pool: PoolIndex,
    slots: SlotSet,
    seq: Seq,
}

impl NodeCore {
    pub(crate) fn surrender(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        pool: PoolId,
        count: u32,
        dry_run: bool,
        out: &mut Effects,
    ) {
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        if let Some(before) = self.surrendered_before(&cause) {
            let same = self.pool_id(before.pool) == Some(pool) && before.slots.len() == count;
            let answer = if same { Ok((before.slots.clone(), before.seq)) } else { Err(other_surrender()) };
            return match answer {
                Ok((slots, seq)) => reply(to, seq, surrendered(pool, &slots), out),
                Err(problem) => self.refuse_by_record(to, problem, out),
            };
        }
        if !self.may_release() {
            return refuse(to, recovering(), out);
        }
        let rows = match self.rows_to_surrender(pool, count) {
            Ok(rows) => rows,
            Err(problem) => return self.refuse_by_record(to, problem, out),
        };
        if dry_run {
            let answer = SurrenderAnswer { pool_id: pool, seats: count, slots: Vec::new() };
            return reply(to, Seq::NONE, Reply::Surrendered(Box::new(answer)), out);
        }
        let cause = ReleaseCause::Surrender(cause);
        let mut given = SlotSet::EMPTY;
        for row in rows {
            let missing = count.saturating_sub(given.len());
            if missing > 0 {
                given.insert_all(&self.give_back(row, missing, &cause, out));
            }
        }
        reply(to, self.next_seq().previous(), surrendered(pool, &given), out);
    }

    /// Remembers a surrender; its rows have a record each.
    pub(crate) fn apply_surrender(&mut self, seq: Seq, cause: &Cause, pool: PoolIndex, slots: &SlotSet) {
        let Some(key) = cause.idempotency_key else { return };
        if let Some(same) = self.surrenders.iter_mut().find(|before| before.key == key) {
            same.slots.insert_all(slots);
            same.seq = seq;
            return;
        }
        self.surrenders.push_back(Surrendered { key, pool, slots: slots.clone(), seq });
        if self.surrenders.len() > limits::KEPT_ANSWERS {
            self.surrenders.pop_front();
        }
    }

    fn surrendered_before(&self, cause: &Cause) -> Option<&Surrendered> {
        let key = cause.idempotency_key?;
        self.surrenders.iter().find(|before| before.key == key)
    }

    fn pool_id(&self, index: PoolIndex) -> Option<PoolId> {
        Some(self.provision.as_ref()?.pools.get(&index)?.pool.issue.id)
    }

    /// The rows that the seats come from; together they have enough that nobody counts on.
    fn rows_to_surrender(&self, pool: PoolId, count: u32) -> Result<Vec<RowIndex>, Problem> {
        let provision = self.provision.as_ref().ok_or_else(unprovisioned)?;
        let entry = provision.pool_index(pool).and_then(|index| provision.pools.get(&index));
        let entry = entry.filter(|entry| entry.live).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("there is no pool {pool} here"), "`pools` shows them")
        })?;
        let invalid = |detail: &str, hint| Err(Problem::new(Code::InvalidRequest, detail, hint));
        if entry.pool.seats == Seats::Unlimited {
            return invalid("an unlimited pool has no seats to give back", "release its leases instead");
        }
        if count == 0 {
            return invalid("no seat to give back", "name a number of seats above 0");
        }
        let fixed = |row: &RowIndex| provision.rows.get(row).is_none_or(|row| row.allocation.fixed);
        let movable: Vec<RowIndex> = entry.rows.iter().copied().filter(|row| !fixed(row)).collect();
        if movable.is_empty() && !entry.rows.is_empty() {
            let detail = "the vendor takes nothing back of a fixed allocation";
            return Err(Problem::new(
                Code::AllocationFixed,
                detail,
                "ask the vendor to provision the node anew",
            ));
        }
        let free = movable.iter().fold(0_u32, |sum, &row| sum.saturating_add(self.returnable_seats(row)));
        if free < count {
            let detail = format!("{count} seats to give back, {free} are free and can be given");
            let problem = Problem::new(Code::PoolExhausted, detail, "give back fewer, or wait for releases");
            return Err(Problem { status: CONFLICT, ..problem }.with("free", free));
        }
        Ok(movable)
    }
}

/// HTTP status of a refusal whose code, as a decision about a seat, is an answer.
pub(crate) const CONFLICT: u16 = 409;

fn surrendered(pool: PoolId, slots: &SlotSet) -> Reply {
    let answer = SurrenderAnswer { pool_id: pool, seats: slots.len(), slots: slots.ranges().to_vec() };
    Reply::Surrendered(Box::new(answer))
}

fn recovering() -> Problem {
    let detail = "this node recovers its ledger: what seems to be free may be in use";
    let problem = Problem::new(Code::Recovering, detail, "see `status`, and give back when that is over");
    Problem { status: CONFLICT, ..problem }
}

fn other_surrender() -> Problem {
    let detail = "the idempotency key was used for another surrender";
    Problem::new(Code::IdempotencyMismatch, detail, "use a new key for a new surrender")
}
