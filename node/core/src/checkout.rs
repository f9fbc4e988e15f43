//! Checkout: which pool, which seats, for how long; and the same answer again for the same key.

use std::sync::Arc;

use leasehold_protocol::api::Denial;
use leasehold_protocol::artefact::{
    Extensions, Holder, Interval, LeaseTicket, Seats as PoolSeats, TicketFlags, TtlBounds,
};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::SvcMs;

use crate::clock::Best;
use crate::core::{EPOCH_COUNTER, NodeCore, refuse, reply};
use crate::denial::denial;
use crate::effect::{Effect, Effects, Event, Reply, SeatReply};
use crate::input::{Checkout, Principal, ReplyTo};
use crate::lease::{Lease, Standing};
use crate::limits;
use crate::no_promise::NoPromise;
use crate::promise::Promises;
use crate::provision::{PoolEntry, PoolIndex, Provision, Row, RowIndex};
use crate::record::{EndCause, LeaseGranted, Record};
use crate::seats::{self, Seats};
use crate::taken::Taken;
use leasehold_protocol::entropy::Entropy;

/// A pool that may give a seat, and the rows that may promise it.
struct Candidate<'a> {
    index: PoolIndex,
    entry: &'a PoolEntry,
    in_grace: bool,
    /// Rows in serving order, each with the life it can promise.
    rows: Vec<(RowIndex, i64)>,
}

/// The seats a checkout gets.
struct Choice {
    pool: PoolIndex,
    seats: Seats,
    ttl_ms: i64,
}

impl Candidate<'_> {
    fn choice(&self, seats: Seats) -> Option<Choice> {
        let &(_, ttl_ms) = self.rows.iter().find(|(row, _)| *row == seats.row)?;
        Some(Choice { pool: self.index, seats, ttl_ms })
    }
}

/// Why there is none, and of which pool.
struct Denied {
    pool: Option<PoolIndex>,
    denial: Box<Denial>,
}

impl NodeCore {
    pub(crate) fn checkout(
        &mut self,
        to: ReplyTo,
        principal: Principal,
        checkout: Checkout,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let checkout = &checkout.normalised();
        if let Err(problem) = checkout.check() {
            return refuse(to, problem, out);
        }
        let params_hash = checkout.params_hash(principal);
        if let Some(lease) = self.ledger.by_key(&checkout.key.0) {
            if lease.params_hash != params_hash {
                return self.refuse_by_record(to, key_conflict(checkout), out);
            }
            if lease.standing() == Standing::Released {
                return self.refuse_by_record(to, key_ended(checkout), out);
            }
            if self.doubts(lease) {
                let (pool, denial) = (lease.pool, self.no_promise(self.not_served()));
                return self.deny(to, Some(pool), denial, out);
            }
            return self.answer_again(to, lease.grant, out);
        }
        if let Some(ended) = self.ledger.ended().by_key(&checkout.key.0) {
            let same = ended.params_hash == params_hash;
            let problem = if same { key_ended(checkout) } else { key_conflict(checkout) };
            return self.refuse_by_record(to, problem, out);
        }
        self.shrink_rows(out);
        match self.choose(checkout) {
            Ok(choice) => self.grant(to, principal, checkout, params_hash, choice, entropy, out),
            Err(denied) => self.deny(to, denied.pool, *denied.denial, out),
        }
    }

    /// Answers with a lease as it is now: life unchanged, age as of this answer.
    pub(crate) fn answer_seat(&self, to: ReplyTo, grant: Seq, out: &mut Effects) {
        let Some(seat) = self.seat(grant) else { return };
        reply(to, seat.place.frame, Reply::Seat(seat), out);
    }

    /// Has the newest ticket of a lease signed with this frame, and answers with it.
    pub(crate) fn promise_seat(&self, to: ReplyTo, grant: Seq, out: &mut Effects) {
        let Some(seat) = self.seat(grant) else { return };
        out.0.push(Effect::Sign(Arc::clone(&seat.ticket)));
        reply(to, seat.place.frame, Reply::Seat(seat), out);
    }

    fn seat(&self, grant: Seq) -> Option<Box<SeatReply>> {
        let (lease, provision) = self.ledger.get(grant).zip(self.provision.as_ref())?;
        let row = provision.rows.get(&lease.row)?;
        let entry = provision.pools.get(&row.pool_index)?;
        let aged_ms = self.clock.svc().since(lease.since());
        // Readings are cut to milliseconds: the true age may be one more.
        let age_ms = if lease.place().frame == self.frame_start() { 0 } else { aged_ms.saturating_add(1) };
        Some(Box::new(SeatReply {
            code: code_of(lease.flags()),
            lease: lease.id,
            epoch: lease.epoch,
            pool: entry.pool.issue.id,
            slots: lease.slots.clone(),
            count: lease.count,
            product: entry.grant.sku.clone(),
            ttl_ms: lease.ttl_ms(),
            age_ms: if self.rules.answers_carry_age { age_ms } else { 0 },
            ticket: Arc::new(self.ticket(lease, row)?),
            place: lease.place(),
            chain: row.chain_digest,
        }))
    }

    pub(crate) fn deny(&mut self, to: ReplyTo, pool: Option<PoolIndex>, denial: Denial, out: &mut Effects) {
        self.pending_denials.count(pool, denial.code, self.clock.svc());
        let entry = pool.and_then(|index| self.provision.as_ref()?.pools.get(&index));
        let pool = entry.map(|entry| entry.pool.issue.id);
        out.0.push(Effect::Event(Event::Denied { pool, code: denial.code }));
        reply(to, Seq(0), Reply::Denied(Box::new(denial)), out);
    }

    /// Friendly to who paid: the grant's start and end are judged by the best time there is.
    pub(crate) fn check_grant(&self, provision: &Provision, entry: &PoolEntry) -> Result<bool, NoPromise> {
        let (grant, best) = (&entry.grant, self.clock.best());
        if let Some(since) = provision.revoked_since(entry, best) {
            return Err(NoPromise::new(Code::Revoked, since));
        }
        if self.clock.not_yet(grant.not_before) {
            return Err(NoPromise::new(Code::NotYetEffective, grant.not_before));
        }
        if best.has_reached(grant.grace_end()) {
            return Err(NoPromise::new(Code::Expired, grant.grace_end()));
        }
        if !grant.bindings.is_empty() {
            // No fingerprint is asked for yet: what cannot be checked is not allowed.
            return Err(NoPromise::new(Code::BindingMismatch, grant.not_after));
        }
        Ok(best.has_reached(grant.not_after))
    }

    pub(crate) fn promises<'a>(&'a self, provision: &'a Provision) -> Promises<'a> {
        Promises { clock: &self.clock, provision, rules: self.rules }
    }

    /// Grace and overdraft, as tickets and answers carry them.
    pub(crate) fn flags_of(&self, row: RowIndex, slots: &SlotSet) -> u16 {
        let entry = self.provision.as_ref().and_then(|p| p.pools.get(&p.rows.get(&row)?.pool_index));
        let Some(entry) = entry else { return 0 };
        let in_grace = self.clock.best().has_reached(entry.grant.not_after);
        let grace = if in_grace { TicketFlags::GRACE } else { 0 };
        let sold = match entry.pool.seats {
            PoolSeats::Value(seats) => seats,
            PoolSeats::Unlimited => u32::MAX,
        };
        let over = slots.ranges().last().is_some_and(|range| sold < range.end());
        grace | if over { TicketFlags::OVERAGE } else { 0 }
    }

    /// A retry promises nothing new: its ticket and deadline are those that were given, and the seat is counted until
    /// then. So it is answered under a revoked grant, too; the end of the row bounds it as before.
    fn answer_again(&mut self, to: ReplyTo, grant: Seq, out: &mut Effects) {
        let Some((lease, provision)) = self.ledger.get(grant).zip(self.provision.as_ref()) else { return };
        let Some(row) = provision.rows.get(&lease.row) else { return };
        let age_ms = self.clock.svc().since(lease.since());
        match self.promises(provision).again(row, lease.ttl_ms(), age_ms) {
            Ok(()) => self.answer_seat(to, grant, out),
            Err(none) => {
                let (pool, denial) = (row.pool_index, self.no_promise(none));
                self.deny(to, Some(pool), denial, out);
            }
        }
    }

    fn choose(&self, checkout: &Checkout) -> Result<Choice, Denied> {
        let nowhere = |denial| Denied { pool: None, denial };
        let Some(provision) = &self.provision else { return Err(nowhere(Box::new(unprovisioned()))) };
        let pools = matching_pools(provision, checkout, self.clock.best()).map_err(nowhere)?;
        let mut open = Vec::new();
        let mut closed = Vec::new();
        for (index, entry) in pools {
            match self.candidate(provision, index, entry, checkout) {
                Ok(candidate) => open.push(candidate),
                Err(none) => closed.push((index, entry, none)),
            }
        }
        let surplus = |entry: &PoolEntry| entry.grant.features.len();
        open.sort_by_key(|c| (c.in_grace, surplus(c.entry), c.entry.grant.not_after, c.entry.pool.issue.id));
        let waiting = open.iter().find_map(|candidate| self.waiting_seats_of(provision, candidate, checkout));
        let others = || open.iter().find_map(|candidate| self.seats_of(provision, candidate, checkout));
        if let Some(choice) = waiting.or_else(others) {
            return Ok(choice);
        }
        if let Some(full) = open.first() {
            return Err(Denied {
                pool: Some(full.index),
                denial: Box::new(self.exhausted(provision, &open, checkout)),
            });
        }
        let revoked = |none: &NoPromise| none.code == Code::Revoked;
        closed.sort_by_key(|(_, entry, none)| {
            (revoked(none), surplus(entry), entry.grant.not_after, entry.pool.issue.id)
        });
        match closed.first() {
            Some(&(index, _, none)) => {
                Err(Denied { pool: Some(index), denial: Box::new(self.no_promise(none)) })
            }
            None => Err(nowhere(Box::new(unprovisioned()))),
        }
    }

    fn candidate<'a>(
        &self,
        provision: &'a Provision,
        index: PoolIndex,
        entry: &'a PoolEntry,
        checkout: &Checkout,
    ) -> Result<Candidate<'a>, NoPromise> {
        let in_grace = self.check_grant(provision, entry)?;
        let TtlBounds { min_ms, default_ms, max_ms } = entry.pool.ttl;
        let wish_ms = checkout.ttl_ms.unwrap_or(default_ms).clamp(min_ms, max_ms);
        let promises = self.promises(provision);
        let mut rows = Vec::new();
        let mut refusal = None;
        for &row in &entry.rows {
            let row_promises =
                |r: &Row| if self.serves(r) { promises.fresh(r, wish_ms) } else { Err(self.not_served()) };
            match provision.rows.get(&row).map(row_promises) {
                Some(Ok(ttl_ms)) => rows.push((row, ttl_ms)),
                Some(Err(none)) => refusal = refusal.or(Some(none)),
                None => {}
            }
        }
        match refusal {
            Some(none) if rows.is_empty() => Err(none),
            _ => Ok(Candidate { index, entry, in_grace, rows }),
        }
    }

    /// Seats that the same user and host gave back a while ago.
    fn waiting_seats_of(
        &self,
        provision: &Provision,
        candidate: &Candidate<'_>,
        checkout: &Checkout,
    ) -> Option<Choice> {
        let Candidate { index, entry, .. } = *candidate;
        self.lingering(index, &checkout.holder).next()?;
        let rows = self.served_rows(provision, candidate);
        let seats = self.lingering_seats(index, &rows, checkout)?;
        self.has_room(provision, index, entry, 0).then(|| candidate.choice(seats)).flatten()
    }

    fn seats_of(
        &self,
        provision: &Provision,
        candidate: &Candidate<'_>,
        checkout: &Checkout,
    ) -> Option<Choice> {
        let Candidate { index, entry, .. } = *candidate;
        if entry.pool.seats == PoolSeats::Unlimited {
            return candidate.choice(self.unlimited_seats(index, candidate.rows.first()?.0));
        }
        if !self.has_room(provision, index, entry, checkout.count) {
            return None;
        }
        let rows = self.served_rows(provision, candidate);
        let (none, pool) = (Taken::default(), self.ledger.pool(index));
        let taken = pool.map_or(&none, |pool| &pool.taken);
        let unused = || self.lingering(index, &checkout.holder).chain(self.run_out(index));
        candidate.choice(seats::choose(taken, &rows, checkout.count, unused)?)
    }

    fn served_rows(&self, provision: &Provision, candidate: &Candidate<'_>) -> Vec<(RowIndex, SlotSet)> {
        let counted = self.quarantine.of(candidate.index, self.clock.svc());
        let served = |&(row, _): &(RowIndex, i64)| {
            let slots = self.slots_of(provision, provision.rows.get(&row)?);
            Some((row, slots.without(&counted)))
        };
        candidate.rows.iter().filter_map(served).collect()
    }

    /// There is always a seat. Nobody waits for those of run-out leases, but memory does: each grant ends a few.
    fn unlimited_seats(&self, pool: PoolIndex, row: RowIndex) -> Seats {
        let evicted = self.run_out(pool).take(limits::UNLIMITED_EVICTIONS).map(|lease| lease.grant).collect();
        Seats { row, slots: SlotSet::EMPTY, evicted }
    }

    /// Leases whose seats may be given to somebody else, the oldest deadline first.
    pub(crate) fn run_out(&self, pool: PoolIndex) -> impl Iterator<Item = &Lease> {
        self.ledger.run_out(pool, self.clock.svc())
    }

    #[expect(clippy::too_many_arguments, reason = "one lease is made of all of these, once")]
    fn grant(
        &mut self,
        to: ReplyTo,
        principal: Principal,
        checkout: &Checkout,
        params_hash: [u8; 8],
        choice: Choice,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        let Choice { pool, seats: Seats { row, slots, evicted }, ttl_ms } = choice;
        for grant in evicted {
            self.end_run_out(grant, EndCause::Evicted, out);
        }
        let holder = self.intern_holder(&checkout.holder, out);
        let features = self.intern_features(&checkout.features, out);
        let granted = LeaseGranted {
            lease: LeaseId::new(self.clock.best().recorded(), &entropy.draw()),
            pool,
            allocation: row,
            epoch: self.next_epoch(pool),
            flags: self.flags_of(row, &slots),
            slots,
            count: checkout.count,
            holder,
            features,
            principal,
            key: checkout.key.0,
            params_hash,
            wish_ttl_ms: self.wish_ms(pool, checkout),
            deadline: self.clock.svc().plus(ttl_ms),
            issued_floor: self.clock.floor().recorded(),
            issued_hi: self.clock.hi().recorded(),
        };
        let grant = self.emit(Record::LeaseGranted(granted), out);
        self.promise_seat(to, grant, out);
    }

    fn wish_ms(&self, pool: PoolIndex, checkout: &Checkout) -> u32 {
        let ttl = self.provision.as_ref().and_then(|p| p.pools.get(&pool)).map(|entry| entry.pool.ttl);
        let TtlBounds { min_ms, default_ms, max_ms } = ttl.unwrap_or_default();
        u32::try_from(checkout.ttl_ms.unwrap_or(default_ms).clamp(min_ms, max_ms)).unwrap_or(u32::MAX)
    }

    pub(crate) fn intern_holder(&mut self, holder: &Holder, out: &mut Effects) -> u32 {
        self.holders.find(holder).unwrap_or_else(|| {
            let index = self.holders.next();
            self.emit(Record::HolderSeen { index, holder: holder.clone() }, out);
            index
        })
    }

    pub(crate) fn intern_features(&mut self, features: &Vec<String>, out: &mut Effects) -> u32 {
        self.features.find(features).unwrap_or_else(|| {
            let index = self.features.next();
            self.emit(Record::FeaturesSeen { index, features: features.clone() }, out);
            index
        })
    }

    fn next_epoch(&self, pool: PoolIndex) -> u64 {
        let incarnation = self.identity.as_ref().map_or(0, |identity| u64::from(identity.incarnation));
        let used = self.ledger.pool(pool).map_or(0, |pool| pool.epoch_counter);
        let counter = if self.rules.epochs_advance { used.saturating_add(1) } else { 1 };
        (incarnation << 40) | counter.min(EPOCH_COUNTER)
    }

    fn ticket(&self, lease: &Lease, row: &Row) -> Option<LeaseTicket> {
        Some(LeaseTicket {
            lease: lease.id,
            serial: lease.grant.0,
            allocation: row.allocation.digest(),
            slots: lease.slots.clone(),
            count: lease.count,
            holder: self.holders.get(lease.holder)?.clone(),
            features: self.features.get(lease.features)?.clone(),
            generation: row.allocation.generation,
            epoch: lease.epoch,
            ttl_ms: u32::try_from(lease.ttl_ms()).unwrap_or(u32::MAX),
            issued: Interval { floor: lease.issued.0, hi: lease.issued.1 },
            flags: TicketFlags(lease.flags()),
            ext: Extensions::NONE,
        })
    }

    /// Every seat is taken: by whom, until when at the earliest, and what would help.
    fn exhausted(&self, provision: &Provision, open: &[Candidate<'_>], checkout: &Checkout) -> Denial {
        let svc = self.clock.svc();
        let used = open.iter().fold(0_u32, |sum, c| sum.saturating_add(self.ledger.in_use(c.index, svc)));
        let seats = open.iter().fold(0_u32, |sum, c| sum.saturating_add(self.kept_seats_of(provision, c)));
        let what = checkout.product.clone().unwrap_or_else(|| "the pool".to_owned());
        let detail = match (seats, checkout.count) {
            (0, _) => format!("this node holds no seats of {what}"),
            (_, 1) => format!("all {seats} seats of {what} on this node are in use"),
            (_, count) if seats < count => format!("{count} seats of {what} asked, this node holds {seats}"),
            (_, count) => format!("{count} seats of {what} asked, {used} of {seats} on this node are in use"),
        };
        let never = seats < checkout.count;
        let hint =
            if never { "ask the vendor to allocate seats to this node" } else { "release a seat or wait" };
        let mut denial = denial(Code::PoolExhausted, detail, hint);
        let earliest =
            open.iter().filter_map(|c| self.free_at(provision, c.index, c.entry, checkout.count)).min();
        let earliest = earliest.map(|at| at.since(svc).max(0)).filter(|_| !never);
        denial.retry_after_ms = earliest;
        let counted = |index| self.ledger.of_pool(index).filter(|lease| !lease.has_run_out(svc));
        let holders = open.iter().flat_map(|c| counted(c.index).take(limits::DENIAL_HOLDERS));
        let holder = |lease: &Lease| self.holders.get(lease.holder).map(ToString::to_string);
        denial.held_by = holders.filter_map(holder).take(limits::DENIAL_HOLDERS).collect();
        denial.would_allow = match earliest {
            Some(ms) => vec![
                "a release".to_owned(),
                format!("the end of the oldest promise, in {} s", ms.div_euclid(1000)),
            ],
            None => vec!["an allocation with seats".to_owned()],
        };
        denial
    }

    /// When so many seats are free at the earliest, if nobody renews: each seat is counted to its own end, and those that
    /// the vendor takes back are nobody's.
    fn free_at(
        &self,
        provision: &Provision,
        index: PoolIndex,
        entry: &PoolEntry,
        count: u32,
    ) -> Option<SvcMs> {
        let in_use = self.ledger.in_use(index, self.clock.svc());
        let mut missing =
            in_use.saturating_add(count).saturating_sub(self.kept_seats(provision, entry)).max(1);
        let ends = self.ledger.of_pool(index).take(limits::CHECKOUT_SEATS as usize);
        let mut last = None;
        for lease in ends.filter(|lease| !lease.has_run_out(self.clock.svc())) {
            last = Some(lease.reclaim_at());
            missing = missing.saturating_sub(lease.count);
            if missing == 0 {
                break;
            }
        }
        last
    }

    fn kept_seats_of(&self, provision: &Provision, candidate: &Candidate<'_>) -> u32 {
        let rows = candidate.rows.iter().filter_map(|(row, _)| provision.rows.get(row));
        rows.fold(0, |sum, row| sum.saturating_add(self.kept_slots(provision, row).len()))
    }
}

/// How a seat with these flags was allowed.
pub(crate) fn code_of(flags: u16) -> Code {
    match flags {
        flags if flags & TicketFlags::OVERAGE != 0 => Code::AllowedOverage,
        flags if flags & TicketFlags::GRACE != 0 => Code::AllowedGrace,
        _ => Code::Allowed,
    }
}

/// Pools of the product that have the features, the revoked ones too; or why there are none.
fn matching_pools<'a>(
    provision: &'a Provision,
    checkout: &Checkout,
    best: Best,
) -> Result<Vec<(PoolIndex, &'a PoolEntry)>, Box<Denial>> {
    let matches = |entry: &PoolEntry| {
        let product = checkout.product.as_ref().is_none_or(|sku| *sku == entry.grant.sku);
        let known = entry.live || provision.revoked_since(entry, best).is_some();
        known && product && checkout.pool.is_none_or(|pool| pool == entry.pool.issue.id)
    };
    let of_product: Vec<_> = provision
        .pools
        .iter()
        .filter(|(_, entry)| matches(entry))
        .map(|(&index, entry)| (index, entry))
        .collect();
    if of_product.is_empty() {
        let what = match (&checkout.product, checkout.pool) {
            (Some(sku), _) => format!("nothing was granted for product {sku}"),
            (None, pool) => format!("there is no pool {}", pool.map(|p| p.to_string()).unwrap_or_default()),
        };
        return Err(Box::new(denial(
            Code::NoGrant,
            what,
            "check the product's name, or ask the vendor for a grant",
        )));
    }
    let has = |entry: &PoolEntry, feature: &String| entry.grant.features.contains(feature);
    let with_features: Vec<_> = of_product
        .iter()
        .copied()
        .filter(|(_, entry)| checkout.features.iter().all(|feature| has(entry, feature)))
        .collect();
    if with_features.is_empty() {
        let lacking = |feature: &&String| !of_product.iter().any(|(_, entry)| has(entry, feature));
        let detail = match checkout.features.iter().find(lacking) {
            Some(feature) => format!("no grant includes the feature {feature}"),
            None => format!("no single grant includes all of {}", checkout.features.join(", ")),
        };
        return Err(Box::new(denial(
            Code::FeatureNotInPlan,
            detail,
            "ask the vendor for an edition with the feature",
        )));
    }
    Ok(with_features)
}

fn unprovisioned() -> Denial {
    denial(
        Code::NodeUnprovisioned,
        "this node has not been given any seats yet",
        "import the vendor's bundle: leasehold-node import FILE",
    )
}

fn key_conflict(checkout: &Checkout) -> Problem {
    let detail = format!("the key {} was used with other parameters", checkout.key);
    Problem::new(Code::KeyConflict, detail, "use a new key for a new seat")
}

fn key_ended(checkout: &Checkout) -> Problem {
    let detail = format!("the lease of key {} has ended", checkout.key);
    Problem::new(Code::LeaseEnded, detail, "use a new key for a new seat")
}
