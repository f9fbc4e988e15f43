//! Holds a seat while work is done, in an application without an async runtime, and saves the proof of it.
//!
//! `cargo run --example seat_blocking -- trust-root.lh https://node.plant.example:7580 cad proof.lh`

use std::error::Error;
use std::thread;
use std::time::Duration;

use leasehold_client::protocol::armour::{one_line, unarmour};
use leasehold_client::{Checkout, Client, TrustRoot};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, address, product, proof] = args.as_slice() else {
        return Err("name the trust root, the node's address, the product and a file for the proof".into());
    };
    // A real application has the root compiled in, with include_bytes!.
    let root = TrustRoot::pin(&unarmour(&std::fs::read(root)?)?)?;
    let client = Client::builder(root).address(address.parse()?).build_blocking()?;

    let wish = Checkout::product(product)
        .wait(Duration::from_secs(30))
        .on_warning(|warning| eprintln!("save your work: {warning}"))
        .on_lost(|| eprintln!("stop: the seat is lost"));
    let seat = client.checkout(wish)?;
    if let Some(seat) = seat.proven() {
        std::fs::write(proof, one_line(&seat.proof().to_bytes())?)?;
    }

    for part in 1..=3 {
        // Before each piece of work, and the pieces are short.
        if !seat.is_live() {
            return Err("there is no seat any more".into());
        }
        println!("part {part} of the work");
        thread::sleep(Duration::from_secs(1));
    }
    // The seat is given back when its guard goes, also by the `?` and `return` above.
    Ok(())
}
