//! How the three programs talk to people and scripts: arguments, answers, failures, files, prompts.
//!
//! Nothing here knows a command, a protocol exchange or a store, reads a clock (times come in as arguments; only the
//! log stamps its lines itself), or makes randomness. Standard output carries answers only; everything else goes to
//! standard error. A reader that goes away is not an error, and nothing prompts without a terminal.
//!
//! A program is `fn main() -> ExitCode { leasehold_cli::run(|args: Args, output| …) }`. It then also has the verbs
//! `completions SHELL` and `man --out DIR`. Daemons add a [`log`], talk to their [`service_manager`] and are watched by
//! [`openmetrics`]; what finds faults before they hurt is a [`checkup`].

mod args;
pub mod checkup;
pub mod config_file;
mod data_dir;
pub mod duration;
mod failure;
pub mod files;
mod identity;
mod inspect;
mod instant;
mod key;
mod limits;
pub mod log;
mod manual;
pub mod openmetrics;
mod output;
mod passphrase;
mod program;
mod seats;
pub mod service_manager;
mod signals;
mod text;
mod usage;

pub use args::{GlobalArgs, MutationArgs};
pub use data_dir::{Side, default_data_dir, not_owner};
pub use duration::duration;
pub use failure::Failure;
pub use identity::{host_name, os_user};
pub use inspect::inspect;
pub use instant::{Instant, Tz, rfc3339, timezone};
pub use key::IdempotencyKey;
pub use output::{Output, People};
pub use passphrase::{Passphrase, PassphraseArgs};
pub use program::{Exit, Program, run};
pub use seats::SeatCount;
pub use signals::Signals;
