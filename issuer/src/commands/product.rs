//! `product`: what is sold.

use leasehold_cli::{Exit, Failure, People};
use leasehold_issuer_core::{Command, NewProduct, What};
use serde_json::json;

use super::{change, mark, odd_fact, verb};
use crate::args::{ProductCreateArgs, ProductVerb};
use crate::context::Context;
use crate::journal;

pub(super) fn run(context: &Context, verb: ProductVerb) -> Result<Exit, Failure> {
    match verb {
        ProductVerb::Create(args) => create(context, args),
        ProductVerb::List => list(context),
        ProductVerb::Show { product } => show(context, &product),
    }
}

fn create(context: &Context, args: ProductCreateArgs) -> Result<Exit, Failure> {
    let new = NewProduct { sku: args.sku, features: args.feature };
    let done = change(context, &args.change, Command::CreateProduct(new))?;
    let What::ProductCreated(product) = &done.fact.what else { return Err(odd_fact()) };
    let made = verb(done.intent, "made", "would make");
    let next = format!("grant create --account ACCOUNT --product {} --seats N --from T --to T", product.sku);
    let people = People::sentence(format!("{made} product {} ({})", product.id, product.sku))
        .next(context.command(&next));
    let document = mark(json!({"product_id": product.id, "sku": product.sku}), done.intent);
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let documents: Vec<_> = issuer.products().collect();
    let rows = issuer
        .products()
        .map(|product| [product.id.to_string(), product.sku.clone(), product.features.join(",")]);
    let people = People::table(["product", "sku", "features"], rows);
    context.output.answer(&json!({"products": documents}), &people).map(|()| Exit::DONE)
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let (issuer, _) = journal::read(&context.dir)?;
    let product = issuer.product(name)?;
    let people = People::facts([
        ("product", product.id.to_string()),
        ("sku", product.sku.clone()),
        ("features", product.features.join(", ")),
    ]);
    context.output.answer(product, &people).map(|()| Exit::DONE)
}
