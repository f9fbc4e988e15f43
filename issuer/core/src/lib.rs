//! The issuer's core: what was sold, to whom, and which node may serve how much of it; a pure fold over a journal.
//!
//! There is no IO here, no clock, no randomness, no secret and no signature made: times and entropy are arguments,
//! signatures are made by the shell over artefacts that this crate plans, and come back to be recorded. No state is
//! kept that [`Issuer::apply`] did not put there, so replaying the journal gives the same issuer. Nothing expires
//! because a job ran: what is true on a date follows from the facts.
//!
//! * [`Issuer`]: the state machine. Commands become [`Fact`]s, or refusals with a code, a sentence and a hint.
//! * [`Command`], [`Input`]: what can be asked. Names are accepted wherever ids are.
//! * [`Fact`]: what the journal holds; it is the audit log, too.
//! * [`BundlePlan`]: the exact artefacts of a bundle before they are signed.
//! * [`RecoverCause`]: why an issuer that may have forgotten its promises gives nothing, until nodes have presented them.
//!
//! The law that this crate keeps: the slots of all live allocations of a pool are distinct, and all of them are below
//! seats + overdraft. It is checked where a row is decided and again where any fact is applied.

mod account;
mod adoption;
mod allocation;
mod amendment;
mod answered;
mod api_key;
mod apply;
mod bundle;
mod cause;
mod clock;
mod command;
mod contact;
mod effect;
mod enrolment;
mod fact;
mod fork;
mod grant;
mod head;
mod issuer;
pub mod limits;
mod manifest;
mod names;
mod node;
mod pool;
mod product;
mod receipt;
mod recover;
mod refusal;
mod release;
mod revocation;
mod root;
mod rules;
mod state;
mod text;
mod view;

pub use account::{Account, ExternalId, NewAccount};
pub use adoption::Adopted;
pub use allocation::{Mobility, NewAllocation, Row};
pub use amendment::{Amended, NewAmendment};
pub use api_key::{ApiKey, ApiKeyState, IssuedSecret, NewApiKey, Role};
pub use bundle::{BundleIssued, BundlePlan, Report};
pub use cause::{Cause, Idempotency, Meta, Source};
pub use clock::CertainTime;
pub use command::{Command, Input, ReplyTo};
pub use effect::{Effect, Effects, Reply};
pub use enrolment::{Enrolment, JoinCheck};
pub use fact::{Fact, ReplayError, What};
pub use fork::{Forked, Told};
pub use grant::{GrantSold, NewGrant};
pub use issuer::{ClockBefore, Issuer, Preview};
pub use node::{Applied, IssuedJoin, Join, NewNode, Node, NodeAttested, NodeClass, Usage};
pub use product::{NewProduct, Product, sku_key};
pub use receipt::ReceiptTaken;
pub use recover::{Attested, Entered, Missing, RecoverCause, Recovery};
pub use release::{Freed, NewShrink, Releases, Shrunk};
pub use revocation::{Exposure, NewRevocation, Revocation, RevocationTarget};
pub use root::{Initialised, RootPlan};
pub use rules::Rules;
pub use view::{GrantView, NodeView, PoolView, RevocationView, RowView, StandingHead};
