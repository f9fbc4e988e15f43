//! Import of a bundle: whole or not at all, once, never an older one.

use leasehold_protocol::api::{ImportAnswer, ImportResult, instant};
use leasehold_protocol::artefact::{Answers, Head, Kind, Seats};
use leasehold_protocol::bundle::{OpenedBundle, open_bundle};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;

use crate::core::{Identity, NodeCore, refuse, refuse_artefact, reply};
use crate::effect::{Effect, Effects, Event, Reply};
use crate::input::{Cause, ReplyTo};
use crate::no_promise::Span;
use crate::provision::{PoolEntry, Provision};
use crate::revocation::scheduled_at;
use crate::surrender::CONFLICT;

/// A bundle that is not for this node, or not newer.
struct Unfit {
    code: Code,
    detail: String,
    hint: &'static str,
}

impl NodeCore {
    pub(crate) fn import(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        envelope: &[u8],
        dry_run: bool,
        accept_time: bool,
        out: &mut Effects,
    ) {
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        let Some(identity) = &self.identity else { return };
        let opened = match open_bundle(&identity.root, envelope) {
            Ok(opened) => opened,
            Err(error) => {
                let hint = "fetch the bundle again from the vendor; nothing was changed";
                return refuse_artefact(to, Kind::Bundle, error.code(), error.to_string(), hint, out);
            }
        };
        if let Err(unfit) = self.check_recipient(identity, &opened) {
            return refuse_artefact(to, Kind::Bundle, unfit.code, unfit.detail, unfit.hint, out);
        }
        let bundle_id = opened.bundle.issue.id;
        if self.provision.as_ref().is_some_and(|p| p.last_bundle.envelope == envelope) {
            return self.import_again(to, cause, &opened, dry_run, accept_time, out);
        }
        if let Err(unfit) = self.check_newer(&opened).and_then(|()| self.check_revocations(&opened)) {
            return refuse_artefact(to, Kind::Bundle, unfit.code, unfit.detail, unfit.hint, out);
        }
        if let Some(problem) = self.contradiction(&opened) {
            if self.fork.is_none() && !dry_run {
                self.fall_behind(out);
            }
            return self.refuse_by_record(to, problem, out);
        }
        let mut changes = changes(self.provision.as_ref(), &opened);
        if let Some(time) = opened.time.as_ref().filter(|time| !accept_time && !self.believes(time)) {
            let (earliest, best) = (time.earliest, self.clock.best());
            let ahead = Span(earliest.since(best.recorded()));
            changes.push(format!(
                "its time {earliest} is kept aside, being {ahead} ahead of {best}: --accept-time believes it"
            ));
        }
        if dry_run {
            let answer = ImportAnswer { result: ImportResult::WouldApply, bundle_id, changes };
            return reply(to, Seq(0), Reply::Imported(Box::new(answer)), out);
        }
        let seq = self.emit_bundle(cause, &opened, accept_time, out);
        self.shrink_rows(out);
        self.tell_of_time_kept_aside(&opened, out);
        out.0.push(Effect::Event(Event::BundleApplied { digest: opened.bundle.digest() }));
        let answer = ImportAnswer { result: ImportResult::Applied, bundle_id, changes };
        reply(to, seq, Reply::Imported(Box::new(answer)), out);
    }

    /// The bundle is in force. An operator may still vouch for its time, if that was kept aside.
    fn import_again(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        opened: &OpenedBundle,
        dry_run: bool,
        accept_time: bool,
        out: &mut Effects,
    ) {
        let bundle_id = opened.bundle.issue.id;
        let seq = self.next_seq;
        let mut answer =
            ImportAnswer { result: ImportResult::AlreadyApplied, bundle_id, changes: Vec::new() };
        if !dry_run && accept_time && self.accept_time_kept_aside(cause, opened, out) {
            answer.result = ImportResult::Applied;
            answer.changes.push(format!("its time is believed: it is {} or later", self.clock.floor()));
            return reply(to, seq, Reply::Imported(Box::new(answer)), out);
        }
        reply(to, Seq(0), Reply::Imported(Box::new(answer)), out);
    }

    fn check_recipient(&self, identity: &Identity, opened: &OpenedBundle) -> Result<(), Unfit> {
        let other = |detail: String| {
            Err(Unfit {
                code: Code::BundleWrongNode,
                detail,
                hint: "import the bundle that answers this node's request",
            })
        };
        if opened.certificate.sign_key != identity.sign_key {
            return other(format!("the bundle was made for node {} with another key", opened.bundle.node));
        }
        if let Some(provision) = &self.provision {
            if (provision.node, provision.account) != (opened.bundle.node, opened.bundle.account) {
                return other(format!("the bundle was made for node {}", opened.bundle.node));
            }
            if provision.last_bundle.digest == opened.bundle.digest() {
                return Ok(());
            }
        }
        match opened.bundle.answers {
            Answers::Request(digest) if self.is_open(digest) => Ok(()),
            // Its request may be long forgotten: what is wrong with it is that it is older.
            Answers::Request(_) if self.is_older(opened) => Ok(()),
            Answers::Request(_) => {
                other("the bundle answers a request that this node did not make".to_owned())
            }
            Answers::Series { .. } => {
                other("bundles of a one-way series are not served by this version".to_owned())
            }
        }
    }

    fn is_older(&self, opened: &OpenedBundle) -> bool {
        self.provision.as_ref().is_some_and(|p| opened.bundle.issue.serial <= p.last_bundle.serial)
    }

    /// Rollback rules: the bundle's serial, generation, head and rows only ever rise (SPEC BND-9).
    fn check_newer(&self, opened: &OpenedBundle) -> Result<(), Unfit> {
        let Some(provision) = &self.provision else { return Ok(()) };
        let head = &provision.head;
        let older = |what: String| {
            let hint = "import the newest bundle of the vendor; nothing was changed";
            Err(Unfit {
                code: Code::BundleRollback,
                detail: format!("the bundle is older than what was applied: {what}"),
                hint,
            })
        };
        let (serial, applied) = (opened.bundle.issue.serial, provision.last_bundle.serial);
        if self.is_older(opened) {
            return older(format!("it is number {serial}, number {applied} was applied"));
        }
        if opened.bundle.generation < provision.generation {
            return older("its generation is lower".to_owned());
        }
        let (version, current) = (opened.head.version, head.version);
        let same_generation = opened.head.status_generation == head.status_generation;
        if same_generation
            && (version < current || (version == current && opened.head.digest() != head.digest()))
        {
            return older(format!("its head has version {version}, version {current} was applied"));
        }
        for pool in &opened.pools {
            let known = provision.pools.values().find(|known| known.pool.issue.id == pool.issue.id);
            if known.is_some_and(|known| pool.issue.serial < known.pool.issue.serial) {
                return older(format!("pool {} is an earlier version", pool.issue.id));
            }
        }
        match opened.allocations.iter().find_map(|row| Some((row.issue.id, provision.unfit_version(row)?))) {
            Some((id, why)) => older(format!("allocation {id} {why}")),
            None => Ok(()),
        }
    }

    /// What a bundle says that this journal cannot have led to (SPEC §9.3). Another one speaks for the node, or this one
    /// has regressed.
    fn contradiction(&self, opened: &OpenedBundle) -> Option<Problem> {
        let provision = self.provision.as_ref()?;
        if let Some(fork) = &self.fork {
            let detail = format!(
                "the vendor heard something else from this node, at report {} or before: it runs twice, or was restored",
                fork.report_seq
            );
            let hint =
                "see that no copy of this node runs, then attest it: `leasehold-node recover --reason TEXT`";
            return Some(Problem::new(Code::NodeForked, detail, hint));
        }
        if self.recover.is_some() {
            return None;
        }
        let acknowledged =
            opened.allocations.iter().map(|row| row.acked_report_seq).max().unwrap_or_default();
        let (generation, known) = (opened.bundle.generation, provision.generation);
        let detail = if known < generation && !self.asked_for_generation(&opened.bundle.answers) {
            format!(
                "the bundle is of generation {generation} of this node, which the journal, of {known}, never asked for"
            )
        } else if self.reports < acknowledged {
            format!("the vendor acknowledges report {acknowledged}, the journal knows of {}", self.reports)
        } else {
            return None;
        };
        let hint =
            "the journal is older than what was promised: RECOVER has begun, see `leasehold-node status`";
        let problem = Problem::new(Code::Recovering, detail, hint);
        Some(Problem { status: CONFLICT, ..problem })
    }

    /// Revocation is terminal: what is known stays in force as long as its grant would have lived (SPEC §7.2).
    fn check_revocations(&self, opened: &OpenedBundle) -> Result<(), Unfit> {
        let Some(provision) = &self.provision else { return Ok(()) };
        let lacks = |what: String| {
            Err(Unfit {
                code: Code::RevocationRollback,
                detail: format!("the bundle's head does not know of a revocation: {what}"),
                hint: "ask the vendor for a bundle of its present state; nothing was changed",
            })
        };
        let (least, known) = (opened.head.min_grant_generation, provision.head.min_grant_generation);
        if least < known {
            return lacks(format!("its least grant generation is {least}, it was {known}"));
        }
        match provision.revocations_until(&opened.head).missing_from(&opened.head) {
            Some((kind, serial)) => lacks(format!("{kind} {serial} was revoked before it was issued")),
            None => Ok(()),
        }
    }
}

/// What a bundle changes, for people.
fn changes(provision: Option<&Provision>, opened: &OpenedBundle) -> Vec<String> {
    let mut changes = Vec::new();
    if provision.is_none() {
        changes.push(format!("this node becomes {}", opened.bundle.node));
    }
    let known =
        |row| provision.is_some_and(|p| p.rows.values().any(|r| r.current && r.allocation.digest() == row));
    for row in opened.allocations.iter().filter(|row| !known(row.digest())) {
        let sku =
            opened.pool(row.pool_digest).and_then(|p| opened.grant(p.grant_digest)).map(|g| g.sku.as_str());
        let seats = match opened.pool(row.pool_digest).map(|pool| pool.seats) {
            Some(Seats::Unlimited) => "unlimited seats".to_owned(),
            _ => format!("{} seats", row.slots.len()),
        };
        let end = instant(row.not_after).unwrap_or_else(|| "no end".to_owned());
        let sku = sku.unwrap_or("a product");
        changes.push(format!("{seats} of {sku} until {end} ({})", row.issue.id));
        if let Some(keep) = row.shrink_to {
            changes.push(format!("seats of {sku} go back, as they become free, down to {keep}"));
        }
    }
    let kept = |id| opened.allocations.iter().any(|row| row.issue.id == id);
    let gone = provision.into_iter().flat_map(|p| p.rows.values()).filter(|row| row.current);
    for row in gone.filter(|row| !kept(row.allocation.issue.id)) {
        changes.push(format!("allocation {} is served no more", row.allocation.issue.id));
    }
    if let Some(provision) = provision {
        changes.extend(revocations(provision, &opened.head));
    }
    let head = opened.head.version;
    if provision.is_none_or(|p| p.head.version < head) {
        changes.push(format!("the issuer's word is of {}", opened.head.issue.issued_at));
    }
    changes
}

/// What a newer head takes away, now or later.
fn revocations(provision: &Provision, newer: &Head) -> Vec<String> {
    let revoked = provision.revocations_after(newer);
    let sentence = |entry: &PoolEntry| {
        let sku = &entry.grant.sku;
        match (revoked.since(entry), scheduled_at(newer, entry)) {
            (Some(_), _) if provision.revocations.since(entry).is_none() => {
                Some(format!("the grant of {sku} is revoked: its leases end with their promise"))
            }
            (None, Some(at)) if scheduled_at(&provision.head, entry) != Some(at) => {
                Some(format!("the grant of {sku} is revoked from {at} on"))
            }
            _ => None,
        }
    };
    provision.pools.values().filter_map(sentence).collect()
}
