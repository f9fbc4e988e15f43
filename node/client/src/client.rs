//! A node, as an application sees it.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use leasehold_client_core::{Event, Patience, ProvenSeat, Task};
use leasehold_protocol::api::{IdempotencyKey, StatusAnswer};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;

use crate::connection::Connection;
use crate::driver::Driver;
use crate::seat::Seat;
use crate::{Address, Checkout, Error, blocking, limits};

/// The addresses of a node and the root it must prove its seats from. Cheap to clone; opens no connection by itself.
#[derive(Clone, Debug)]
pub struct Client {
    trust: TrustRoot,
    addresses: Arc<[Address]>,
    timeout: Duration,
}

/// Makes a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    trust: TrustRoot,
    addresses: Vec<Address>,
    timeout: Duration,
}

impl Client {
    /// Begins with the root that everything must be proved from.
    pub const fn builder(trust: TrustRoot) -> ClientBuilder {
        ClientBuilder { trust, addresses: Vec::new(), timeout: limits::TIMEOUT }
    }

    /// Checks out a seat and keeps it until it is released or dropped. Dropping the future gives back what came of it.
    pub async fn checkout(&self, wish: Checkout) -> Result<Seat, Error> {
        let task = Task::Checkout(Box::new(wish.request()?));
        Seat::keep(self.driver(wish.wait, task)?, wish.listeners).await
    }

    /// Checks out a seat without keeping it: its use ends at STOP, unless the caller renews it by its lease id.
    pub async fn acquire(&self, wish: &Checkout) -> Result<ProvenSeat, Error> {
        let task = Task::Checkout(Box::new(wish.request()?));
        first_seat(self.driver(wish.wait, task)?).await
    }

    /// Renews a lease of the same principal once, whoever checked it out.
    pub async fn renew(&self, lease: LeaseId) -> Result<ProvenSeat, Error> {
        first_seat(self.driver(Duration::ZERO, Task::Renew(lease))?).await
    }

    /// Gives back a lease of the same principal. False: it was unknown or had ended, nothing was done.
    pub async fn release(&self, lease: LeaseId) -> Result<bool, Error> {
        let mut driver = self.driver(Duration::ZERO, Task::Release(lease))?;
        match driver.next_event().await? {
            Some(Event::Released(released)) => Ok(released),
            event => Err(ended(event)),
        }
    }

    /// What the node says of itself. Each address is tried once.
    pub async fn status(&self) -> Result<StatusAnswer, Error> {
        node_status(&self.addresses, self.timeout).await
    }

    fn driver(&self, wait: Duration, task: Task) -> Result<Driver, Problem> {
        if self.addresses.is_empty() {
            return Err(Problem::new(Code::ConfigInvalid, "no address of a node is configured", "name one"));
        }
        let patience = Patience { timeout_ms: millis(self.timeout), wait_ms: millis(wait) };
        Driver::new(self.trust.clone(), self.addresses.to_vec(), patience, task)
    }
}

/// What a node says of itself, taken on trust: no root is needed to ask. Each address is tried once.
pub async fn node_status(addresses: &[Address], timeout: Duration) -> Result<StatusAnswer, Error> {
    let mut last = Problem::new(Code::ConfigInvalid, "no address of a node is configured", "name one");
    for address in addresses {
        let mut connection = Connection::new(address.clone());
        let asked = connection.ask(Method::GET, "/v1/status", None);
        last = match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(status)) => return Ok(status),
            Ok(Err(problem)) => problem,
            Err(_) => {
                let detail = format!("no answer from {address} within {} ms", timeout.as_millis());
                Problem::new(Code::Timeout, detail, "check that the node runs and is not overloaded")
            }
        };
    }
    Err(last.into())
}

impl ClientBuilder {
    /// One more address of the node, tried in this order.
    #[must_use]
    pub fn address(mut self, address: Address) -> Self {
        self.addresses.push(address);
        self
    }

    /// How long to go on without any answer. Default: [`limits::TIMEOUT`].
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same as [`build`](Self::build), for an application without an async runtime.
    pub fn build_blocking(self) -> Result<blocking::Client, Error> {
        blocking::Client::new(self.build())
    }

    /// The client.
    pub fn build(self) -> Client {
        let Self { trust, addresses, timeout } = self;
        Client { trust, addresses: addresses.into(), timeout }
    }
}

/// A key that nobody used before.
pub(crate) fn fresh_key() -> Result<IdempotencyKey, Problem> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| {
        Problem::new(Code::Internal, format!("the system gives no randomness: {error}"), "repair the system")
    })?;
    Ok(IdempotencyKey(key))
}

async fn first_seat(mut driver: Driver) -> Result<ProvenSeat, Error> {
    match driver.next_event().await? {
        Some(Event::Acquired(seat)) => Ok(*seat),
        event => Err(ended(event)),
    }
}

/// The error that an event without a seat is.
pub(crate) fn ended(event: Option<Event>) -> Error {
    match event {
        Some(Event::Denied(denial)) => Error::Denied(denial),
        Some(Event::Failed(problem)) => Error::Failed(problem),
        _ => Problem::new(Code::Internal, "the client's core ended without a word", "report this").into(),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
