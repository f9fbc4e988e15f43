//! The state machine: commands become facts, facts become state.

use leasehold_protocol::artefact::{NodeCertificate, Receipt, Request, Root};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::canonical;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{ClockReading, Stamp, SvcMs, UnixMs};
use leasehold_protocol::trust_root::TrustRoot;
use sha2::{Digest as _, Sha256};

use crate::answered::Answered;
use crate::bundle::{self, BundlePlan};
use crate::cause::{Cause, Meta};
use crate::clock::{CertainTime, Clock};
use crate::command::{Command, Input};
use crate::effect::{Effect, Effects, Reply};
use crate::enrolment::{self, JoinCheck};
use crate::fact::{Fact, ReplayError, What};
use crate::fork::{Forked, Told};
use crate::head::Standing;
use crate::node::IssuedJoin;
use crate::receipt::Taken;
use crate::revocation::{NewRevocation, Revoked};
use crate::root::{FIRST_GENERATION, Initialised, RootPlan};
#[cfg(feature = "mutants")]
use crate::rules::Rules;
use crate::state::State;
use crate::view::StandingHead;
use crate::{
    account, adoption, allocation, amendment, api_key, contact, fork, grant, head, node, product, receipt,
    recover, release, revocation,
};

/// The issuer: a fold over its journal.
#[derive(Clone, Debug, Default)]
pub struct Issuer {
    pub(crate) state: State,
    clock: Clock,
    answered: Answered,
    last_seq: Seq,
}

/// What a command would come to.
#[derive(Clone, Debug)]
pub enum Preview {
    /// This would be recorded.
    New(Box<Fact>),
    /// It was done before under the same idempotency key, by this record.
    Before(Seq),
}

/// What a command wishes to be so: new, or so already by an earlier record.
enum Wanted {
    New(Option<Seq>, What),
    Before(Seq),
}

impl Wanted {
    /// What follows the last record of the same thing.
    fn after<T>((since, now): (Seq, T), what: impl FnOnce(T) -> What) -> Self {
        Self::New(Some(since), what(now))
    }
}

/// The clock as it was before a frame, with which [`Issuer::take_back`] undoes the frame's stamp.
#[derive(Clone, Debug)]
pub struct ClockBefore(Clock);

impl Issuer {
    /// An issuer before its first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with rules left out, so that tests see what for they are there.
    #[cfg(feature = "mutants")]
    pub fn with_rules(rules: Rules) -> Self {
        let mut issuer = Self::new();
        issuer.state.rules = rules;
        issuer
    }

    /// Decides one command. `now` is the reading of [`Issuer::stamp_of`] for this frame.
    pub fn handle(&mut self, now: &ClockReading, entropy: &mut Entropy, input: &Input, out: &mut Effects) {
        let decided = self.decide(now, entropy, &input.cause, &input.command);
        let (after, body) = match decided.and_then(|decided| self.take_up(decided, out)) {
            Ok((seq, body)) => (seq, body),
            Err(problem) => (Seq::NONE, Reply::Refused(Box::new(problem))),
        };
        out.0.push(Effect::Reply { to: input.to, after, body });
    }

    /// Sees how the clocks are between two frames.
    pub fn observe(&mut self, now: &ClockReading) {
        self.clock.observe(now);
    }

    /// The clock fields of a frame at this reading.
    pub fn stamp_of(&self, now: &ClockReading) -> Stamp {
        self.clock.stamp_of(now)
    }

    /// Takes a frame's clock fields over, before its records, live and in replay.
    pub fn stamp(&mut self, stamp: &Stamp) {
        self.clock.stamp(stamp);
    }

    /// What a command would come to now; nothing changes.
    pub fn preview(
        &self,
        now: &ClockReading,
        entropy: &mut Entropy,
        input: &Input,
    ) -> Result<Preview, Problem> {
        self.decide(now, entropy, &input.cause, &input.command)
    }

    /// The clock before the stamp of the next frame.
    pub fn clock_before(&self) -> ClockBefore {
        ClockBefore(self.clock.clone())
    }

    /// Undoes the stamp of a frame in which nothing was recorded, and which is therefore not written.
    pub fn take_back(&mut self, before: ClockBefore) {
        self.clock = before.0;
    }

    /// Lets record `seq` be so: the only mutator beside [`Issuer::stamp`]. An error means that no honest issuer
    /// recorded this; nothing has changed then.
    pub fn apply(&mut self, seq: Seq, fact: &Fact) -> Result<(), ReplayError> {
        let at = fact.meta.recorded_at;
        if seq != self.next_seq() {
            return Err(ReplayError(format!("record {seq} follows record {}", self.last_seq)));
        }
        if self.clock.last_recorded().is_some_and(|last| at <= last) {
            return Err(ReplayError("a record is not later than the one before".to_owned()));
        }
        self.state.apply(seq, at, &fact.what)?;
        self.clock.recorded(at, fact.meta.accepted_time);
        if let Some(idempotency) = fact.meta.idempotency {
            self.answered.insert(seq, idempotency);
        }
        self.last_seq = seq;
        Ok(())
    }

    /// Nothing of the issuer happens because time passed.
    pub const fn next_deadline(&self) -> Option<SvcMs> {
        None
    }

    /// The number that the next record gets.
    pub const fn next_seq(&self) -> Seq {
        self.last_seq.plus(1)
    }

    /// A hash over everything that the facts say; equal for the live state and for its replay.
    pub fn state_hash(&self) -> [u8; 32] {
        let state = canonical::encode(&(&self.state, &self.clock, &self.answered, self.last_seq));
        Sha256::digest(state).into()
    }

    /// The root to sign for [`Command::Initialise`].
    pub fn plan_root(
        &self,
        now: &ClockReading,
        entropy: &mut Entropy,
        cause: &Cause,
        plan: &RootPlan,
    ) -> Result<Root, Problem> {
        self.check_new()?;
        plan.root(self.clock.time_of_next_fact(now, cause.accept_time)?, entropy)
    }

    /// The artefacts to sign for [`Command::IssueBundle`], in the same frame and with the same cause.
    pub fn plan_bundle(
        &self,
        now: &ClockReading,
        entropy: &mut Entropy,
        cause: &Cause,
        request: &Verified<Request>,
        join: JoinCheck,
    ) -> Result<BundlePlan, Problem> {
        let at = self.clock.time_of_next_fact(now, cause.accept_time)?;
        contact::check_adopted(&self.state, at, request)?;
        let node = enrolment::identify(&self.state, at, request, join)?;
        bundle::plan(&self.state, at, self.certain_time(cause), entropy, request, node)
    }

    /// Whether a request tells what [`Command::TakeReport`] has to record before it can be answered.
    pub fn tells(
        &self,
        now: &ClockReading,
        cause: &Cause,
        request: &Verified<Request>,
    ) -> Result<bool, Problem> {
        if self.bundle_for(request.digest()).is_some() {
            return Ok(false);
        }
        let at = self.clock.time_of_next_fact(now, cause.accept_time)?;
        Ok(adoption::wanted(&self.state, at, request)?.is_some() || self.fork(request).is_some())
    }

    /// The record that did the same request under the same key before, whatever has become of the state since.
    pub fn done_before(&self, cause: &Cause) -> Result<Option<Seq>, Problem> {
        cause.idempotency.map_or(Ok(None), |idempotency| self.answered.find(idempotency))
    }

    /// The account of the node that made a request, and the record that answered it before: it is answered with the
    /// same bytes.
    pub fn bundle_for(&self, request: Digest) -> Option<(AccountId, Seq)> {
        self.state.bundles.get(&request).copied()
    }

    /// The join code that a request shows, if it is one of ours, so that its secret can be derived.
    pub fn join_of(&self, request: &Request) -> Option<IssuedJoin> {
        let node = self.state.node_of_join(request.join.as_ref()?.join_id)?;
        Some(node.node.join.issued)
    }

    /// The key that must have signed a receipt: that of the enrolment it names.
    pub fn sign_key_of(&self, receipt: &Receipt) -> Option<PublicKey> {
        receipt::sign_key(&self.state, receipt)
    }

    /// The certificate of the node that is enrolled with a sign key.
    pub fn certificate_of(&self, sign_key: PublicKeyBytes) -> Option<&NodeCertificate> {
        let enrolment = self.state.node_of_key(sign_key)?.enrolment.as_ref()?;
        Some(&enrolment.certificate)
    }

    /// The head that online nodes of `account` poll, and whether [`Command::IssueHead`] would replace it at `now`.
    pub fn standing_head(&self, now: &ClockReading, account: AccountId) -> Result<StandingHead<'_>, Problem> {
        let account = self.state.account(account)?;
        let at = self.clock.time_of_next_fact(now, None)?;
        let due = matches!(head::standing(&self.state, account, at)?, Standing::Due(_));
        Ok(StandingHead { head: account.standing.as_ref().map(|(head, _)| head), due })
    }

    /// The newest trust root; none before the first record.
    pub fn trust_root(&self) -> Option<&TrustRoot> {
        self.state.vendor.as_ref().map(|vendor| &vendor.trust)
    }

    /// Bounds of true time at the last stamp.
    pub fn bounds_of_time(&self) -> CertainTime {
        self.clock.certain_time()
    }

    /// Refuses as a change at `now` would be while the machine's clock is implausible.
    pub fn check_clock(&self, now: &ClockReading) -> Result<(), Problem> {
        self.clock.time_of_next_fact(now, None).map(drop)
    }

    /// When the last fact was recorded.
    pub fn last_recorded(&self) -> Option<UnixMs> {
        self.clock.last_recorded()
    }

    fn take_up(&mut self, decided: Preview, out: &mut Effects) -> Result<(Seq, Reply), Problem> {
        let fact = match decided {
            Preview::Before(seq) => return Ok((seq, Reply::DoneBefore { seq })),
            Preview::New(fact) => fact,
        };
        let seq = self.next_seq();
        self.apply(seq, &fact).map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("the decision is impossible: {error}"),
                "report this; nothing was changed",
            )
        })?;
        out.0.push(Effect::Record(fact));
        Ok((seq, Reply::Done { seq }))
    }

    fn decide(
        &self,
        now: &ClockReading,
        entropy: &mut Entropy,
        cause: &Cause,
        command: &Command,
    ) -> Result<Preview, Problem> {
        cause.check()?;
        if let Some(seq) = self.done_before(cause)? {
            return Ok(Preview::Before(seq));
        }
        if !matches!(command, Command::Initialise { .. }) {
            self.state.vendor()?;
        }
        let at = self.clock.time_of_next_fact(now, cause.accept_time)?;
        let correlation = entropy.draw();
        let (before, what) = match self.what(at, entropy, cause, command)? {
            Wanted::New(before, what) => (before, what),
            Wanted::Before(seq) => return Ok(Preview::Before(seq)),
        };
        let meta = Meta {
            actor: cause.actor.clone(),
            recorded_at: at,
            source: cause.source.clone(),
            reason: cause.reason.clone(),
            correlation,
            idempotency: cause.idempotency,
            accepted_time: cause.accept_time,
        };
        Ok(Preview::New(Box::new(Fact { meta, before, what })))
    }

    fn what(
        &self,
        at: UnixMs,
        entropy: &mut Entropy,
        cause: &Cause,
        command: &Command,
    ) -> Result<Wanted, Problem> {
        let state = &self.state;
        let mut before = None;
        let what = match command {
            Command::Initialise { root } => {
                self.check_new()?;
                let root = Bytes(root.clone());
                What::Initialised(Initialised { generation: FIRST_GENERATION, root })
            }
            Command::CreateAccount(new) => What::AccountCreated(account::create(state, at, entropy, new)?),
            Command::CreateProduct(new) => What::ProductCreated(product::create(state, at, entropy, new)?),
            Command::CreateGrant(new) => {
                What::GrantCreated(Box::new(grant::create(state, at, entropy, new)?))
            }
            Command::RegisterNode { node: new, issued } => {
                What::NodeRegistered(node::register(state, at, entropy, new, *issued)?)
            }
            Command::CreateAllocation(new) => {
                let certain = self.certain_time(cause);
                let allocated = allocation::create(state, at, certain, entropy, new)?;
                What::AllocationCreated { row: Box::new(allocated.row), freed: allocated.freed }
            }
            Command::AmendGrant(new) => {
                before = Some(state.grant_state(new.grant)?.since);
                What::GrantAmended(Box::new(amendment::create(state, at, entropy, new)?))
            }
            Command::RevokeGrant(new) => return self.revoke(at, entropy, cause, new),
            Command::ShrinkAllocation(new) => What::AllocationShrunk(release::shrink(state, new)?),
            Command::IssueHead { account } => return self.issue_head(at, *account),
            Command::TakeReceipt { receipt } => return self.take_receipt(receipt),
            Command::IssueBundle { plan, envelope } => {
                before = Some(state.node(plan.node)?.since);
                What::BundleIssued(Box::new(bundle::issue(state, at, plan, envelope)?))
            }
            Command::CreateApiKey { key, secret } => {
                What::ApiKeyCreated(Box::new(api_key::create(state, at, entropy, key, *secret)?))
            }
            Command::RotateApiKey { key, version, secret } => {
                let rotated = api_key::rotate(state, key, *version, *secret)?;
                return Ok(Wanted::after(rotated, |key| What::ApiKeyRotated(Box::new(key))));
            }
            Command::DisableApiKey { key, version } => {
                let disabled = api_key::disable(state, key, *version)?;
                return Ok(Wanted::after(disabled, |key| What::ApiKeyDisabled(Box::new(key))));
            }
            Command::AcceptTime if cause.accept_time.is_none() => {
                let detail = "no time was given that is to be accepted";
                return Err(Problem::new(Code::InvalidRequest, detail, "say which: --accept-time T"));
            }
            Command::AcceptTime => What::TimeAccepted,
            Command::Recover { cause: showed, seen } => {
                What::RecoverEntered(recover::declare(state, at, cause, *showed, *seen)?)
            }
            Command::Attest { accounts } => What::AccountsAttested(recover::attest(state, cause, accounts)?),
            Command::AttestNode { node } => {
                return Ok(Wanted::after(node::attest(state, cause, node)?, What::NodeAttested));
            }
            Command::TakeReport { request } => return self.take_report(at, request),
        };
        Ok(Wanted::New(before, what))
    }

    fn issue_head(&self, at: UnixMs, account: AccountId) -> Result<Wanted, Problem> {
        Ok(match head::standing(&self.state, self.state.account(account)?, at)? {
            Standing::Current(_, seq) => Wanted::Before(seq),
            Standing::Due(head) => Wanted::New(None, What::HeadIssued(Box::new(head))),
        })
    }

    fn take_receipt(&self, receipt: &Verified<Receipt>) -> Result<Wanted, Problem> {
        Ok(match receipt::take(&self.state, receipt)? {
            Taken::Before(seq) => Wanted::Before(seq),
            Taken::New(taken) => {
                let since = self.state.node(taken.node)?.since;
                Wanted::New(Some(since), What::ReceiptTaken(taken))
            }
        })
    }

    fn take_report(&self, at: UnixMs, request: &Verified<Request>) -> Result<Wanted, Problem> {
        if let Some(adopted) = adoption::wanted(&self.state, at, request)? {
            let since = self.state.nodes.get(&adopted.node).map(|node| node.since);
            return Ok(Wanted::New(since, What::Adopted(Box::new(adopted))));
        }
        if let Some((since, forked)) = self.fork(request) {
            return Ok(Wanted::New(Some(since), What::NodeForked(forked)));
        }
        let hint = "ask for the bundle";
        Err(Problem::new(Code::Conflict, "the request tells nothing that is to be recorded first", hint))
    }

    /// The fork that a request shows: one of a node whose ledger is whole, or so it says.
    fn fork(&self, request: &Verified<Request>) -> Option<(Seq, Forked)> {
        let node =
            self.state.node_of_key(request.sign_key).filter(|node| request.node == Some(node.node.id))?;
        let enrolment = node.enrolment.as_ref()?;
        if request.recovery.is_some() || request.generation != enrolment.generation {
            return None;
        }
        Some((node.since, fork::shown_by(node, &Told::by_request(request))?))
    }

    fn revoke(
        &self,
        at: UnixMs,
        entropy: &mut Entropy,
        cause: &Cause,
        new: &NewRevocation,
    ) -> Result<Wanted, Problem> {
        Ok(match revocation::create(&self.state, at, entropy, cause, new)? {
            Revoked::Before(seq) => Wanted::Before(seq),
            Revoked::New(revocation) => {
                let first = revocation.grants.first().and_then(|id| self.state.grants.get(id));
                Wanted::New(first.map(|sold| sold.since), What::GrantRevoked(revocation))
            }
        })
    }

    /// Certain time, with what the operator vouches for.
    fn certain_time(&self, cause: &Cause) -> CertainTime {
        self.clock.certain_time().vouched(cause.accept_time)
    }

    fn check_new(&self) -> Result<(), Problem> {
        if self.state.vendor.is_none() {
            return Ok(());
        }
        let hint = "use it, or name another directory";
        Err(Problem::new(Code::AlreadyExists, "the issuer is initialised already", hint))
    }
}
