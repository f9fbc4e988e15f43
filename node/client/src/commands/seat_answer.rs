//! How a decision about a seat is printed.

use leasehold_cli::duration::show;
use leasehold_cli::{Exit, Failure, Output, People};
use leasehold_client::ProvenSeat;
use leasehold_protocol::api::{Decision, Denial, Seat, stop_in_ms};
use leasehold_protocol::code::Code;
use serde::Serialize;

/// A seat that was proved. The fields are those of the node's answer; the times are as of printing, by this machine's
/// clocks and from when the request was sent.
#[derive(Serialize)]
struct Allowed<'a> {
    decision: &'static str,
    code: Code,
    lease_id: String,
    epoch: String,
    pool_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<&'a [u32]>,
    product: &'a str,
    features: &'a [String],
    holder: &'a str,
    ttl_ms: i64,
    age_ms: i64,
    expires_in_ms: i64,
    stop_in_ms: i64,
    proof: &'static str,
    ticket: &'a str,
}

/// Prints a seat; `done` says what happened: `checked out`, `renewed`.
pub(super) fn allowed(proven: &ProvenSeat, done: &str, output: Output) -> Result<Exit, Failure> {
    let ProvenSeat { seat, term, .. } = proven;
    let now = leasehold_clock::read().map_err(|error| {
        Failure::new(
            Code::Internal,
            format!("the clocks cannot be read: {error}"),
            "check that /proc is mounted",
        )
    })?;
    let (ttl_ms, age_ms) = (term.ttl_ms(), term.elapsed_ms(&now));
    let document = Allowed {
        decision: "allow",
        code: seat.code,
        lease_id: seat.lease_id.to_string(),
        epoch: seat.epoch.to_string(),
        pool_id: seat.pool_id.to_string(),
        slot: seat.slot,
        slots: seat.slots.as_deref(),
        product: &seat.product,
        features: &seat.features,
        holder: &seat.holder,
        ttl_ms,
        age_ms,
        expires_in_ms: term.expires_in_ms(&now),
        stop_in_ms: stop_in_ms(ttl_ms, age_ms),
        proof: "verified",
        ticket: &seat.ticket,
    };
    let stop = show(document.stop_in_ms.max(0));
    let sentence = format!(
        "{done} {}: {} for {}, proof verified, to be renewed or out of use within {stop}",
        seat.lease_id,
        named(seat),
        seat.holder
    );
    let flagged = match seat.code {
        Code::Allowed => sentence,
        code => format!("{sentence}\n{code}: {}", code.title()),
    };
    let people = People::sentence(flagged).next(format!("leasehold release {}", seat.lease_id));
    output.answer(&document, &people)?;
    Ok(Exit::of(seat.code))
}

/// Prints a denial, which is an answer, and exits by its code.
pub(super) fn denied(denial: Denial, output: Output) -> Result<Exit, Failure> {
    let exit = Exit::status(denial.exit());
    let sentence = format!("denied: {}: {}\nhint: {}", denial.code, denial.detail, denial.hint);
    output.answer(&Decision::Deny(denial), &People::sentence(sentence))?;
    Ok(exit)
}

/// `cad, seat 3`; `cad, seats 3 4`; `cad`.
pub(super) fn named(seat: &Seat) -> String {
    let product = &seat.product;
    match (seat.slot, &seat.slots) {
        (Some(slot), _) => format!("{product}, seat {slot}"),
        (None, Some(slots)) => {
            let slots: Vec<String> = slots.iter().map(u32::to_string).collect();
            format!("{product}, seats {}", slots.join(" "))
        }
        (None, None) => product.clone(),
    }
}
