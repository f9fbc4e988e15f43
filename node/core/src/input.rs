//! What a core is asked.

use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{Holder, LeaseTicket, RecoverCause};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use serde::{Deserialize, Serialize};

use crate::contact::NamedIssuer;
use crate::limits;
use crate::machine::Machine;
use crate::record::Way;

/// Whom a reply goes to; chosen by the shell, meaningless to the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// Who asks, as the transport proved it: together with the lease id it authorises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Principal {
    /// The other end of a Unix socket runs as this user.
    Uid(u32),
    /// It has shown the bearer key of this id.
    ApiKey([u8; 8]),
    /// It has proved this key in TLS.
    TlsKey(SpkiDigest),
    /// It has proved nothing: whoever reaches the node and knows the lease.
    Anonymous,
}

/// Who acts and why: kept with what they did. The journal is the audit log, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Who, ≤ 128 bytes.
    pub actor: String,
    /// Why, in the actor's words, ≤ 1024 bytes.
    pub reason: Option<String>,
    /// The same key asks for the same work. An import is the same by its bundle, with or without one.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Cause {
    /// The node acts by itself.
    pub fn of_the_node() -> Self {
        Self { actor: "leasehold-node".to_owned(), reason: None, idempotency_key: None }
    }

    /// That there is a reason, for what must have one.
    pub fn check_reason(&self) -> Result<(), Problem> {
        if self.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()) {
            return Ok(());
        }
        Err(Problem::new(Code::InvalidRequest, "no reason was given", "say why: it is kept with the act"))
    }

    /// The bounds of its texts.
    pub fn check(&self) -> Result<(), Problem> {
        let reason = self.reason.as_deref().unwrap_or_default();
        let fits = !self.actor.is_empty() && self.actor.len() <= limits::ACTOR_BYTES;
        if fits && reason.len() <= limits::REASON_BYTES {
            return Ok(());
        }
        let detail = format!(
            "the actor must have 1 to {} bytes and the reason at most {}",
            limits::ACTOR_BYTES,
            limits::REASON_BYTES
        );
        Err(Problem::new(Code::InvalidRequest, detail, "shorten it"))
    }
}

/// One input of the core.
#[derive(Clone, Debug)]
pub enum Input {
    /// First input of a new journal.
    Initialise(Initialise),
    /// A seat is wanted.
    Checkout {
        /// Whom to answer: [`crate::Reply::Seat`], [`crate::Reply::Denied`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who asks.
        principal: Principal,
        /// What is wanted.
        checkout: Checkout,
    },
    /// A lease shall live on.
    Renew {
        /// Whom to answer: like a checkout.
        to: ReplyTo,
        /// Who asks.
        principal: Principal,
        /// Which lease.
        lease: LeaseId,
        /// How long its seat was not used, if the application knows.
        idle_ms: Option<i64>,
        /// Its ticket, if its holder shows it.
        shown: Option<Box<Shown>>,
    },
    /// A seat is given back.
    Release {
        /// Whom to answer: [`crate::Reply::Released`].
        to: ReplyTo,
        /// Who asks.
        principal: Principal,
        /// Which lease.
        lease: LeaseId,
    },
    /// A request to the issuer shall be made.
    MakeRequest {
        /// Whom to answer: [`crate::Reply::Request`].
        to: ReplyTo,
        /// Who acts and why.
        cause: Cause,
        /// How it is to reach the issuer.
        way: Way,
        /// The issuer asks for what the node stands on.
        present: bool,
        /// For a first enrolment.
        join: Option<JoinSecret>,
        /// How far the journal reaches, by the shell's account.
        journal: leasehold_protocol::artefact::JournalTail,
    },
    /// A bundle shall be applied.
    Import {
        /// Whom to answer: [`crate::Reply::Imported`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why.
        cause: Cause,
        /// The envelope, out of its armour.
        envelope: Vec<u8>,
        /// Only say what would change.
        dry_run: bool,
        /// The operator vouches for a signed time that is far ahead.
        accept_time: bool,
    },
    /// A receipt shall be made: which bundle is in force, and what the node gives back.
    MakeReceipt {
        /// Whom to answer: [`crate::Reply::Receipt`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why.
        cause: Cause,
        /// How far the journal reaches, by the shell's account.
        journal: leasehold_protocol::artefact::JournalTail,
    },
    /// An operator takes a lease back.
    ForceRelease {
        /// Whom to answer: [`crate::Reply::ForceReleased`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why; the reason must be given.
        cause: Cause,
        /// Which lease.
        lease: LeaseId,
        /// Only say what would be done.
        dry_run: bool,
    },
    /// Free seats shall go back to the vendor.
    Surrender {
        /// Whom to answer: [`crate::Reply::Surrendered`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why.
        cause: Cause,
        /// Of which pool.
        pool: PoolId,
        /// How many; all of them or none.
        count: u32,
        /// Only say whether it could be done.
        dry_run: bool,
    },
    /// From now on the node talks to this issuer by itself.
    NameIssuer {
        /// Whom to answer: [`crate::Reply::IssuerNamed`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why.
        cause: Cause,
        /// Which.
        issuer: NamedIssuer,
    },
    /// The shell found that the journal is not all that was promised: before anything else is decided by it.
    Regressed {
        /// What shows it.
        cause: RecoverCause,
        /// Who acts and why.
        by: Cause,
        /// The newest generation that was ever in force here, if what tells it did not come back with the journal.
        newest_generation: Option<u32>,
    },
    /// An operator says that the ledger may have regressed, that no copy of this node runs, and that it was given no new
    /// generation since.
    Recover {
        /// Whom to answer: [`crate::Reply::Recovering`] or [`crate::Reply::Refused`].
        to: ReplyTo,
        /// Who acts and why; a reason is needed.
        cause: Cause,
        /// Only say what would be.
        dry_run: bool,
    },
    /// The issuer refuses a request because it has heard something else from this node.
    Contradicted {
        /// Whom to answer: [`crate::Reply::Noted`].
        to: ReplyTo,
        /// The newest report that it knows.
        report_seq: u64,
    },
    /// The machine that the process runs on: at each start, and when it may have changed.
    MachineSeen(Machine),
    /// Nothing is asked, but time passed: roll-ups may be due.
    Tick,
}

/// A ticket that its holder shows, for a lease that its node does not know by its id alone.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Signed with this node's own key, as the shell has verified.
    pub ticket: LeaseTicket,
    /// Its holder says that it uses the seat: it is inside its own STOP.
    pub held: bool,
    /// The lease that the record of the ticket's serial granted, by the journal.
    pub recorded: Option<LeaseId>,
}

/// What `init` lays down.
#[derive(Clone, Debug)]
pub struct Initialise {
    /// Who acts and why.
    pub cause: Cause,
    /// Envelope of the trust root the node stands on.
    pub trust_root: Vec<u8>,
    /// Public half of the node's sign key.
    pub sign_key: PublicKeyBytes,
    /// Its TLS keys, ascending.
    pub tls_keys: Vec<SpkiDigest>,
    /// What the customer calls the node.
    pub name: String,
}

/// The wish for a seat.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// SKU; one of `product` and `pool` is given.
    pub product: Option<String>,
    /// A certain pool.
    pub pool: Option<PoolId>,
    /// Features that the seat must include.
    pub features: Vec<String>,
    /// Seats, all or nothing.
    pub count: u32,
    /// Who will hold it.
    pub holder: Holder,
    /// The same key asks for the same seat.
    pub key: IdempotencyKey,
    /// Wished life.
    pub ttl_ms: Option<i64>,
}
