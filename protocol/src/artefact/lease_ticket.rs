//! Type 10: the lease ticket.

use serde::{Deserialize, Serialize};

use super::{Artefact, Extensions, Kind, Malformed, check_names, check_text, ensure};
use crate::bytes::Digest;
use crate::ids::LeaseId;
use crate::limits;
use crate::slots::SlotSet;
use crate::time::UnixMs;

/// Proof of a lease: signed by the node, in a batch with the other tickets of its commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTicket {
    /// The lease; the same over its renewals.
    pub lease: LeaseId,
    /// Journal seq of the record that granted the lease.
    pub serial: u64,
    /// The allocation it is cut from.
    pub allocation: Digest,
    /// Its seats; empty for an unlimited pool.
    pub slots: SlotSet,
    /// How many seats.
    pub count: u32,
    /// Who holds it.
    pub holder: Holder,
    /// Features it was checked out for, ascending.
    pub features: Vec<String>,
    /// The node's generation.
    pub generation: u32,
    /// Fencing number: strictly ascending per pool, kept by renewals.
    pub epoch: u64,
    /// How long the lease lives from its issue.
    pub ttl_ms: u32,
    /// True time was in here when it was issued.
    pub issued: Interval,
    /// How it was allowed.
    pub flags: TicketFlags,
    /// Later fields.
    pub ext: Extensions,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// User name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Process, if the application tells.
    pub process: Option<String>,
    /// How the node knows.
    pub proof: HolderProof,
}

/// How a node knows who holds a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolderProof {
    /// The application says so.
    Asserted,
    /// The kernel named the user of the socket's other end, and it agrees with the asserted one.
    Uid,
    /// A client certificate.
    Mtls,
    /// A bearer key.
    Bearer,
    /// An identity provider.
    Oidc,
}

/// Bounds of one instant of true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Not before this.
    pub floor: UnixMs,
    /// Not after this; [`UnixMs::MAX`] = not known.
    pub hi: UnixMs,
}

/// How a lease was allowed: bit 0 in grace, bit 1 beyond the seats sold (overdraft).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketFlags(pub u16);

impl TicketFlags {
    /// The grant's end had passed.
    pub const GRACE: u16 = 1;
    /// A slot is beyond the seats sold.
    pub const OVERAGE: u16 = 2;
    const KNOWN: u16 = Self::GRACE | Self::OVERAGE;
}

impl Holder {
    /// The bounds of its texts.
    pub fn check(&self) -> Result<(), Malformed> {
        check_text(&self.user, limits::HOLDER_USER_BYTES, "holder.user")?;
        check_text(&self.host, limits::HOLDER_HOST_BYTES, "holder.host")?;
        self.process.iter().try_for_each(|p| check_text(p, limits::HOLDER_PROCESS_BYTES, "holder.process"))
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

impl Artefact for LeaseTicket {
    const KIND: Kind = Kind::LeaseTicket;

    fn issued_at(&self) -> UnixMs {
        self.issued.floor
    }

    fn check(&self) -> Result<(), Malformed> {
        ensure(self.slots.is_well_formed(limits::LEASE_SLOT_RANGES), "slots", "are not in canonical ranges")?;
        ensure(self.count > 0, "count", "must not be 0")?;
        let counted = self.slots.is_empty() || self.slots.len() == self.count;
        ensure(counted, "count", "must be the number of slots")?;
        self.holder.check()?;
        check_names(&self.features, limits::FEATURES, "features")?;
        ensure(self.ttl_ms > 0, "ttl_ms", "must not be 0")?;
        ensure(self.issued.floor <= self.issued.hi, "issued", "must be an interval")?;
        ensure(
            self.flags.0 & !TicketFlags::KNOWN == 0,
            "flags",
            "holds a flag that this version does not know",
        )?;
        self.ext.check()
    }
}
