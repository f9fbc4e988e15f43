//! `product`: what is sold.

use leasehold_cli::{Exit, Failure, People};

use super::pages;
use crate::api::{Changed, ProductCreate, ProductCreated, ProductDocument, ProductList, ReadQuery};
use crate::args::{ProductCreateArgs, ProductVerb};
use crate::backend::segment;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: ProductVerb) -> Result<Exit, Failure> {
    match verb {
        ProductVerb::Create(args) => create(context, args),
        ProductVerb::List => list(context),
        ProductVerb::Show { product } => show(context, &product),
    }
}

fn create(context: &Context, args: ProductCreateArgs) -> Result<Exit, Failure> {
    let new = ProductCreate { sku: args.sku, features: args.feature };
    let answer: Changed<ProductCreated> = context.change("/v1/products", &args.change, &new)?;
    let made = answer.verb("made", "would make");
    let ProductCreated { product_id, sku } = &answer.body;
    let next = format!("grant create --account ACCOUNT --product {sku} --seats N --from T --to T");
    let people =
        People::sentence(format!("{made} product {product_id} ({sku})")).next(context.command(&next));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let products = pages::all::<ProductList>(context, "/v1/products", None)?;
    let rows = products
        .iter()
        .map(|product| [product.product_id.to_string(), product.sku.clone(), product.features.join(",")]);
    let people = People::table(["product", "sku", "features"], rows);
    context.output.answer(&ProductList { products, next_page_token: None }, &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let product: ProductDocument =
        context.get(&format!("/v1/products/{}", segment(name)), &ReadQuery::default())?;
    let people = People::facts([
        ("product", product.product_id.to_string()),
        ("sku", product.sku.clone()),
        ("features", product.features.join(", ")),
    ]);
    context.output.answer(&product, &people).map(|()| Exit::DONE)
}
