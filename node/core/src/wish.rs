//! The wish for a seat: whether it can be meant, and what its key stands for.

use leasehold_protocol::canonical;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::{FEATURES, NAME_BYTES};
use leasehold_protocol::problem::Problem;
use sha2::{Digest as _, Sha256};

use crate::input::{Checkout, Principal};
use crate::limits;

impl Checkout {
    /// The same wish in its only form.
    pub(crate) fn normalised(mut self) -> Self {
        self.features.sort();
        self.features.dedup();
        self
    }

    /// Whether it is within all bounds.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let invalid = |detail: String| Err(Problem::new(Code::InvalidRequest, detail, "correct the request"));
        if self.product.is_some() == self.pool.is_some() {
            return invalid("exactly one of product and pool must be given".to_owned());
        }
        if self.count == 0 || self.count > limits::CHECKOUT_SEATS {
            return invalid(format!("count must be between 1 and {}", limits::CHECKOUT_SEATS));
        }
        if self.ttl_ms.is_some_and(|ttl_ms| ttl_ms <= 0) {
            return invalid("ttl_ms must be positive".to_owned());
        }
        if self.features.len() > FEATURES {
            return invalid(format!("at most {FEATURES} features can be asked for"));
        }
        let names = self.features.iter().chain(&self.product);
        if names.into_iter().any(|name| name.is_empty() || name.len() > NAME_BYTES) {
            return invalid(format!("names have 1 to {NAME_BYTES} bytes"));
        }
        self.holder.check().or_else(|malformed| invalid(malformed.to_string()))
    }

    /// First 8 bytes of a hash over all that a key stands for; waiting is not part of it.
    pub(crate) fn params_hash(&self, principal: Principal) -> [u8; 8] {
        let Self { product, pool, features, count, holder, key: _, ttl_ms } = self;
        let bytes = canonical::encode(&(principal, product, pool, features, count, holder, ttl_ms));
        let mut hash = [0; 8];
        hash.iter_mut().zip(Sha256::digest(bytes)).for_each(|(to, from)| *to = from);
        hash
    }
}
