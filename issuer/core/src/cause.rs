//! Who acts and why: what comes with a command, and what is kept of it with each fact.

use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::text;

/// Who acts, from where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who.
    pub actor: String,
    /// From where.
    pub source: Source,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// The same request under the same key does the work once.
    pub idempotency: Option<Idempotency>,
    /// The operator says that this is the time.
    pub accept_time: Option<UnixMs>,
}

/// The system a command came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Which: `cli`, or the name of a connector.
    pub system: String,
    /// What it is called there.
    pub reference: Option<String>,
}

/// What is kept with each fact beside what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Who.
    pub actor: String,
    /// When, by the issuer's account: strictly ascending.
    pub recorded_at: UnixMs,
    /// From where.
    pub source: Source,
    /// Why.
    pub reason: Option<String>,
    /// Names the command that led to it.
    pub correlation: [u8; 16],
    /// Under which the work is done once, and what was asked under it.
    pub idempotency: Option<Idempotency>,
    /// The time that the actor vouched for.
    pub accepted_time: Option<UnixMs>,
}

/// An idempotency key and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key.
    pub key: IdempotencyKey,
    /// First 16 bytes of SHA-256 over the request as it was sent; what it comes to may depend on the state.
    pub params: [u8; 16],
}

impl Cause {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        text::check(&self.actor, limits::ACTOR_BYTES, "actor")?;
        text::check(&self.source.system, limits::SOURCE_BYTES, "source")?;
        text::check_optional(self.source.reference.as_deref(), limits::SOURCE_BYTES, "source reference")?;
        text::check_optional(self.reason.as_deref(), limits::REASON_BYTES, "reason")
    }
}
