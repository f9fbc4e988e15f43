//! The core itself: inputs are decided, records applied, time taken in; decisions live in the modules beside it.

use std::collections::VecDeque;

use leasehold_protocol::artefact::{Holder, Kind};
use leasehold_protocol::bundle::{OpenedBundle, open_bundle};
use leasehold_protocol::bytes::{Bytes, SpkiDigest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Realm;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{ClockReading, Stamp, SvcMs};
use leasehold_protocol::trust_root::TrustRoot;

use crate::clock::Clock;
use crate::contact::NamedIssuer;
use crate::denial::{PendingDenials, RecentDenials};
use crate::effect::{Effect, Effects, Event, Reply, TicketPlace};
use crate::forced_release::Forced;
use crate::fork::Fork;
use crate::input::{Cause, Initialise, Input, ReplyTo};
use crate::interner::Interner;
use crate::lease::{Lease, Promise};
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::provision::{Provision, extend_roots};
use crate::quarantine::Quarantine;
use crate::receipt::MadeReceipt;
use crate::record::{EndCause, LeaseGranted, Record, ReleaseCause};
use crate::recover::{INCARNATION_MAX, Recover, Regress};
use crate::renewal::RenewalWish;
use crate::request::{OpenRequest, RequestWish};
use crate::rules::Rules;
use crate::surrender::{CONFLICT, Surrendered};
use leasehold_protocol::entropy::Entropy;

/// The node's ledger as a fold over its journal.
#[derive(Clone, Debug)]
pub struct NodeCore {
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) identity: Option<Identity>,
    pub(crate) provision: Option<Provision>,
    pub(crate) ledger: Ledger,
    pub(crate) holders: Interner<Holder>,
    pub(crate) features: Interner<Vec<String>>,
    pub(crate) requests: VecDeque<OpenRequest>,
    pub(crate) issuer: Option<NamedIssuer>,
    pub(crate) reports: u64,
    /// The newest report that a bundle answered.
    pub(crate) answered_report: u64,
    pub(crate) surrenders: VecDeque<Surrendered>,
    pub(crate) receipts: VecDeque<MadeReceipt>,
    pub(crate) forced: VecDeque<Forced>,
    pub(crate) recover: Option<Recover>,
    pub(crate) fork: Option<Fork>,
    pub(crate) quarantine: Quarantine,
    pub(crate) machine: Option<Machine>,
    pub(crate) recent_denials: RecentDenials,
    /// Not part of the fold: counted since the last roll-up.
    pub(crate) pending_denials: PendingDenials,
    /// Not part of the fold: operators were told that the clock is suspect.
    pub(crate) told_suspect: bool,
    pub(crate) next_seq: Seq,
    frame: Frame,
    /// The clock before the frame being filled.
    earlier_clock: Clock,
}

/// Who the node is, from `init` on.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) incarnation: u32,
    pub(crate) root: TrustRoot,
    pub(crate) roots: Vec<Bytes>,
    pub(crate) sign_key: PublicKeyBytes,
    pub(crate) tls_keys: Vec<SpkiDigest>,
    pub(crate) name: String,
}

/// The frame being filled: names the tickets signed with it.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    first_seq: Seq,
    leaves: u16,
}

/// A journal says what this version cannot follow: it is damaged, or newer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot be applied: {reason}", seq = seq.0)]
pub struct ReplayError {
    /// Which record.
    pub seq: Seq,
    /// Why.
    pub reason: String,
}

impl Default for NodeCore {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeCore {
    /// The core before any record.
    pub const fn new() -> Self {
        Self {
            rules: Rules::LAW,
            clock: Clock::new(),
            identity: None,
            provision: None,
            ledger: Ledger::new(),
            holders: Interner::new(),
            features: Interner::new(),
            requests: VecDeque::new(),
            issuer: None,
            reports: 0,
            answered_report: 0,
            surrenders: VecDeque::new(),
            receipts: VecDeque::new(),
            forced: VecDeque::new(),
            recover: None,
            fork: None,
            quarantine: Quarantine::new(),
            machine: None,
            recent_denials: RecentDenials::new(),
            pending_denials: PendingDenials::new(),
            told_suspect: false,
            next_seq: Seq(1),
            frame: Frame { first_seq: Seq(1), leaves: 0 },
            earlier_clock: Clock::new(),
        }
    }

    /// A core with a rule removed.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub const fn with_rules(mut self, rules: Rules) -> Self {
        (self.rules, self.clock.rules, self.earlier_clock.rules) = (rules, rules, rules);
        self
    }

    /// Gives every lease a new life, as a replay that forgot how old they were would.
    #[cfg(feature = "mutants")]
    pub fn restart_deadlines(&mut self) {
        let svc = self.clock.svc();
        let grants: Vec<Seq> = self.ledger.leases().map(|lease| lease.grant).collect();
        for grant in grants {
            self.ledger.update(grant, |lease| {
                let (deadline, reclaim_at) = (svc.plus(lease.ttl_ms()), lease.reclaim_at());
                lease.promise(Promise { since: svc, deadline, reclaim_at, place: lease.place() });
            });
        }
    }

    /// Decides one input. Records are applied as they are emitted, so the next input of the frame sees them. The
    /// frame's stamp must have been taken in, from the same reading.
    pub fn handle(&mut self, now: &ClockReading, entropy: &mut Entropy, input: Input, out: &mut Effects) {
        debug_assert_eq!(
            self.clock.svc(),
            self.clock.stamp_of(now).svc,
            "stamp and handle read the same clock"
        );
        self.tell_of_clock(out);
        if self.wants_roll_up(&input) {
            self.roll_up_denials(out);
        }
        if now.vm_generation_event {
            self.set_back(out);
        }
        self.end_recover(out);
        match input {
            Input::Initialise(initialise) => self.initialise(initialise, out),
            Input::Checkout { to, principal, checkout } => {
                self.checkout(to, principal, checkout, entropy, out);
            }
            Input::Renew { to, principal, lease, idle_ms, shown } => {
                let wish = RenewalWish { principal, lease, idle_ms, shown: shown.as_deref() };
                self.renew(to, &wish, entropy, out);
            }
            Input::Release { to, principal, lease } => self.release(to, principal, lease, out),
            Input::MakeRequest { to, cause, way, present, join, journal } => {
                self.make_request(to, RequestWish { cause, way, present, join, journal }, entropy, out);
            }
            Input::Import { to, cause, envelope, dry_run, accept_time } => {
                self.import(to, cause, &envelope, dry_run, accept_time, out);
            }
            Input::MakeReceipt { to, cause, journal } => self.make_receipt(to, cause, journal, entropy, out),
            Input::Surrender { to, cause, pool, count, dry_run } => {
                self.surrender(to, cause, pool, count, dry_run, out);
            }
            Input::ForceRelease { to, cause, lease, dry_run } => {
                self.force_release(to, cause, lease, dry_run, out);
            }
            Input::NameIssuer { to, cause, issuer } => self.name_issuer(to, cause, issuer, out),
            Input::Regressed { cause, by, newest_generation } => {
                self.regress(Regress { cause, by, newest_generation }, out);
            }
            Input::Recover { to, cause, dry_run } => self.recover(to, cause, dry_run, out),
            Input::Contradicted { to, report_seq } => self.contradict(to, report_seq, out),
            Input::MachineSeen(machine) => self.see_machine(machine, out),
            Input::Tick => {
                self.shrink_rows(out);
                self.end_what_is_over(out);
            }
        }
    }

    /// The clock fields of a frame at this reading.
    pub fn stamp_of(&self, now: &ClockReading) -> Stamp {
        self.clock.stamp_of(now)
    }

    /// Takes in a frame's clock fields: before its records, live and in replay.
    pub fn stamp(&mut self, stamp: &Stamp) {
        self.earlier_clock = self.clock.clone();
        self.clock.stamp(stamp);
        self.frame = Frame { first_seq: self.next_seq, leaves: 0 };
    }

    /// The frame of the last stamp is not written, having no records: its clock fields are taken back, so that the
    /// state is what the journal says. A frame with records stays.
    pub fn forget_frame(&mut self) {
        if self.next_seq == self.frame.first_seq {
            self.clock = self.earlier_clock.clone();
        }
    }

    /// The only mutator. Replay is [`NodeCore::stamp`] and this alone.
    pub fn apply(&mut self, seq: Seq, record: &Record) -> Result<(), ReplayError> {
        let broken = |reason: &str| ReplayError { seq, reason: reason.to_owned() };
        if seq != self.next_seq {
            return Err(broken("it does not follow the record before"));
        }
        self.next_seq = Seq(seq.0.saturating_add(1));
        match record {
            Record::Initialised { cause: _, incarnation, trust_root, sign_key, tls_keys, name } => {
                let root = TrustRoot::pin(&trust_root.0).map_err(|error| broken(&error.to_string()))?;
                self.identity = Some(Identity {
                    incarnation: *incarnation,
                    root,
                    roots: vec![trust_root.clone()],
                    sign_key: *sign_key,
                    tls_keys: tls_keys.clone(),
                    name: name.clone(),
                });
            }
            Record::RequestMade { cause, way, request } => {
                let realm = self.realm().ok_or_else(|| broken("the node was never initialised"))?;
                self.apply_request(seq, cause, *way, request, &realm);
            }
            Record::BundleApplied { envelope, time_accepted, .. } => {
                let root = self.trust_root().ok_or_else(|| broken("the node was never initialised"))?;
                let opened = open_bundle(root, &envelope.0).map_err(|error| broken(&error.to_string()))?;
                self.put_in_force(&opened, *time_accepted);
            }
            Record::TimeAccepted { cause: _ } => self.clock.believe_aside(),
            Record::HolderSeen { index, holder } => self.holders.insert(*index, holder.clone()),
            Record::FeaturesSeen { index, features } => self.features.insert(*index, features.clone()),
            Record::LeaseGranted(granted) => self.apply_grant(seq, granted),
            Record::Renewed(renewals) => {
                for (grant, longer_ms) in renewals {
                    self.apply_renewal(*grant, *longer_ms);
                }
            }
            Record::LeaseEnded { grant, cause } => self.apply_end(*grant, *cause),
            Record::LeaseLingers { grant, until } => self.ledger.update(*grant, |lease| lease.linger(*until)),
            Record::LeaseForced { cause, grant } => self.apply_forced(cause, *grant),
            Record::SlotsVacated => self.ledger.free_vacated(self.clock.svc()),
            Record::LeaseMoved { grant, allocation, slots } => self.apply_move(*grant, *allocation, slots),
            Record::Denied { pool, count, .. } => self.apply_denied(*pool, *count),
            Record::SlotsReleased { cause, allocation, slots, report_seq } => {
                self.apply_release(seq, cause, *allocation, slots, *report_seq)
                    .ok_or_else(|| broken("it gives back slots of an unknown row"))?;
            }
            Record::ReceiptMade { cause, receipt } => self.apply_receipt(seq, cause, receipt),
            Record::RecoverEntered { cause, by, incarnation, newest_generation, longest_ttl_ms } => {
                let (by, newest_generation) = (by.clone(), *newest_generation);
                let regress = Regress { cause: *cause, by, newest_generation };
                self.apply_recover_entered(seq, &regress, *incarnation, *longest_ttl_ms);
            }
            Record::RecoverAttested { .. } => self.recover.iter_mut().for_each(Recover::attest),
            Record::GenerationSeen { generation } => {
                self.recover.iter_mut().for_each(|recover| recover.see_generation(*generation));
            }
            Record::TicketAdopted { granted, replaces } => self.apply_adoption(seq, granted, replaces),
            Record::RecoverEnded => self.apply_recover_ended(),
            Record::Forked { report_seq } => {
                self.fork = Some(Fork { since: self.clock.wall().recorded(), report_seq: *report_seq });
            }
            Record::MachineSeen { machine } => self.machine = Some(*machine),
            Record::IssuerNamed { url, key, .. } => {
                self.issuer = Some(NamedIssuer { url: url.clone(), key: *key });
            }
        }
        Ok(())
    }

    /// When the core wants a [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<SvcMs> {
        [self.pending_denials.due(), self.wait_ends_at(&self.clock)].into_iter().flatten().min()
    }

    /// The number the next record takes.
    pub const fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// The vendor's realm and mode, from `init` on.
    pub fn realm(&self) -> Option<Realm> {
        self.identity.as_ref().map(|identity| identity.root.realm())
    }

    /// The newest trust root, from `init` on.
    pub fn trust_root(&self) -> Option<&TrustRoot> {
        self.identity.as_ref().map(|identity| &identity.root)
    }

    /// The key that it signs with, from `init` on.
    pub fn sign_key(&self) -> Option<PublicKeyBytes> {
        self.identity.as_ref().map(|identity| identity.sign_key)
    }

    /// Whether a bundle was applied.
    pub const fn is_provisioned(&self) -> bool {
        self.provision.is_some()
    }

    /// The generation in force; none before the first bundle. The MARK names it before any report leaves.
    pub fn generation(&self) -> Option<u32> {
        self.provision.as_ref().map(|provision| provision.generation)
    }

    /// Whether the ledger may have regressed: no seat is given.
    pub const fn is_recovering(&self) -> bool {
        self.recover.is_some()
    }

    pub(crate) fn emit(&mut self, record: Record, out: &mut Effects) -> Seq {
        let seq = self.next_seq;
        self.apply(seq, &record).expect("a record that was just decided applies");
        out.0.push(Effect::Record(record));
        seq
    }

    /// Emits the record of a bundle that is opened already: it is verified once.
    pub(crate) fn emit_bundle(
        &mut self,
        cause: Cause,
        opened: &OpenedBundle,
        time_accepted: bool,
        out: &mut Effects,
    ) -> Seq {
        let seq = self.next_seq;
        self.next_seq = Seq(seq.0.saturating_add(1));
        self.put_in_force(opened, time_accepted);
        let envelope = Bytes(opened.bundle.envelope().to_vec());
        out.0.push(Effect::Record(Record::BundleApplied { cause, envelope, time_accepted }));
        seq
    }

    fn initialise(&mut self, initialise: Initialise, out: &mut Effects) {
        let Initialise { cause, trust_root, sign_key, tls_keys, name } = initialise;
        let incarnation = minutes_since_2024(self.clock.wall().recorded().0);
        self.emit(
            Record::Initialised {
                cause,
                incarnation,
                trust_root: Bytes(trust_root),
                sign_key,
                tls_keys,
                name,
            },
            out,
        );
    }

    /// With an idle tick, or with a commit of seats once a minute. What is refused adds nothing to the journal.
    fn wants_roll_up(&self, input: &Input) -> bool {
        let due = self.pending_denials.due().is_some_and(|due| due <= self.clock.svc());
        match input {
            Input::Tick => true,
            Input::Checkout { .. } | Input::Renew { .. } | Input::Release { .. } => due,
            Input::Initialise(_)
            | Input::MakeRequest { .. }
            | Input::Import { .. }
            | Input::MakeReceipt { .. }
            | Input::Surrender { .. }
            | Input::ForceRelease { .. }
            | Input::NameIssuer { .. }
            | Input::Regressed { .. }
            | Input::Recover { .. }
            | Input::Contradicted { .. }
            | Input::MachineSeen(_) => false,
        }
    }

    fn roll_up_denials(&mut self, out: &mut Effects) {
        for record in self.pending_denials.drain() {
            self.emit(record, out);
        }
    }

    fn put_in_force(&mut self, opened: &OpenedBundle, time_accepted: bool) {
        let brings_rows = self.brings_rows(opened);
        let Some(identity) = &mut self.identity else { return };
        let floor_reset = extend_roots(&mut identity.roots, &identity.root, opened);
        identity.root = opened.root.clone();
        self.take_time(opened, floor_reset, time_accepted);
        let Some(identity) = &self.identity else { return };
        let unbounded_ms = self.clock.unbounded_ms();
        match &mut self.provision {
            Some(provision) if brings_rows => provision.take(opened, &identity.roots, unbounded_ms),
            Some(provision) => provision.take_word(opened),
            None => self.provision = Some(Provision::first(opened, &identity.roots, unbounded_ms)),
        }
        if brings_rows {
            self.answer_recover(opened);
        }
        self.apply_answer(&opened.bundle.answers);
        self.forget_idle_rows();
        self.find_ending();
    }

    fn apply_release(
        &mut self,
        seq: Seq,
        cause: &ReleaseCause,
        row: u32,
        slots: &SlotSet,
        report_seq: u64,
    ) -> Option<()> {
        let provision = self.provision.as_mut()?;
        let row = provision.rows.get(&row)?;
        provision.releases.add(row, slots, report_seq);
        let pool = row.pool_index;
        if let ReleaseCause::Surrender(cause) = cause {
            self.apply_surrender(seq, cause, pool, slots);
        }
        Some(())
    }

    pub(crate) fn apply_grant(&mut self, seq: Seq, granted: &LeaseGranted) {
        let svc = self.clock.svc();
        let counter = &mut self.ledger.pool_mut(granted.pool).epoch_counter;
        *counter = (*counter).max(granted.epoch & EPOCH_COUNTER);
        self.holders.acquire(granted.holder);
        self.features.acquire(granted.features);
        let place = self.next_leaf();
        let promise = self.promise(svc, granted.deadline, place);
        let lease = Lease::new(seq, granted, promise, self.clock.wall().recorded());
        self.ledger.insert(granted.principal, lease);
    }

    fn apply_renewal(&mut self, grant: Seq, longer_ms: i64) {
        let place = self.next_leaf();
        let Some(lease) = self.ledger.get(grant) else { return };
        let row = self.row_for_renewal(lease).unwrap_or(lease.row);
        let flags = self.flags_of(row, &lease.slots);
        let issued = (self.clock.floor().recorded(), self.clock.hi().recorded());
        let (svc, old_row) = (self.clock.svc(), lease.row);
        let promise = self.promise(svc, lease.deadline().plus(longer_ms), place);
        let reclaim_at = promise.reclaim_at.max(lease.reclaim_at());
        self.ledger.update(grant, |lease| {
            lease.promise(Promise { reclaim_at, ..promise });
            lease.set_flags(flags);
            (lease.issued, lease.row) = (issued, row);
        });
        self.forget_row(old_row);
    }

    fn apply_move(&mut self, grant: Seq, row: u32, slots: &SlotSet) {
        let Some(old_row) = self.ledger.get(grant).map(|lease| lease.row) else { return };
        self.ledger.shift(grant, row, slots);
        if !self.rules.vacated_slots_wait {
            self.ledger.free_vacated(SvcMs(i64::MAX));
        }
        self.forget_row(old_row);
    }

    fn promise(&self, since: SvcMs, deadline: SvcMs, place: TicketPlace) -> Promise {
        let reclaim_at = deadline.plus(self.rules.grace_ms(deadline.since(since)));
        Promise { since, deadline, reclaim_at, place }
    }

    pub(crate) fn apply_end(&mut self, grant: Seq, cause: EndCause) {
        let Some(lease) = self.ledger.end(grant, cause) else { return };
        self.forget_names(&lease);
    }

    /// The lease goes on under another grant.
    pub(crate) fn forget_lease(&mut self, grant: Seq) {
        let Some((lease, _)) = self.ledger.remove(grant) else { return };
        self.forget_names(&lease);
    }

    fn forget_names(&mut self, lease: &Lease) {
        self.holders.release(lease.holder);
        self.features.release(lease.features);
        self.forget_row(lease.row);
    }

    fn apply_denied(&mut self, pool: Option<u32>, count: u32) {
        if let Some(pool) = pool {
            let entry = self.ledger.pool_mut(pool);
            entry.denied = entry.denied.saturating_add(u64::from(count));
            self.recent_denials.add(pool, count, self.clock.svc());
        }
    }

    /// A node in RECOVER keeps all rows: tickets that it has forgotten name them.
    fn forget_row(&mut self, row: u32) {
        if self.recover.is_none()
            && !self.ledger.uses_row(row)
            && let Some(provision) = &mut self.provision
        {
            provision.forget_row(row);
        }
    }

    pub(crate) fn forget_idle_rows(&mut self) {
        let rows: Vec<u32> = self.provision.iter().flat_map(|p| p.rows.keys().copied()).collect();
        for row in rows {
            self.forget_row(row);
        }
    }

    /// First seq of the frame being filled.
    pub(crate) const fn frame_start(&self) -> Seq {
        self.frame.first_seq
    }

    fn next_leaf(&mut self) -> TicketPlace {
        let place = TicketPlace { frame: self.frame.first_seq, leaf: self.frame.leaves };
        self.frame.leaves = self.frame.leaves.saturating_add(1);
        place
    }
}

/// Low bits of an epoch; the others are the incarnation.
pub(crate) const EPOCH_COUNTER: u64 = (1 << EPOCH_BITS) - 1;
/// How many they are.
pub(crate) const EPOCH_BITS: u32 = 40;

/// Incarnations start at the minutes since 2024, 24 bits: a journal made anew begins above its predecessor.
pub(crate) fn minutes_since_2024(wall_ms: i64) -> u32 {
    const START_OF_2024_MS: i64 = 1_704_067_200_000;
    let minutes = wall_ms.saturating_sub(START_OF_2024_MS).div_euclid(60_000);
    u32::try_from(minutes.clamp(1, INCARNATION_MAX.into())).unwrap_or(1)
}

pub(crate) fn reply(to: ReplyTo, after: Seq, body: Reply, out: &mut Effects) {
    out.0.push(Effect::Reply { to, after, body });
}

impl NodeCore {
    /// Refuses for what records say, which may not be durable yet.
    pub(crate) fn refuse_by_record(&self, to: ReplyTo, problem: Problem, out: &mut Effects) {
        reply(to, self.next_seq.previous(), Reply::Refused(Box::new(problem)), out);
    }
}

pub(crate) fn refuse(to: ReplyTo, problem: Problem, out: &mut Effects) {
    reply(to, Seq(0), Reply::Refused(Box::new(problem)), out);
}

pub(crate) fn refuse_artefact(
    to: ReplyTo,
    kind: Kind,
    code: Code,
    detail: String,
    hint: &str,
    out: &mut Effects,
) {
    out.0.push(Effect::Event(Event::ArtefactRefused { code, detail: format!("{kind}: {detail}") }));
    refuse(to, Problem::new(code, detail, hint), out);
}

/// Nothing can be said to the vendor before its first bundle.
pub(crate) fn unprovisioned() -> Problem {
    let hint = "import the vendor's bundle: leasehold-node import FILE";
    let problem = Problem::new(Code::NodeUnprovisioned, "this node has no bundle yet", hint);
    Problem { status: CONFLICT, ..problem }
}

pub(crate) fn unknown_lease(lease: LeaseId) -> Problem {
    Problem::new(
        Code::LeaseUnknown,
        format!("no lease {lease} of yours is known here"),
        "check out a new seat",
    )
}
