//! What is sold: products and their features.

use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::ProductId;
use leasehold_protocol::limits::FEATURES;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::text;

/// A wish for a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// What applications ask for.
    pub sku: String,
    /// Features that grants may include.
    pub features: Vec<String>,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The product.
    #[serde(rename = "product_id")]
    pub id: ProductId,
    /// As it was spelled first; artefacts carry this.
    pub sku: String,
    /// As it is compared.
    pub sku_key: String,
    /// Features that grants may include, ascending.
    pub features: Vec<String>,
}

/// The form in which two spellings of a SKU are the same: lower case, `-`, `.` and blanks are `_`.
pub fn sku_key(sku: &str) -> String {
    let same = |c| if matches!(c, '-' | '_' | ' ' | '.') { '_' } else { c };
    sku.trim().to_lowercase().chars().map(same).collect()
}

pub(crate) fn create(
    state: &State,
    at: UnixMs,
    entropy: &mut Entropy,
    new: &NewProduct,
) -> Result<Product, Problem> {
    text::check_name(&new.sku, "SKU")?;
    let sku_key = sku_key(&new.sku);
    let features = text::sorted_names_up_to(&new.features, FEATURES, "feature")?;
    if let Some(other) = state.products.values().find(|other| other.sku_key == sku_key) {
        let detail = format!("product {} has the SKU {:?}, which is the same", other.id, other.sku);
        return Err(Problem::new(Code::AlreadyExists, detail, "sell that product, or choose another SKU"));
    }
    Ok(Product { id: ProductId::new(at, &entropy.draw()), sku: new.sku.clone(), sku_key, features })
}
