//! A node, as an application without a runtime sees it.

use std::sync::Arc;

use leasehold_protocol::api::StatusAnswer;
use leasehold_protocol::ids::LeaseId;

use super::Seat;
use super::background::Background;
use crate::{Checkout, Error, ProvenSeat};

/// A [`crate::Client`] whose calls wait. Cheap to clone; all clones share one thread.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    background: Arc<Background>,
}

impl Client {
    /// Checks out a seat and keeps it until it is released or dropped.
    pub fn checkout(&self, wish: Checkout) -> Result<Seat, Error> {
        let seat = self.wait_for(async move |client| client.checkout(wish).await)?;
        Ok(Seat::new(seat, Arc::clone(&self.background)))
    }

    /// Checks out a seat without keeping it: its use ends at STOP, unless the caller renews it by its lease id.
    pub fn acquire(&self, wish: &Checkout) -> Result<ProvenSeat, Error> {
        let wish = wish.clone();
        self.wait_for(async move |client| client.acquire(&wish).await)
    }

    /// Renews a lease of the same principal once, whoever checked it out.
    pub fn renew(&self, lease: LeaseId) -> Result<ProvenSeat, Error> {
        self.wait_for(async move |client| client.renew(lease).await)
    }

    /// Gives back a lease of the same principal. False: it was unknown or had ended, nothing was done.
    pub fn release(&self, lease: LeaseId) -> Result<bool, Error> {
        self.wait_for(async move |client| client.release(lease).await)
    }

    /// What the node says of itself. Each address is tried once.
    pub fn status(&self) -> Result<StatusAnswer, Error> {
        self.wait_for(async move |client| client.status().await)
    }

    pub(crate) fn new(client: crate::Client) -> Result<Self, Error> {
        Ok(Self { client, background: Arc::new(Background::start()?) })
    }

    fn wait_for<T, W>(&self, work: impl FnOnce(crate::Client) -> W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.background.wait_for(work(self.client.clone()))?
    }
}
