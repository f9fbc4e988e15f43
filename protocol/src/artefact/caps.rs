//! Bounds of what a key may sign: a stolen key does not sign past them.

use serde::{Deserialize, Serialize};

use super::{Kind, Malformed, check_set, ensure};
use crate::ids::{AccountId, ProductId};
use crate::limits;

/// The caps of one key. An empty list, or `None`, bounds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Type numbers it may sign.
    pub kinds: Vec<u16>,
    /// Products it may sign for.
    pub products: Vec<ProductId>,
    /// Accounts it may sign for.
    pub accounts: Vec<AccountId>,
    /// Most seats in one artefact; unlimited pools exceed any number.
    pub max_seats: Option<u32>,
    /// Longest validity of one artefact.
    pub max_validity_ms: Option<i64>,
    /// What it signs must be proved to be in the transparency log.
    pub must_be_logged: bool,
}

/// What an artefact asks of its signer's caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The account it is about.
    pub account: Option<AccountId>,
    /// The product it is about.
    pub product: Option<ProductId>,
    /// Seats it gives; `u32::MAX` = unlimited.
    pub seats: u32,
    /// How long it is valid.
    pub validity_ms: i64,
}

/// The cap that an artefact goes beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapsExceeded {
    /// Not a kind the key may sign.
    #[error("the kind of artefact")]
    Kind,
    /// Not a product the key may sign for.
    #[error("the product")]
    Product,
    /// Not an account the key may sign for.
    #[error("the account")]
    Account,
    /// Too many seats.
    #[error("the number of seats")]
    Seats,
    /// Valid for too long.
    #[error("the validity")]
    Validity,
    /// No inclusion proof, which this version cannot check.
    #[error("the lack of a log proof")]
    Logged,
}

impl Caps {
    pub(crate) fn allow(&self, kind: Kind, demand: &Demand) -> Result<(), CapsExceeded> {
        let listed = self.kinds.is_empty() || self.kinds.contains(&kind.number());
        let product = demand.product.is_none_or(|p| self.products.is_empty() || self.products.contains(&p));
        let account = demand.account.is_none_or(|a| self.accounts.is_empty() || self.accounts.contains(&a));
        match () {
            () if !listed => Err(CapsExceeded::Kind),
            () if !product => Err(CapsExceeded::Product),
            () if !account => Err(CapsExceeded::Account),
            () if self.max_seats.is_some_and(|max| demand.seats > max) => Err(CapsExceeded::Seats),
            () if self.max_validity_ms.is_some_and(|max| demand.validity_ms > max) => {
                Err(CapsExceeded::Validity)
            }
            () if self.must_be_logged => Err(CapsExceeded::Logged),
            () => Ok(()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Malformed> {
        check_set(&self.kinds, limits::SHORT_LIST, "caps.kinds")?;
        check_set(&self.products, limits::SHORT_LIST, "caps.products")?;
        check_set(&self.accounts, limits::SHORT_LIST, "caps.accounts")?;
        ensure(self.max_validity_ms.is_none_or(|ms| ms >= 0), "caps.max_validity_ms", "must not be negative")
    }
}
