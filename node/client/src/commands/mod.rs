//! What each verb does.

mod checkout;
mod place;
mod release;
mod renew;
mod run;
mod seat_answer;
mod status;
mod verify;

use leasehold_cli::{Exit, Failure, Output, inspect};
use leasehold_client::Error;
use leasehold_protocol::code::Code;

use self::place::client;
use crate::cli::{Cli, Verb};
use crate::log::log_to_stderr;
use crate::trust::{optional_trust_root, trust_root};

/// Runs the program.
pub(crate) fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let Cli { place, verb, global } = cli;
    log_to_stderr(global);
    match verb {
        Verb::Checkout(args) => {
            let client = client(&place, &args.reach)?;
            block_on(checkout::run(&client, &args, output))
        }
        Verb::Renew(args) => {
            let client = client(&place, &args.reach)?;
            block_on(renew::run(&client, args.lease, output))
        }
        Verb::Release(args) => {
            let client = client(&place, &args.reach)?;
            block_on(release::run(&client, args.lease, output))
        }
        Verb::Run(args) => {
            let client = client(&place, &args.reach)?;
            block_on(run::run(&client, &args, output))
        }
        Verb::Status(reach) => block_on(status::run(&place, &reach, output)),
        Verb::Verify(args) => verify::run(&trust_root(place.trust.as_deref())?, &args, output),
        Verb::Inspect(args) => {
            inspect(&args.file, optional_trust_root(place.trust.as_deref())?.as_ref(), output)
        }
    }
}

fn block_on<F: Future<Output = Result<Exit, Failure>>>(command: F) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Code::Internal, format!("cannot start: {error}"), "check the limits of this process")
    })?;
    runtime.block_on(command)
}

/// How a command ends that got no seat: a denial is an answer, anything else a failure.
fn without_seat(error: Error, output: Output) -> Result<Exit, Failure> {
    match error {
        Error::Denied(denial) => seat_answer::denied(*denial, output),
        Error::Failed(problem) => Err(Failure::from(*problem)),
    }
}
