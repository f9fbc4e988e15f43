//! Tickets that holders show: whether this node has signed them.

use leasehold_node_core::{NodeCore, Shown};
use leasehold_protocol::artefact::LeaseTicket;
use leasehold_protocol::envelope::{KeyRing, Verified, verify};
use leasehold_protocol::keys::PublicKey;
use leasehold_protocol::problem::Problem;

use crate::received;

/// The only key whose tickets count here.
pub(crate) fn own_key(core: &NodeCore) -> Option<KeyRing> {
    let key = PublicKey::admit(core.sign_key()?).ok()?;
    Some(KeyRing::of_one(core.realm()?, key))
}

/// A ticket in any form.
pub(crate) fn ticket(text: &str, held: bool, own: &KeyRing) -> Result<Box<Shown>, Problem> {
    let envelope = received::envelope(text.as_bytes())?;
    let ticket: Verified<LeaseTicket> = verify(&envelope, own).map_err(|error| {
        let hint = "show the newest ticket that this node gave for the lease";
        Problem::new(error.code(), format!("the ticket that was shown is refused: {error}"), hint)
    })?;
    Ok(Box::new(Shown { ticket: (*ticket).clone(), held, recorded: None }))
}
