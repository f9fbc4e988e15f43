//! One round of contact: a poll, and an exchange if there is something new.

use std::time::Duration;

use axum::body::Bytes;
use leasehold_clock::Stopwatch;
use leasehold_node_core::{Cause, Way};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{Head, Kind};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{VerifyError, verify};
use leasehold_protocol::problem::Problem;
use serde_json::Value;

use super::issuer::{ContactError, Issuer, Polled};
use super::{Contact, jitter};
use crate::command::{Answer, Command};
use crate::limits;
use crate::writer::Writer;

/// Rounds with one issuer, one after the other.
pub(super) struct Rounds {
    writer: Writer,
    /// When an exchange was begun last, whatever came of it.
    exchanged: Option<Stopwatch>,
    /// When one was answered last.
    answered: Option<Stopwatch>,
    /// Of the request that has no answer yet: it is sent again as it is.
    unanswered: Option<IdempotencyKey>,
    /// The last round reached the issuer.
    in_contact: bool,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    /// The issuer does not answer as it should.
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// Its head is not one.
    #[error("the issuer's head is refused: {0}")]
    Head(#[from] VerifyError),
    /// Its head is signed, but not for this node to follow.
    #[error("the issuer's head is refused: {0}")]
    Unfit(&'static str, Code),
    /// The node refuses what came, or is about to end.
    #[error("{}", .0.detail)]
    Node(Box<Problem>),
}

impl From<RoundError> for Problem {
    fn from(error: RoundError) -> Self {
        let hint = "what was applied before stays in force; ask the vendor";
        match error {
            RoundError::Contact(error) => error.into(),
            RoundError::Head(ref refused) => Self::new(refused.code(), error.to_string(), hint),
            RoundError::Unfit(_, code) => Self::new(code, error.to_string(), hint),
            RoundError::Node(problem) => *problem,
        }
    }
}

impl Rounds {
    pub(super) const fn new(writer: Writer) -> Self {
        Self { writer, exchanged: None, answered: None, unanswered: None, in_contact: false }
    }

    /// Waits for news, or for the time of an exchange, and does what is due.
    pub(super) async fn next(&mut self, issuer: &mut Issuer, contact: &Contact) -> Result<(), RoundError> {
        let done = self.round(issuer, contact).await;
        self.in_contact = done.is_ok();
        done
    }

    async fn round(&mut self, issuer: &mut Issuer, contact: &Contact) -> Result<(), RoundError> {
        let answered = self.answered.as_ref().map(|answered| answered.elapsed());
        if contact.wanted.is_due(answered) && self.may_repeat() {
            return self.exchange(issuer).await;
        }
        let asked = Stopwatch::start();
        // Whether somebody is there shall be known at once, not after a held poll.
        let wait = if self.in_contact { limits::POLL_WAIT } else { Duration::ZERO };
        let heard = match issuer.poll(contact.account, contact.head.version, wait).await? {
            Polled::Unchanged => Ok(Heard::Nothing),
            Polled::Head(envelope) => hear(&envelope, contact),
        };
        match heard {
            Ok(Heard::Nothing) if wait.is_zero() => Ok(()),
            Ok(Heard::Nothing) => {
                // A cache in between answers at once.
                tokio::time::sleep(limits::POLL_LEAST.saturating_sub(asked.elapsed())).await;
                Ok(())
            }
            Ok(Heard::News) => {
                tokio::time::sleep(jitter()).await;
                self.exchange(issuer).await
            }
            // The key may be one of a root that only a bundle brings.
            Err(RoundError::Head(VerifyError::UnknownKey(_))) if self.may_repeat() => {
                self.exchange(issuer).await
            }
            Err(refused) => Err(refused),
        }
    }

    /// What is not asked for by a verified head is asked for seldom: each exchange is written to two journals.
    fn may_repeat(&self) -> bool {
        self.exchanged.as_ref().is_none_or(|last| limits::EXCHANGE_LEAST <= last.elapsed())
    }

    /// A request for a bundle, and a receipt for that, as a courier would carry them.
    async fn exchange(&mut self, issuer: &mut Issuer) -> Result<(), RoundError> {
        // Nothing is written down for an issuer that is not there.
        issuer.reach().await?;
        self.exchanged = Some(Stopwatch::start());
        let mut answer = self.sync(issuer, false).await?;
        if refused_with(&answer, Code::ArtefactsNeeded).is_some() {
            // The same request would be refused again.
            self.unanswered = None;
            answer = self.sync(issuer, true).await?;
        }
        if let Some(problem) = refused_with(&answer, Code::NodeForked) {
            let report_seq = problem.extra.get("report_seq").and_then(Value::as_u64).unwrap_or_default();
            self.ask(Command::Contradicted { report_seq }).await?;
        }
        let envelope = answer?.to_vec();
        let import =
            Command::Import { cause: Cause::of_the_node(), envelope, dry_run: false, accept_time: false };
        self.ask(import).await?;
        self.answered = Some(Stopwatch::start());
        let Answer::Receipt(receipt) = self.ask(Command::MakeReceipt { cause: Cause::of_the_node() }).await?
        else {
            return Err(RoundError::Node(Box::new(no_answer())));
        };
        let receipt =
            unarmour(receipt.receipt.as_bytes()).map_err(|_| RoundError::Node(Box::new(no_answer())))?;
        Ok(issuer.receipt(receipt).await?)
    }

    /// A request, which shows what the node stands on if the issuer wants to `see` it, and what comes back.
    async fn sync(
        &mut self,
        issuer: &mut Issuer,
        see: bool,
    ) -> Result<Result<Bytes, ContactError>, RoundError> {
        let cause = Cause { idempotency_key: Some(self.request_key()?), ..Cause::of_the_node() };
        let request = Command::MakeRequest { cause, way: Way::Network, present: see, join: None };
        let made = self.ask(request).await?;
        let Answer::Request(request) = made else { return Err(RoundError::Node(Box::new(no_answer()))) };
        let request =
            unarmour(request.request.as_bytes()).map_err(|_| RoundError::Node(Box::new(no_answer())))?;
        let answer = issuer.sync(request).await;
        if answer.as_ref().err().is_none_or(ContactError::is_answer) {
            self.unanswered = None;
        }
        Ok(answer)
    }

    /// Under which the request is made, once for as many tries as it takes.
    fn request_key(&mut self) -> Result<IdempotencyKey, RoundError> {
        if let Some(key) = self.unanswered {
            return Ok(key);
        }
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| {
            let detail = format!("cannot draw randomness: {error}");
            RoundError::Node(Box::new(Problem::new(Code::Internal, detail, "check the system")))
        })?;
        Ok(*self.unanswered.insert(IdempotencyKey(key)))
    }

    async fn ask(&self, command: Command) -> Result<Answer, RoundError> {
        self.writer.ask(command).await.map_err(|problem| RoundError::Node(Box::new(problem)))
    }
}

/// The refusal of that code, if the issuer answered with it.
fn refused_with<T>(answer: &Result<T, ContactError>, code: Code) -> Option<&Problem> {
    match answer {
        Err(ContactError::Refused(problem)) if problem.code == code => Some(problem),
        _ => None,
    }
}

fn no_answer() -> Problem {
    Problem::new(Code::Internal, "the core did not answer with a request", "report this")
}

/// What a head of the issuer tells this node. None of it lowers anything: only a bundle changes what is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    News,
}

/// Whether a head is the issuer's, about this account, and newer: only then is it worth an exchange.
fn hear(envelope: &[u8], contact: &Contact) -> Result<Heard, RoundError> {
    let head = verify::<Head>(envelope, &contact.root.ring(Kind::Head))?;
    match () {
        () if head.account != contact.account => {
            Err(RoundError::Unfit("it is about another account", Code::ArtefactRefused))
        }
        () if head.version < contact.head.version && is_standing_beside(&head, &contact.head) => {
            Ok(Heard::Nothing)
        }
        () if head.version < contact.head.version => {
            Err(RoundError::Unfit("it is older than what was applied", Code::BundleRollback))
        }
        () if head.version == contact.head.version => {
            Err(RoundError::Unfit("it has the version of the one that was applied", Code::ArtefactRefused))
        }
        () => Ok(Heard::News),
    }
}

/// A node that is seldom reached has a head of its own, signed for its bundle after the one that all others share, and
/// fresh for longer. The shared one then is older and no news. One that was stale when the own was signed is no longer
/// anybody's.
fn is_standing_beside(shared: &Head, own: &Head) -> bool {
    shared.fresh_for_ms < own.fresh_for_ms
        && own.issue.issued_at < shared.issue.issued_at.plus(shared.fresh_for_ms)
}

/// How long a poll may wait for news.
const _: () = assert!(
    Duration::as_millis(&limits::POLL_WAIT) < Duration::as_millis(&limits::ISSUER_ANSWER_TIMEOUT),
    "an issuer that waits as long as it may still answers in time"
);
