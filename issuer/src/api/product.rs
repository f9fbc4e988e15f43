//! `/v1/products`: what is sold.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leasehold_issuer_core::{Command, Issuer, NewProduct, Product, What};
use leasehold_net::Refusal;
use leasehold_net::body::JsonBody;
use leasehold_protocol::ids::ProductId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Asked, ChangeQuery, Changed, IdempotencyHeader};
use super::link::Paged;
use super::page::PageQuery;
use super::permission::Action;
use super::problem::{Refusals, odd_fact};
use super::query::{named, strict};
use super::{Caller, ReadQuery, Service, etag};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show))
}

/// A wish for a product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductCreate {
    /// What applications ask for.
    pub(crate) sku: String,
    /// Features that grants may include.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) features: Vec<String>,
}

/// A new product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductCreated {
    #[schema(value_type = String)]
    pub(crate) product_id: ProductId,
    /// What applications ask for.
    pub(crate) sku: String,
}

/// A product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductDocument {
    #[schema(value_type = String)]
    pub(crate) product_id: ProductId,
    /// What applications ask for.
    pub(crate) sku: String,
    /// The one spelling that all spellings of the SKU stand for.
    pub(crate) sku_key: String,
    /// Features that grants may include.
    pub(crate) features: Vec<String>,
}

/// Products, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductList {
    pub(crate) products: Vec<ProductDocument>,
    /// Empty at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl From<&Product> for ProductDocument {
    fn from(product: &Product) -> Self {
        Self {
            product_id: product.id,
            sku: product.sku.clone(),
            sku_key: product.sku_key.clone(),
            features: product.features.clone(),
        }
    }
}

/// Make a product
#[utoipa::path(post, path = "/v1/products", tag = "products", operation_id = "create_product",
    params(ChangeQuery, IdempotencyHeader), request_body = ProductCreate,
    responses((status = OK, body = Changed<ProductCreated>), Refusals))]
async fn create(
    State(service): State<Service>,
    Asked(change, JsonBody(new)): Asked<JsonBody<ProductCreate>>,
) -> Result<Changed<ProductCreated>, Refusal> {
    change.caller.may(Action::WriteCatalogue)?;
    let new = NewProduct { sku: new.sku, features: new.features };
    let done = service.command(change, |_, _| Ok(Command::CreateProduct(new))).await?;
    let What::ProductCreated(product) = &done.fact.what else { return Err(odd_fact().into()) };
    Ok(Changed::new(&done, ProductCreated { product_id: product.id, sku: product.sku.clone() }))
}

/// List products
#[utoipa::path(get, path = "/v1/products", tag = "products", operation_id = "list_products", params(PageQuery),
    responses((status = OK, body = ProductList), Refusals))]
async fn list(
    State(service): State<Service>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Paged<ProductList>, Refusal> {
    caller.may(Action::ReadCatalogue)?;
    let page = service.page_key.open("products".to_owned(), &strict(query)?)?;
    let list = move |issuer: &Issuer| {
        let (products, next) = page.cut(issuer.products(), |product| product.id.0);
        let products = products.into_iter().map(ProductDocument::from).collect();
        ProductList { products, next_page_token: Some(next) }
    };
    Ok(Paged(service.look(list).await?))
}

/// Show a product
#[utoipa::path(get, path = "/v1/products/{product}", tag = "products", operation_id = "show_product",
    params(("product" = String, Path, description = "Id or SKU"), ReadQuery),
    responses((status = OK, body = ProductDocument), Refusals))]
async fn show(
    State(service): State<Service>,
    caller: Caller,
    product: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Action::ReadCatalogue)?;
    strict(query)?;
    let name = named(product)?;
    let document = service.look(move |issuer| issuer.product(&name).map(ProductDocument::from)).await??;
    Ok(etag::answer(&headers, 1, &document))
}
