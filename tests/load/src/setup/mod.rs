//! What is measured: a vendor, nodes provisioned as a customer's are, and the released programs that serve them.

mod committer;
mod journal;
mod medium;
mod programs;
mod seats;
mod site;
mod syncing;
mod vendor;
mod witness;

pub(crate) use committer::Committer;
pub(crate) use journal::JournalMeter;
pub(crate) use medium::{Dir, Medium};
pub(crate) use seats::{Cycle, Denied, Holding, Renewing, Request, fresh_key};
pub(crate) use site::{Node, Site};
pub(crate) use syncing::Syncing;
pub(crate) use vendor::{Sale, Vendor};
pub(crate) use witness::{Witness, chain};
