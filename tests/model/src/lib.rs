//! Model check: the rules of escrow and RECOVER, in every order of events that small bounds allow.
//!
//! It is a model of the *design*: an issuer with its ledger, nodes with rows and seats, clients that obey their STOP, a
//! network that loses, repeats and reorders, journals that are set back. The law is that no seat is used by two at once,
//! in truth. Each rule can be left out; a rule without which the law still holds in all scopes would be no rule, or the
//! model too coarse to see it.
//!
//! Not here: the code of the cores (the simulator runs that), signatures, disks, requests that wait, and clock *rates*:
//! a tick is long enough that the worst of both clocks is in STOP and G. An off-line node's service time stands still,
//! which only lengthens its waits. A row has one slot; one of several slots is several such rows. Epochs are left out: a
//! lease is named by its client, and two that hold one slot have broken the law before an epoch could tell them apart.
//!
//! * `world`: the state, and the law. `action`: what can happen. `issuer`, `node`, `client`, `fault`: when, and to what
//!   effect. `rule`, `scope`: what can be left out, and how far it goes. `search`: all of it.

mod action;
mod client;
mod fault;
mod issuer;
mod node;
mod rule;
mod scope;
mod search;
mod world;

pub use rule::Rule;
pub use scope::{Model, Scope};
pub use search::{History, Outcome, explore};
pub use world::{Kind, Tick};
