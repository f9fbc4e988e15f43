//! What a node's journal holds. The wire form is frozen from the first release on: a change is a new variant at the end.

use leasehold_protocol::artefact::{Holder, Receipt, RecoverCause, Request};
use leasehold_protocol::bytes::{Bytes, SpkiDigest};
use leasehold_protocol::canonical::{self, CodecError};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{SvcMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::input::{Cause, Principal};
use crate::machine::Machine;
use leasehold_protocol::seq::Seq;

/// One fact of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// First record: who this node is.
    Initialised {
        /// Who acted and why.
        cause: Cause,
        /// High bits of every epoch.
        incarnation: u32,
        /// Envelope of the trust root.
        trust_root: Bytes,
        /// The node's sign key.
        sign_key: PublicKeyBytes,
        /// Its TLS keys.
        tls_keys: Vec<SpkiDigest>,
        /// Its name.
        name: String,
    },
    /// A request was made: its nonce anchors time when the answer comes in the same boot.
    RequestMade {
        /// Who acted and why.
        cause: Cause,
        /// How it is to reach the issuer.
        way: Way,
        /// The whole request, before it is signed and leaves.
        request: Box<Request>,
    },
    /// A bundle is in force. The envelope is verified again in replay.
    BundleApplied {
        /// Who acted and why.
        cause: Cause,
        /// Verbatim.
        envelope: Bytes,
        /// An operator vouched for its time.
        time_accepted: bool,
    },
    /// Interns a holder under a number that is never used twice.
    HolderSeen {
        /// The number.
        index: u32,
        /// Who.
        holder: Holder,
    },
    /// Interns a set of features under a number that is never used twice.
    FeaturesSeen {
        /// The number.
        index: u32,
        /// Ascending.
        features: Vec<String>,
    },
    /// A seat was given.
    LeaseGranted(LeaseGranted),
    /// Leases live on: their grant seqs, and by how much their deadlines moved.
    Renewed(Vec<(Seq, i64)>),
    /// A lease is over.
    LeaseEnded {
        /// Seq of its grant.
        grant: Seq,
        /// Why.
        cause: EndCause,
    },
    /// Denials of one kind since the last roll-up.
    Denied {
        /// Journal-local pool; none if no pool was chosen.
        pool: Option<u32>,
        /// Why.
        code: Code,
        /// Group of the site's policy that the holders are in; empty as long as a site has no policy.
        group: String,
        /// How many.
        count: u32,
        /// First of them, service time.
        since: SvcMs,
    },
    /// The issuer that the node talks to by itself.
    IssuerNamed {
        /// Who acted and why.
        cause: Cause,
        /// Where it is.
        url: String,
        /// The TLS key that it must prove, beside those of the trust root.
        key: SpkiDigest,
    },
    /// Slots are the vendor's again, and stay out of every row until one acknowledges it.
    SlotsReleased {
        /// Who wanted it.
        cause: ReleaseCause,
        /// Journal-local allocation version.
        allocation: u32,
        /// Which.
        slots: SlotSet,
        /// The report that tells it first: the next one.
        report_seq: u64,
    },
    /// A receipt was made.
    ReceiptMade {
        /// Who acted and why.
        cause: Cause,
        /// The whole receipt, before it is signed and leaves.
        receipt: Box<Receipt>,
    },
    /// A lease was given back, and its seat waits for the same user and host.
    LeaseLingers {
        /// Seq of its grant.
        grant: Seq,
        /// Until then.
        until: SvcMs,
    },
    /// An operator took a lease back: it is counted until the end of its promise, and not renewed.
    LeaseForced {
        /// Who acted and why.
        cause: Cause,
        /// Seq of its grant.
        grant: Seq,
    },
    /// The slots that leases moved away from are free, as far as no promise names them any more.
    SlotsVacated,
    /// A lease has other seats from here on; the renewal that moved it follows.
    LeaseMoved {
        /// Seq of its grant.
        grant: Seq,
        /// Journal-local allocation version.
        allocation: u32,
        /// All its seats.
        slots: SlotSet,
    },
    /// RECOVER began: what is before this may not be all that was promised.
    RecoverEntered {
        /// What shows it.
        cause: RecoverCause,
        /// Who acted and why.
        by: Cause,
        /// High bits of the epochs from here on.
        incarnation: u32,
        /// The newest generation that was ever in force here; none if nothing tells.
        newest_generation: Option<u32>,
        /// The longest life that a forgotten lease can have.
        longest_ttl_ms: i64,
    },
    /// An operator attests that no copy of this node runs, and that no later generation than the journal's was in force.
    RecoverAttested {
        /// Who acted and why.
        cause: Cause,
    },
    /// Somebody showed that a generation was in force here.
    GenerationSeen {
        /// Which.
        generation: u32,
    },
    /// A lease goes on by the ticket that its holder showed.
    TicketAdopted {
        /// The lease from here on.
        granted: LeaseGranted,
        /// Grants of the leases that have its seats by the ledger, itself among them: they are over.
        replaces: Vec<Seq>,
    },
    /// RECOVER is over.
    RecoverEnded,
    /// The issuer has heard something else from this node than the journal says.
    Forked {
        /// The newest report that the issuer knows.
        report_seq: u64,
    },
    /// The process runs on this machine.
    MachineSeen {
        /// Which.
        machine: Machine,
    },
    /// An operator vouched for the signed time that was kept aside.
    TimeAccepted {
        /// Who acted and why.
        cause: Cause,
    },
}

/// How a request reaches the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Somebody carries it, for as long as that takes.
    Courier,
    /// The node sends it by itself, and needs no more than the last one.
    Network,
}

/// A seat was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGranted {
    /// The lease.
    pub lease: LeaseId,
    /// Journal-local pool.
    pub pool: u32,
    /// Journal-local allocation version.
    pub allocation: u32,
    /// Fencing number.
    pub epoch: u64,
    /// Its seats; empty for an unlimited pool.
    pub slots: SlotSet,
    /// How many seats.
    pub count: u32,
    /// Interned holder.
    pub holder: u32,
    /// Interned features.
    pub features: u32,
    /// Who may renew and release it.
    pub principal: Principal,
    /// Idempotency key.
    pub key: [u8; 16],
    /// Of the parameters the key stands for.
    pub params_hash: [u8; 8],
    /// Life that was wished for, within the pool's bounds; renewals give as much of it as their row covers.
    pub wish_ttl_ms: u32,
    /// End of the promise.
    pub deadline: SvcMs,
    /// True time was not before this.
    pub issued_floor: UnixMs,
    /// True time was not after this.
    pub issued_hi: UnixMs,
    /// As in the ticket.
    pub flags: u16,
}

/// Who wanted seats back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseCause {
    /// The vendor, by the row itself.
    Shrink,
    /// The site.
    Surrender(Cause),
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// Its holder gave it back.
    Released,
    /// It had run out and somebody needed the seat.
    Evicted,
    /// It had run out, and its seat is no more this node's to give.
    Withdrawn,
    /// Its holder had given it back, and the seat need not or could not wait any longer.
    Lingered,
    /// An operator had taken it back, and its promise is over.
    Forced,
    /// A later ticket of its seat was shown in RECOVER.
    Superseded,
}

impl Record {
    /// The bytes of the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// A record of the journal.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        canonical::decode(bytes)
    }
}
