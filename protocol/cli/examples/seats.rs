//! The smallest program that talks the way ours do.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use leasehold_cli::{Exit, Failure, GlobalArgs, Output, PassphraseArgs, People, Program, SeatCount, run};
use leasehold_protocol::code::Code;
use serde_json::json;

/// Sells seats
#[derive(Parser)]
#[command(version)]
struct Seats {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Sell some
    Sell { seats: SeatCount },
    /// Ask for one where none is left
    Checkout,
    /// Show how long the passphrase is
    Unlock,
    /// Meet a bug
    Panic,
}

impl Program for Seats {
    fn global(&self) -> GlobalArgs {
        self.global
    }
}

fn main() -> ExitCode {
    run(|seats: Seats, output| match seats.verb {
        Verb::Sell { seats } => sell(seats, output),
        Verb::Checkout => checkout(output),
        Verb::Unlock => unlock(&seats.passphrase, output),
        Verb::Panic => panic!("a bug"),
    })
}

fn sell(seats: SeatCount, output: Output) -> Result<Exit, Failure> {
    output.note("selling");
    let (value, text) = match seats {
        SeatCount::Seats(seats) => (json!({ "value": seats }), seats.to_string()),
        SeatCount::Unlimited => (json!({ "unlimited": true }), "unlimited".to_owned()),
    };
    let people = People::table(["pool", "seats"], [["pol_1".to_owned(), text]]).next("seats checkout");
    output.answer(&json!({"pool_id": "pol_1", "seats": value}), &people)?;
    Ok(Exit::DONE)
}

fn checkout(output: Output) -> Result<Exit, Failure> {
    let code = Code::PoolExhausted;
    let people = People::sentence(format!("denied: {}", code.title()));
    output.answer(&json!({"decision": "deny", "code": code}), &people)?;
    Ok(Exit::of(code))
}

fn unlock(passphrase: &PassphraseArgs, output: Output) -> Result<Exit, Failure> {
    let length = passphrase.existing()?.expose().len();
    output.answer(&json!({ "length": length }), &People::facts([("length", length.to_string())]))?;
    Ok(Exit::DONE)
}
