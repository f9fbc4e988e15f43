//! Scenarios of the node's core: readings and inputs go in, answers and records come out. Names are sentences.

mod amendments;
mod bounds;
mod bundles;
mod clocks;
mod contact;
mod keys;
mod leases;
mod pools;
mod recover;
mod releases;
mod requests;
mod revocations;
mod rig;
mod shrinks;
mod signed_times;
mod snapshots;
mod source;
mod states;
mod times;
