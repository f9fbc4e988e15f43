//! Holds a seat while work is done, in an application with a tokio runtime.
//!
//! `cargo run --example seat -- trust-root.lh https://node.plant.example:7580 cad`

use std::error::Error;
use std::time::Duration;

use leasehold_client::protocol::armour::unarmour;
use leasehold_client::{Checkout, Client, TrustRoot};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(root), Some(address), Some(product)) = (args.next(), args.next(), args.next()) else {
        return Err("name the trust root, the node's address and the product".into());
    };
    // A real application has the root compiled in, with include_bytes!.
    let root = TrustRoot::pin(&unarmour(&std::fs::read(root)?)?)?;
    let client = Client::builder(root).address(address.parse()?).build()?;

    let wish = Checkout::product(product)
        .wait(Duration::from_secs(30))
        .on_warning(|warning| eprintln!("save your work: {warning}"))
        .on_lost(|| eprintln!("stop: the seat is lost"))
        .on_regained(|seat| eprintln!("go on: {} is held", seat.seat.lease_id));
    let seat = client.checkout(wish).await?;

    for part in 1..=3 {
        // Before each piece of work, and the pieces are short.
        if !seat.is_live() {
            return Err("there is no seat any more".into());
        }
        println!("part {part} of the work");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    seat.release().await?;
    Ok(())
}
