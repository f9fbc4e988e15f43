//! The wish for a seat.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leasehold_client_core::ProvenSeat;
use leasehold_protocol::api::{CheckoutRequest, HolderName, IdempotencyKey};
use leasehold_protocol::ids::PoolId;
use leasehold_protocol::problem::Problem;

use crate::holder::default_holder;

/// What is wanted, and whom to tell what becomes of it.
#[derive(Clone)]
pub struct Checkout {
    product: Option<String>,
    pool: Option<PoolId>,
    features: Vec<String>,
    count: u32,
    holder: Option<HolderName>,
    key: Option<IdempotencyKey>,
    ttl: Option<Duration>,
    pub(crate) wait: Duration,
    pub(crate) listeners: Listeners,
}

/// A seat that could not be renewed. It is still live, until STOP.
#[derive(Clone, Debug)]
pub struct Warning {
    /// What happened.
    pub cause: Problem,
    /// How long the seat may still be used.
    pub stop_in: Duration,
}

/// Called by the task that keeps the seat: they must return at once.
#[derive(Clone, Default)]
pub(crate) struct Listeners {
    pub(crate) warning: Option<Listener<Warning>>,
    pub(crate) lost: Option<Listener<()>>,
    pub(crate) regained: Option<Listener<ProvenSeat>>,
}

pub(crate) type Listener<T> = Arc<dyn Fn(&T) + Send + Sync>;

impl Checkout {
    /// One seat of the product with this SKU.
    pub fn product(sku: impl Into<String>) -> Self {
        Self { product: Some(sku.into()), ..Self::of_nothing() }
    }

    /// One seat of a certain pool.
    pub fn pool(pool: PoolId) -> Self {
        Self { pool: Some(pool), ..Self::of_nothing() }
    }

    /// The seat must include this feature.
    #[must_use]
    pub fn feature(mut self, name: impl Into<String>) -> Self {
        self.features.push(name.into());
        self
    }

    /// So many seats at once, all or nothing.
    #[must_use]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Who holds it. Default: the user of this process on this machine.
    #[must_use]
    pub fn holder(mut self, holder: HolderName) -> Self {
        self.holder = Some(holder);
        self
    }

    /// Under this key the same node gives the same seat, also after a crash of the application. Default: a new one.
    #[must_use]
    pub const fn key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Wished life of the lease between renewals; the pool's bounds cut it.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long to wait for a seat if none is free. Default: not at all.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Called when a renewal fails for the first time since the last good one: time to save work.
    #[must_use]
    pub fn on_warning(mut self, listener: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.listeners.warning = Some(Arc::new(listener));
        self
    }

    /// Called when the seat must not be used any more.
    #[must_use]
    pub fn on_lost(mut self, listener: impl Fn() + Send + Sync + 'static) -> Self {
        self.listeners.lost = Some(Arc::new(move |()| listener()));
        self
    }

    /// Called when there is a seat again after it was lost; it may be another lease.
    #[must_use]
    pub fn on_regained(mut self, listener: impl Fn(&ProvenSeat) + Send + Sync + 'static) -> Self {
        self.listeners.regained = Some(Arc::new(listener));
        self
    }

    /// What is sent, the same in every attempt.
    pub(crate) fn request(&self) -> Result<CheckoutRequest, Problem> {
        let mut features = self.features.clone();
        features.sort();
        features.dedup();
        Ok(CheckoutRequest {
            product: self.product.clone(),
            pool: self.pool,
            features,
            count: self.count,
            holder: self.holder.clone().unwrap_or_else(default_holder),
            key: self.key.map_or_else(crate::client::fresh_key, Ok)?,
            ttl_ms: self.ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
        })
    }

    fn of_nothing() -> Self {
        Self {
            product: None,
            pool: None,
            features: Vec::new(),
            count: 1,
            holder: None,
            key: None,
            ttl: None,
            wait: Duration::ZERO,
            listeners: Listeners::default(),
        }
    }
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, pool, features, count, holder, key, ttl, wait, listeners: _ } = self;
        f.debug_struct("Checkout")
            .field("product", product)
            .field("pool", pool)
            .field("features", features)
            .field("count", count)
            .field("holder", holder)
            .field("key", key)
            .field("ttl", ttl)
            .field("wait", wait)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the seat could not be renewed and ends in {} s: {}", self.stop_in.as_secs(), self.cause)
    }
}
