//! What an issuer's journal holds: facts, which are its audit log, too. The wire form is frozen from the first release
//! on: a change is a new variant at the end.

use leasehold_protocol::artefact::Head;
use leasehold_protocol::canonical::{self, CodecError};
use leasehold_protocol::ids::AllocationId;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::adoption::Adopted;
use crate::allocation::Row;
use crate::amendment::Amended;
use crate::api_key::ApiKey;
use crate::bundle::BundleIssued;
use crate::cause::Meta;
use crate::fork::Forked;
use crate::grant::GrantSold;
use crate::node::{Node, NodeAttested};
use crate::product::Product;
use crate::receipt::ReceiptTaken;
use crate::recover::{Attested, Entered};
use crate::release::Shrunk;
use crate::revocation::Revocation;
use crate::root::Initialised;

/// One record: who did what, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Who, when, why.
    pub meta: Meta,
    /// The record that says how it was before; none if it was not there.
    pub before: Option<Seq>,
    /// How it is from here on.
    pub what: What,
}

/// How something is from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The issuer begins.
    Initialised(Initialised),
    /// A customer.
    AccountCreated(Account),
    /// Something to sell.
    ProductCreated(Product),
    /// A sale.
    GrantCreated(Box<GrantSold>),
    /// A node that may enrol.
    NodeRegistered(Node),
    /// A node's slice of a pool.
    AllocationCreated {
        /// The slice.
        row: Box<Row>,
        /// Rows whose time is certainly over, and which ended for it.
        freed: Vec<AllocationId>,
    },
    /// A node was given what it is entitled to.
    BundleIssued(Box<BundleIssued>),
    /// A new version of a grant and its pool.
    GrantAmended(Box<Amended>),
    /// Grants are taken back.
    GrantRevoked(Revocation),
    /// A node shall give seats back.
    AllocationShrunk(Shrunk),
    /// What online nodes of an account poll from here on.
    HeadIssued(Box<Head>),
    /// A node says what it applied and gives back.
    ReceiptTaken(Box<ReceiptTaken>),
    /// A key for the service.
    ApiKeyCreated(Box<ApiKey>),
    /// A key has another secret.
    ApiKeyRotated(Box<ApiKey>),
    /// A key opens nothing any more.
    ApiKeyDisabled(Box<ApiKey>),
    /// An operator vouches for the clock: the time is in [`Meta::accepted_time`].
    TimeAccepted,
    /// The journal may have forgotten what it promised: everything is frozen.
    RecoverEntered(Entered),
    /// What a node presented is so, though the journal lacked it.
    Adopted(Box<Adopted>),
    /// An operator says that no other nodes than those known got seats since the backup.
    AccountsAttested(Attested),
    /// There are two of a node, or it was set back without knowing.
    NodeForked(Forked),
    /// An operator says that no copy of a node runs.
    NodeAttested(NodeAttested),
}

impl What {
    /// All there are.
    pub const KINDS: [&str; 21] = [
        "initialised",
        "account_created",
        "product_created",
        "grant_created",
        "node_registered",
        "allocation_created",
        "bundle_issued",
        "grant_amended",
        "grant_revoked",
        "allocation_shrunk",
        "head_issued",
        "receipt_taken",
        "api_key_created",
        "api_key_rotated",
        "api_key_disabled",
        "time_accepted",
        "recover_entered",
        "adopted",
        "accounts_attested",
        "node_forked",
        "node_attested",
    ];

    /// The name of the kind of fact, as audits show it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Initialised(_) => "initialised",
            Self::AccountCreated(_) => "account_created",
            Self::ProductCreated(_) => "product_created",
            Self::GrantCreated(_) => "grant_created",
            Self::NodeRegistered(_) => "node_registered",
            Self::AllocationCreated { .. } => "allocation_created",
            Self::BundleIssued(_) => "bundle_issued",
            Self::GrantAmended(_) => "grant_amended",
            Self::GrantRevoked(_) => "grant_revoked",
            Self::AllocationShrunk(_) => "allocation_shrunk",
            Self::HeadIssued(_) => "head_issued",
            Self::ReceiptTaken(_) => "receipt_taken",
            Self::ApiKeyCreated(_) => "api_key_created",
            Self::ApiKeyRotated(_) => "api_key_rotated",
            Self::ApiKeyDisabled(_) => "api_key_disabled",
            Self::TimeAccepted => "time_accepted",
            Self::RecoverEntered(_) => "recover_entered",
            Self::Adopted(_) => "adopted",
            Self::AccountsAttested(_) => "accounts_attested",
            Self::NodeForked(_) => "node_forked",
            Self::NodeAttested(_) => "node_attested",
        }
    }
}

impl Fact {
    /// The bytes of the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// A fact of the journal.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        canonical::decode(bytes)
    }
}

/// A fact that cannot be: an honest issuer never recorded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReplayError(pub(crate) String);
