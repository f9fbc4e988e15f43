//! A node, as an application sees it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use leasehold_client_core::{Event, Patience, ProvenSeat, Task};
use leasehold_net::CertificateFiles;
use leasehold_protocol::api::{IdempotencyKey, StatusAnswer};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;

use crate::connection::{Connection, Trouble};
use crate::driver::Driver;
use crate::reach::{Reach, TlsOptions};
use crate::seat::Seat;
use crate::{Address, BearerKey, Checkout, Error, blocking, limits};

/// The addresses of a node and the root it must prove itself and its seats from. Cheap to clone; opens no connection by
/// itself.
#[derive(Clone, Debug)]
pub struct Client {
    trust: TrustRoot,
    reach: Arc<Reach>,
    timeout: Duration,
}

/// Makes a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    trust: TrustRoot,
    addresses: Vec<Address>,
    timeout: Duration,
    tls: TlsOptions,
}

impl Client {
    /// Begins with the root that everything must be proved from.
    pub fn builder(trust: TrustRoot) -> ClientBuilder {
        let tls = TlsOptions::default();
        ClientBuilder { trust, addresses: Vec::new(), timeout: limits::TIMEOUT, tls }
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
        status(&self.reach, self.timeout).await
    }

    fn driver(&self, wait: Duration, task: Task) -> Result<Driver, Problem> {
        let patience = Patience { timeout_ms: millis(self.timeout), wait_ms: millis(wait) };
        Driver::new(self.trust.clone(), Arc::clone(&self.reach), patience, task)
    }
}

/// What a node of this machine says of itself, taken on trust: nobody who may open its Unix socket needs a root to ask.
/// Each address is tried once; one that is no Unix socket is `TRUST_ROOT_MISSING`.
pub async fn node_status(addresses: Vec<Address>, timeout: Duration) -> Result<StatusAnswer, Error> {
    let reach = Reach::new(addresses, None, TlsOptions::default())?;
    status(&Arc::new(reach), timeout).await
}

async fn status(reach: &Arc<Reach>, timeout: Duration) -> Result<StatusAnswer, Error> {
    let mut last = None;
    for (index, address) in reach.addresses.iter().enumerate() {
        let mut connection = Connection::new(Arc::clone(reach), index);
        let asked = connection.ask(Method::GET, "/v1/status", None);
        last = Some(match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(status)) => return Ok(status),
            Ok(Err(Trouble::Unproven(problem) | Trouble::Problem(problem))) => problem,
            Err(_) => {
                let detail = format!("no answer from {address} within {} ms", timeout.as_millis());
                Problem::new(Code::Timeout, detail, "check that the node runs and is not overloaded")
            }
        });
    }
    Err(last.map_or_else(|| ended(None), Error::from))
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

    /// Believe what answers at `https://` addresses by a certificate for its host from an authority in this PEM file,
    /// such as the customer's own. It must prove to be a node of the vendor all the same, but not to hold its key.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(file.into());
        self
    }

    /// Show this certificate to nodes that ask for one: the certificate with those between it and its authority, and
    /// its secret key, as PEM files.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.certificate = Some(CertificateFiles { chain: chain.into(), key: key.into() });
        self
    }

    /// Be known by this key at `https://` addresses. It is sent to nobody who did not prove to be a node of the vendor.
    #[must_use]
    pub fn bearer_key(mut self, key: BearerKey) -> Self {
        self.tls.bearer = Some(key);
        self
    }

    /// The client. `CONFIG_INVALID` without an address, or if a file is not usable.
    pub fn build(self) -> Result<Client, Error> {
        let Self { trust, addresses, timeout, tls } = self;
        let reach = Reach::new(addresses, Some(trust.clone()), tls)?;
        Ok(Client { trust, reach: Arc::new(reach), timeout })
    }

    /// The same for an application without an async runtime.
    pub fn build_blocking(self) -> Result<blocking::Client, Error> {
        blocking::Client::new(self.build()?)
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
