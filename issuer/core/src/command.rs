//! What the core is asked.

use leasehold_protocol::artefact::{Receipt, Request};
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::AccountId;

use crate::account::NewAccount;
use crate::allocation::NewAllocation;
use crate::amendment::NewAmendment;
use crate::api_key::{IssuedSecret, NewApiKey};
use crate::bundle::BundlePlan;
use crate::cause::Cause;
use crate::grant::NewGrant;
use crate::node::{IssuedJoin, NewNode};
use crate::product::NewProduct;
use crate::recover::RecoverCause;
use crate::release::NewShrink;
use crate::revocation::NewRevocation;

/// Whom a reply goes to; chosen by the shell, meaningless to the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// One input of the core: each is answered once.
#[derive(Clone, Debug)]
pub struct Input {
    /// Whom to answer.
    pub to: ReplyTo,
    /// Who asks and why.
    pub cause: Cause,
    /// What is asked.
    pub command: Command,
}

/// What can be asked. Everything that takes an id takes a name, too.
#[derive(Clone, Debug)]
pub enum Command {
    /// First command of a new journal: the signed root of [`crate::Issuer::plan_root`].
    Initialise {
        /// Its envelope.
        root: Vec<u8>,
    },
    /// A customer.
    CreateAccount(NewAccount),
    /// Something to sell.
    CreateProduct(NewProduct),
    /// A sale: a grant and its pool.
    CreateGrant(NewGrant),
    /// A place where seats are served.
    RegisterNode {
        /// What is wished.
        node: NewNode,
        /// Its join code, made for this try: a repetition is answered with the first one.
        issued: IssuedJoin,
    },
    /// A node's slice of a pool.
    CreateAllocation(NewAllocation),
    /// A new version of a grant.
    AmendGrant(NewAmendment),
    /// Grants are taken back.
    RevokeGrant(NewRevocation),
    /// A node shall give seats of a row back.
    ShrinkAllocation(NewShrink),
    /// The standing head of an account is to be replaced, if it is due.
    IssueHead {
        /// Whose.
        account: AccountId,
    },
    /// A node's receipt, verified with [`crate::Issuer::sign_key_of`].
    TakeReceipt {
        /// The receipt.
        receipt: Box<Verified<Receipt>>,
    },
    /// The signed bundle of [`crate::Issuer::plan_bundle`].
    IssueBundle {
        /// What was to be signed.
        plan: Box<BundlePlan>,
        /// The bundle.
        envelope: Vec<u8>,
    },
    /// A key for the service.
    CreateApiKey {
        /// What is wished.
        key: NewApiKey,
        /// Its secret, made for this try: a repetition is answered with the first one.
        secret: IssuedSecret,
    },
    /// Another secret for a key.
    RotateApiKey {
        /// Which, by id or name.
        key: String,
        /// The version that is meant; none for whatever it is.
        version: Option<u32>,
        /// Its new secret, made for this try.
        secret: IssuedSecret,
    },
    /// No more use of a key.
    DisableApiKey {
        /// Which, by id or name.
        key: String,
        /// The version that is meant; none for whatever it is.
        version: Option<u32>,
    },
    /// Nothing but the time that its cause accepts.
    AcceptTime,
    /// The journal may have forgotten what it promised.
    Recover {
        /// What showed it.
        cause: RecoverCause,
        /// The newest generation that something else than the journal names; 0 if nothing does.
        seen: u32,
    },
    /// An operator's word, with a reason, that no other nodes than those that report got seats since the backup.
    Attest {
        /// Of which accounts, by id or name; of all that are frozen if none is named.
        accounts: Vec<String>,
    },
    /// An operator's word, with a reason, that no copy of a node runs: it may have one new generation.
    AttestNode {
        /// Which node, by id or name.
        node: String,
    },
    /// What a request tells that has to be recorded before it can be answered, as [`crate::Issuer::tells`] says.
    TakeReport {
        /// The request.
        request: Box<Verified<Request>>,
    },
}
