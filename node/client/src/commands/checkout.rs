//! `checkout`: a seat that nobody keeps alive.

use std::path::PathBuf;

use leasehold_cli::files::{Access, Draft, Existing};
use leasehold_cli::{Exit, Failure, Output};
use leasehold_client::{Checkout, Client, ProvenSeat};
use leasehold_protocol::armour::one_line;
use leasehold_protocol::code::Code;

use super::{seat_answer, without_seat};
use crate::cli::{CheckoutArgs, WishArgs};

pub(super) async fn run(client: &Client, args: &CheckoutArgs, output: Output) -> Result<Exit, Failure> {
    let mut wish = wish(&args.wish);
    if let Some(key) = args.key {
        wish = wish.key(key);
    }
    let begin = |path: &PathBuf| Draft::begin(path, Access::Everyone, Existing::Replace);
    let proof = args.proof.as_ref().map(begin).transpose()?;
    let seat = match client.acquire(&wish).await {
        Ok(seat) => seat,
        Err(error) => return without_seat(error, output),
    };
    if let Some(draft) = proof
        && let Err(failure) = write_proof(draft, &seat)
    {
        // Nobody will use a seat without what was asked for, but a key may have brought back one that is in use.
        if seat.seat.age_ms == 0 {
            let _ = client.release(seat.seat.lease_id).await;
        }
        return Err(failure);
    }
    seat_answer::allowed(&seat, "checked out", output)
}

/// The wish that the arguments describe.
pub(super) fn wish(args: &WishArgs) -> Checkout {
    let mut wish = Checkout::product(&args.product).count(args.count).wait(args.wait);
    for feature in &args.features {
        wish = wish.feature(feature);
    }
    if let Some(holder) = &args.holder {
        wish = wish.holder(holder.clone());
    }
    if let Some(ttl) = args.ttl {
        wish = wish.ttl(ttl);
    }
    wish
}

fn write_proof(draft: Draft, seat: &ProvenSeat) -> Result<(), Failure> {
    let line = one_line(&seat.proof().to_bytes()).map_err(|error| {
        Failure::new(Code::LimitExceeded, format!("the proof cannot be written: {error}"), "report this")
    })?;
    draft.finish(format!("{line}\n").as_bytes())
}
