//! `release`: a seat is given back.

use leasehold_cli::{Exit, Failure, Output, People};
use leasehold_client::Client;
use leasehold_protocol::api::ReleaseAnswer;
use leasehold_protocol::ids::LeaseId;

use super::without_seat;

pub(super) async fn run(client: &Client, lease: LeaseId, output: Output) -> Result<Exit, Failure> {
    let released = match client.release(lease).await {
        Ok(released) => released,
        Err(error) => return without_seat(error, output),
    };
    let sentence = if released {
        format!("released {lease}")
    } else {
        format!("nothing to release: {lease} is unknown or has ended")
    };
    output.answer(&ReleaseAnswer { released }, &People::sentence(sentence))?;
    Ok(Exit::DONE)
}
