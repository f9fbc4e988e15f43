//! A seat that is kept for as long as its guard lives.

use std::sync::Arc;

use super::background::Background;
use crate::{Error, ProvenSeat, SeatState};

/// A seat. The thread of its client renews it until it is released or dropped.
#[derive(Debug)]
pub struct Seat {
    /// Taken when it is given back.
    seat: Option<crate::Seat>,
    background: Arc<Background>,
}

impl Seat {
    /// Whether the seat may be used right now, by the clock of this moment.
    pub fn is_live(&self) -> bool {
        self.seat.as_ref().is_some_and(crate::Seat::is_live)
    }

    /// The seat with its newest ticket; `None` while it is lost.
    pub fn proven(&self) -> Option<Arc<ProvenSeat>> {
        self.seat.as_ref().and_then(crate::Seat::proven)
    }

    /// What became of it up to now.
    pub fn state(&self) -> SeatState {
        self.seat.as_ref().map_or(SeatState::Over, crate::Seat::state)
    }

    /// Tells that the seat is in use at this moment, as [`crate::Seat::used`].
    pub fn used(&self) {
        if let Some(seat) = &self.seat {
            seat.used();
        }
    }

    /// Gives the seat back and waits for the node's word. False: it had ended before.
    pub fn release(mut self) -> Result<bool, Error> {
        match self.seat.take() {
            Some(seat) => self.background.wait_for(seat.release())?,
            None => Ok(false),
        }
    }

    pub(super) const fn new(seat: crate::Seat, background: Arc<Background>) -> Self {
        Self { seat: Some(seat), background }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.background.leave_to(async move {
                // Nobody waits for the node's word; a seat that it does not get back ends by itself.
                let _ = seat.release().await;
            });
        }
    }
}
