//! The signed artefacts: what each says, and the rules its content keeps. Field order is wire order.

mod allocation;
mod bundle;
mod caps;
mod extension;
mod grant;
mod head;
mod issue;
mod kind;
mod lease_ticket;
mod manifest;
mod node_certificate;
mod pool;
mod receipt;
mod request;
mod root;
mod seat_proof;
mod time_statement;

pub use allocation::{Allocation, AllocationKind};
pub use bundle::{Answers, Bundle, Item};
pub use caps::{Caps, CapsExceeded, Demand};
pub use extension::{Extension, Extensions};
pub use grant::{Binding, BindingMatch, Grant, Limit, LimitValue, PolicyCeilings};
pub use head::{Checkpoint, Head, RevokedSerials, ScheduledRevocation};
pub use issue::Issue;
pub use kind::{Kind, Role};
pub use lease_ticket::{Holder, HolderProof, Interval, LeaseTicket, TicketFlags};
pub use manifest::{Manifest, ManifestEntry};
pub use node_certificate::{NodeCaps, NodeCertificate};
pub use pool::{BorrowCaps, Pool, Seats, TtlBounds};
pub use receipt::Receipt;
pub use request::{
    Have, JoinProof, JournalTail, PoolUsage, Ratchet, RecoverCause, Recovery, Released, Request, Wants,
};
pub use root::{Cutoff, KeyState, LogPolicy, RoleKeys, Root, RootKey};
pub use seat_proof::{Chain, ProofBytesError, SeatProof};
pub use time_statement::TimeStatement;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::time::UnixMs;

/// Something that is signed as a whole.
pub trait Artefact: Serialize + DeserializeOwned {
    /// Its type number and name.
    const KIND: Kind;

    /// When it was issued, by its signer's account: key windows are compared with this, never with now.
    fn issued_at(&self) -> UnixMs;

    /// The rules of its content: lists sorted, unique and capped; counts and times in bounds.
    fn check(&self) -> Result<(), Malformed>;

    /// What a signing key's caps must cover.
    fn demand(&self) -> Demand {
        Demand::default()
    }
}

/// Content that breaks a rule of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Malformed {
    /// Where.
    pub field: &'static str,
    /// The rule that is broken.
    pub rule: &'static str,
}

pub(crate) fn ensure(holds: bool, field: &'static str, rule: &'static str) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed { field, rule }) }
}

/// A name: 1 to [`crate::limits::NAME_BYTES`] bytes of text without control characters.
pub(crate) fn check_name(name: &str, field: &'static str) -> Result<(), Malformed> {
    check_text(name, crate::limits::NAME_BYTES, field)
}

pub(crate) fn check_text(text: &str, max_bytes: usize, field: &'static str) -> Result<(), Malformed> {
    ensure(!text.is_empty(), field, "must not be empty")?;
    ensure(text.len() <= max_bytes, field, "is too long")?;
    ensure(!text.chars().any(char::is_control), field, "must not hold control characters")
}

/// A list that is a set: ascending, unique, capped.
pub(crate) fn check_set<T: Ord>(list: &[T], max: usize, field: &'static str) -> Result<(), Malformed> {
    check_set_by(list, max, field, |item| item)
}

pub(crate) fn check_set_by<T, K: Ord + ?Sized>(
    list: &[T],
    max: usize,
    field: &'static str,
    key: impl Fn(&T) -> &K,
) -> Result<(), Malformed> {
    ensure(list.len() <= max, field, "has too many entries")?;
    let ascending = list.windows(2).all(|pair| matches!(pair, [a, b] if key(a) < key(b)));
    ensure(ascending, field, "must be sorted without repetition")
}

pub(crate) fn check_names(names: &[String], max: usize, field: &'static str) -> Result<(), Malformed> {
    check_set(names, max, field)?;
    names.iter().try_for_each(|name| check_name(name, field))
}
