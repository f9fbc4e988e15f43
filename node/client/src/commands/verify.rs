//! `verify`: a saved proof, with nothing but the trust root.

use leasehold_cli::{Exit, Failure, Output, People, files, rfc3339};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::proof::{ProofError, ProvedSeat, Step, verify_proof};
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use serde::Serialize;

use crate::cli::VerifyArgs;

/// What is found.
#[derive(Serialize)]
struct Finding {
    valid: bool,
    failed_step: Option<Step>,
    live: bool,
    at: String,
}

pub(super) fn run(root: &TrustRoot, args: &VerifyArgs, output: Output) -> Result<Exit, Failure> {
    let at = match args.at {
        Some(at) => at.resolve(args.timezone)?,
        None => leasehold_clock::wall().map_err(|error| {
            Failure::new(Code::Internal, format!("the clock cannot be read: {error}"), "add --at TIME")
        })?,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        let hint = "check that it is the right file and was copied whole";
        Failure::new(Code::Malformed, format!("{} cannot be read as a proof: {error}", args.file), hint)
    };
    let bytes = unarmour(&files::read(&args.file, ARMOUR_BYTES)?).map_err(|error| unreadable(&error))?;
    match verify_proof(root, &bytes) {
        Ok((_, seat)) => valid(&seat, at, output),
        Err(error) if error.step == Step::Container => Err(unreadable(&error.fault)),
        Err(error) => invalid(&error, at, output),
    }
}

fn valid(seat: &ProvedSeat, at: UnixMs, output: Output) -> Result<Exit, Failure> {
    let live = seat.is_live(at);
    let finding = Finding { valid: true, failed_step: None, live, at: rfc3339(at) };
    let ticket = &seat.ticket;
    let state = if live { "live" } else { "not live" };
    let sentence = format!(
        "valid, {state} at {}: {} for {}, epoch {}",
        finding.at, ticket.lease, ticket.holder, ticket.epoch
    );
    output.answer(&finding, &People::sentence(sentence))?;
    Ok(if live { Exit::DONE } else { Exit::of(Code::ProofNotLive) })
}

fn invalid(error: &ProofError, at: UnixMs, output: Output) -> Result<Exit, Failure> {
    let finding = Finding { valid: false, failed_step: Some(error.step), live: false, at: rfc3339(at) };
    output.answer(&finding, &People::sentence(format!("invalid: {error}")))?;
    Ok(Exit::of(Code::ProofInvalid))
}
