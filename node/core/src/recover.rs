//! RECOVER: the ledger may have regressed. What it forgot may still be in use, so until that is over nothing is granted
//! and nothing goes back; leases live on by what their holders show (`adoption`).
//!
//! It ends when the longest promise that can have been forgotten is over (W + G) *and* rows of a new generation are in
//! force that answer a request made in it. The wait alone ends it for `fixed` rows, of which nothing can have gone back
//! in their generation, if no later generation was ever in force here.

use leasehold_protocol::api::{Denial, RecoverAnswer, RecoverResult, TrustState, instant};
use leasehold_protocol::artefact::{RecoverCause, Recovery};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, SvcMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::core::{NodeCore, minutes_since_2024, refuse, reply, unprovisioned};
use crate::denial::denial;
use crate::effect::{Effect, Effects, Event, Reply};
use crate::input::{Cause, ReplyTo};
use crate::lease::{Lease, grace_ms};
use crate::no_promise::NoPromise;
use crate::provision::Row;
use crate::record::Record;
use crate::rules::Rules;
use crate::usage;

/// RECOVER, as long as it lasts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recover {
    pub(crate) cause: RecoverCause,
    /// The record that began it. Leases granted or adopted since are not in doubt.
    entered: Seq,
    since: SvcMs,
    /// W: the longest life that a forgotten lease can have.
    longest_ttl_ms: i64,
    /// The newest generation that was ever in force here; none if nothing tells.
    newest_generation: Option<u32>,
    /// An operator says that no copy of this node runs, and that no later generation than the journal's was in force.
    attested: bool,
    /// Rows of a new generation are in force.
    answered: bool,
}

/// What begins RECOVER.
#[derive(Clone, Debug)]
pub(crate) struct Regress {
    pub(crate) cause: RecoverCause,
    /// Who says so, and why.
    pub(crate) by: Cause,
    /// The newest generation that was ever in force here, if what tells it did not come back with the journal.
    pub(crate) newest_generation: Option<u32>,
}

impl Recover {
    /// The begin of it, as its record says.
    pub(crate) const fn new(entered: Seq, since: SvcMs, regress: &Regress, longest_ttl_ms: i64) -> Self {
        let Regress { cause, newest_generation, .. } = *regress;
        let attested = matches!(cause, RecoverCause::Declared);
        Self { cause, entered, since, longest_ttl_ms, newest_generation, attested, answered: false }
    }

    /// An operator attests.
    pub(crate) const fn attest(&mut self) {
        self.attested = true;
    }

    /// Somebody shows that this generation was in force here.
    pub(crate) fn see_generation(&mut self, generation: u32) {
        self.newest_generation =
            Some(self.newest_generation.map_or(generation, |known| known.max(generation)));
    }

    /// Rows of a new generation are in force, of pools that allow lives as long as this.
    fn answer(&mut self, longest_ttl_ms: i64) {
        self.answered = true;
        self.longest_ttl_ms = self.longest_ttl_ms.max(longest_ttl_ms);
    }

    /// When everything that may have been forgotten is over: W + G after it began.
    fn wait_ends_at(&self, rules: Rules) -> SvcMs {
        let wait_ms = self.longest_ttl_ms.saturating_add(grace_ms(self.longest_ttl_ms));
        if rules.recover_waits { self.since.plus(wait_ms) } else { self.since }
    }

    fn has_waited(&self, svc: SvcMs, rules: Rules) -> bool {
        self.wait_ends_at(rules) <= svc
    }

    /// Whether no later generation than this was ever in force here, as far as anything tells or anybody vouches.
    fn is_last_generation(&self, generation: u32) -> bool {
        self.newest_generation.map_or(self.attested, |newest| newest <= generation)
    }
}

impl NodeCore {
    /// The ledger may have regressed: it is not believed from here on. Whoever never had a seat to give has nothing to
    /// recover.
    pub(crate) fn regress(&mut self, regress: Regress, out: &mut Effects) -> Option<Seq> {
        let provision = self.provision.as_ref()?;
        let incarnation = self.next_incarnation()?;
        let longest = provision.pools.values().map(|entry| entry.pool.ttl.max_ms);
        let running = self.ledger.leases().map(Lease::ttl_ms);
        let before = self.recover.iter().map(|recover| recover.longest_ttl_ms);
        let longest_ttl_ms = longest.chain(running).chain(before).max().unwrap_or_default();
        let Regress { cause, by, newest_generation } = regress;
        let entered = Record::RecoverEntered { cause, by, incarnation, newest_generation, longest_ttl_ms };
        let seq = self.emit(entered, out);
        out.0.push(Effect::Event(Event::RecoverEntered { cause }));
        Some(seq)
    }

    /// An operator says that the ledger may have regressed, or attests it where the node knows that already.
    pub(crate) fn recover(&mut self, to: ReplyTo, cause: Cause, dry_run: bool, out: &mut Effects) {
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        if cause.reason.is_none() {
            let detail = "whoever says that no copy of this node runs says why";
            return refuse(to, Problem::new(Code::InvalidRequest, detail, "give a reason"), out);
        }
        if self.provision.is_none() {
            return refuse(to, unprovisioned(), out);
        }
        if dry_run {
            return reply(to, Seq::NONE, self.recovering(RecoverResult::WouldRecover), out);
        }
        match &self.recover {
            Some(Recover { attested: true, .. }) => {}
            Some(_) => {
                self.emit(Record::RecoverAttested { cause }, out);
                out.0.push(Effect::Event(Event::RecoverAttested));
            }
            None => {
                let cause = Regress { cause: RecoverCause::Declared, by: cause, newest_generation: None };
                self.regress(cause, out);
            }
        }
        let answer = self.recovering(RecoverResult::Recovering);
        reply(to, self.next_seq.previous(), answer, out);
    }

    /// Applies the record that begins it. Requests made before are forgotten, so that no answer to one of them is taken
    /// for one to a request of this RECOVER.
    pub(crate) fn apply_recover_entered(
        &mut self,
        seq: Seq,
        regress: &Regress,
        incarnation: u32,
        longest_ttl_ms: i64,
    ) {
        if let Some(identity) = &mut self.identity {
            identity.incarnation = incarnation;
        }
        let untold = self.requests.drain(..).fold(usage::Usage::new(), |mut sum, request| {
            usage::add(&mut sum, request.usage);
            sum
        });
        self.ledger.give_back_usage(untold);
        self.fork = None;
        let mut recover = Recover::new(seq, self.clock.svc(), regress, longest_ttl_ms);
        // What refuted the operator's word in the RECOVER before refutes it in this one.
        let known = self.provision.as_ref().map_or(0, |provision| provision.generation);
        let before = self.recover.as_ref().and_then(|before| before.newest_generation);
        before.into_iter().filter(|&seen| known < seen).for_each(|seen| recover.see_generation(seen));
        self.recover = Some(recover);
    }

    /// Applies the record that ends it.
    pub(crate) fn apply_recover_ended(&mut self) {
        self.recover = None;
        self.forget_idle_rows();
    }

    /// Ends it, if it is time.
    pub(crate) fn end_recover(&mut self, out: &mut Effects) {
        if self.recover.is_some() && self.recover_at(&self.clock).is_none() {
            self.emit(Record::RecoverEnded, out);
            out.0.push(Effect::Event(Event::RecoverEnded));
        }
    }

    /// Whether a bundle brings rows that count. Before an answer to RECOVER those of the generation that the ledger knows
    /// say nothing new; the issuer's word does.
    pub(crate) fn brings_rows(&self, opened: &OpenedBundle) -> bool {
        let unanswered = self.recover.as_ref().is_some_and(|recover| !recover.answered);
        let known = self.provision.as_ref().map_or(0, |provision| provision.generation);
        !unanswered || known < opened.bundle.generation
    }

    /// Rows that count are in force.
    pub(crate) fn answer_recover(&mut self, opened: &OpenedBundle) {
        if let Some(recover) = &mut self.recover {
            let longest_ttl_ms = opened.pools.iter().map(|pool| pool.ttl.max_ms).max();
            recover.answer(longest_ttl_ms.unwrap_or_default());
        }
    }

    /// RECOVER as it is by this clock; over is none.
    pub(crate) fn recover_at(&self, clock: &Clock) -> Option<&Recover> {
        let over = |recover: &&Recover| recover.answered && recover.has_waited(clock.svc(), self.rules);
        self.recover.as_ref().filter(|recover| !over(recover))
    }

    /// Whether a row gives seats.
    pub(crate) fn serves(&self, row: &Row) -> bool {
        self.serves_at(row, &self.clock)
    }

    /// The same by another clock.
    pub(crate) fn serves_at(&self, row: &Row, clock: &Clock) -> bool {
        let Some(recover) = self.recover_at(clock) else { return true };
        let fixed = row.allocation.fixed || !self.rules.time_alone_for_fixed_rows;
        let last = recover.is_last_generation(row.allocation.generation)
            || !self.rules.time_alone_in_last_generation;
        !recover.answered && recover.has_waited(clock.svc(), self.rules) && fixed && last
    }

    /// Whether it is unknown if the lease is still its holder's: the journal that says so may have regressed since.
    pub(crate) fn doubts(&self, lease: &Lease) -> bool {
        let Some(recover) = &self.recover else { return false };
        let row = self.provision.as_ref().and_then(|provision| provision.rows.get(&lease.row));
        lease.grant < recover.entered && !row.is_some_and(|row| self.serves(row))
    }

    /// Whether seats may go back to the vendor: what is free by a ledger that may have regressed may be in use.
    pub(crate) const fn may_release(&self) -> bool {
        self.recover.is_none() || !self.rules.recover_releases_nothing
    }

    /// What a request says of it.
    pub(crate) fn recovery(&self) -> Option<Recovery> {
        let recover = self.recover_at(&self.clock)?;
        let waited = recover.has_waited(self.clock.svc(), self.rules);
        // An attestation gets one generation: what is left is to wait.
        let attested = recover.attested && !recover.answered;
        Some(Recovery { cause: recover.cause, waited, attested })
    }

    /// Whether the issuer is to be asked for a new generation.
    pub(crate) fn wants_generation(&self) -> bool {
        self.recover.as_ref().is_some_and(|recover| recover.attested && !recover.answered)
    }

    /// When the wait is over, if it is not by this clock.
    pub(crate) fn wait_ends_at(&self, clock: &Clock) -> Option<SvcMs> {
        let ends_at = self.recover.as_ref()?.wait_ends_at(self.rules);
        (clock.svc() < ends_at).then_some(ends_at)
    }

    /// The same as an instant, for people.
    pub(crate) fn wait_ends_by(&self, clock: &Clock) -> Option<UnixMs> {
        let left_ms = self.wait_ends_at(clock)?.since(clock.svc());
        Some(clock.best().recorded().plus(left_ms))
    }

    /// Why no seat is given.
    pub(crate) fn not_served(&self) -> NoPromise {
        let bound = self.wait_ends_by(&self.clock).unwrap_or_else(|| self.clock.best().recorded());
        NoPromise::new(Code::Recovering, bound)
    }

    /// Why no seat is given, what ends it, and when at the earliest.
    pub(crate) fn denial_in_recover(&self) -> Denial {
        let detail = self.recover.as_ref().map(|recover| self.recover_in_words(recover, &self.clock));
        let hint = "`leasehold-node status` on the node says how it stands";
        let mut denial = denial(Code::Recovering, detail.unwrap_or_default(), hint);
        denial.retry_after_ms = self.wait_ends_at(&self.clock).map(|at| at.since(self.clock.svc()));
        denial.would_allow = vec!["the end of RECOVER".to_owned()];
        denial
    }

    /// Why the node gives no seat at `now`, where that is for RECOVER.
    pub fn not_serving(&self, now: &ClockReading) -> Option<Problem> {
        let clock = self.clock_at(now);
        let recover = self.recover_at(&clock)?;
        let mut current = self.provision.iter().flat_map(|p| p.rows.values()).filter(|row| row.current);
        if current.any(|row| self.serves_at(row, &clock)) {
            return None;
        }
        let detail = self.recover_in_words(recover, &clock);
        Some(Problem::new(Code::Recovering, detail, "see `leasehold-node status`"))
    }

    /// What is wrong and what ends it, for people.
    pub(crate) fn recover_in_words(&self, recover: &Recover, clock: &Clock) -> String {
        let why = cause_in_words(recover.cause);
        let wait = match self.wait_ends_by(clock) {
            Some(at) => format!("what it may have forgotten is over at {at}"),
            None => "what it may have forgotten is over".to_owned(),
        };
        let rest = match recover {
            Recover { answered: true, .. } => "then seats are given again".to_owned(),
            Recover { attested: true, .. } => {
                format!(
                    "and the vendor has to answer a request of this node; {}",
                    self.without_answer(recover)
                )
            }
            _ => format!(
                "an operator has to attest that no copy of this node runs (`recover --reason`), and the vendor to answer a request made after that; {}",
                self.without_answer(recover)
            ),
        };
        format!("{why}: no seat is given, running leases go on; {wait}, {rest}")
    }

    /// What time alone brings.
    fn without_answer(&self, recover: &Recover) -> &'static str {
        let rows = self.provision.iter().flat_map(|p| p.rows.values()).filter(|row| row.current);
        let by_time =
            |row: &Row| row.allocation.fixed && recover.is_last_generation(row.allocation.generation);
        match (rows.clone().any(by_time), rows.clone().all(by_time)) {
            (_, true) => "the seats of this node, being fixed, come back by the wait alone",
            (true, _) => "its fixed seats come back by the wait alone",
            (false, _) => "nothing comes back by the wait alone",
        }
    }

    fn recovering(&self, result: RecoverResult) -> Reply {
        let cause = match &self.recover {
            Some(recover) => self.recover_in_words(recover, &self.clock),
            None => "from then on no seat is given until what may have been forgotten is over and the vendor has answered; running leases go on"
                .to_owned(),
        };
        Reply::Recovering(Box::new(RecoverAnswer {
            result,
            trust_state: TrustState::Recover,
            trust_cause: cause,
            attested: self.recover.as_ref().is_some_and(|recover| recover.attested),
            wait_ends_at: self.wait_ends_by(&self.clock).and_then(instant),
        }))
    }

    /// max(previous + 1, minutes since 2024): no epoch of a forgotten lease comes again.
    fn next_incarnation(&self) -> Option<u32> {
        let known = self.identity.as_ref()?.incarnation;
        let minutes = minutes_since_2024(self.clock.best().recorded().0);
        let next = minutes.max(known.saturating_add(1)).min(INCARNATION_MAX);
        Some(if self.rules.recover_begins_incarnation { next } else { known })
    }
}

/// Incarnations have 24 bits.
pub(crate) const INCARNATION_MAX: u32 = 0xFF_FFFF;

/// What shows that the ledger may have regressed.
fn cause_in_words(cause: RecoverCause) -> &'static str {
    match cause {
        RecoverCause::Restored => "the journal was restored from a backup",
        RecoverCause::Declared => "an operator declared that the journal may be older than what was promised",
        RecoverCause::Behind => "the journal had lost records, or was damaged",
        RecoverCause::Snapshot => "this virtual machine was set back to a snapshot, or copied",
        RecoverCause::Ticket => "somebody holds a lease of this node that the journal does not know",
        RecoverCause::Issuer => "the vendor knows of reports of this node that the journal does not know",
    }
}
