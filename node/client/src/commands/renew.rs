//! `renew`: a lease lives on.

use leasehold_cli::{Exit, Failure, Output};
use leasehold_client::Client;
use leasehold_protocol::ids::LeaseId;

use super::{seat_answer, without_seat};

pub(super) async fn run(client: &Client, lease: LeaseId, output: Output) -> Result<Exit, Failure> {
    match client.renew(lease).await {
        Ok(seat) => seat_answer::allowed(&seat, "renewed", output),
        Err(error) => without_seat(error, output),
    }
}
