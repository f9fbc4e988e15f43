//! The SDK's seat: kept, watched, lost, regained, given back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use leasehold_client::{Checkout, Client, SeatState, TrustRoot};
use leasehold_protocol::code::Code;

use crate::fake_node::{FakeNode, Reply, denial};
use crate::vendor::{Vendor, lease, wish};

const PATIENCE: Duration = Duration::from_secs(20);

fn client(node: &FakeNode) -> Client {
    let trust = TrustRoot::pin(&Vendor::new("vendor").root).unwrap();
    Client::builder(trust)
        .address(node.address().parse().unwrap())
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

fn cad() -> Checkout {
    Checkout::product("cad").feature("base").holder(wish().holder)
}

#[tokio::test]
async fn a_seat_is_live_until_it_is_released() {
    let node = FakeNode::honest();
    let seat = client(&node).checkout(cad()).await.unwrap();
    assert!(seat.is_live());
    assert_eq!(seat.proven().unwrap().seat.lease_id, lease(1));
    let mut state = seat.watch();
    assert!(seat.release().await.unwrap());
    state.wait_for(|state| matches!(state, SeatState::Over)).await.unwrap();
    node.wait_for("DELETE /v1/leases");
}

#[tokio::test]
async fn a_dropped_seat_is_given_back() {
    let node = FakeNode::honest();
    let seat = client(&node).checkout(cad()).await.unwrap();
    let mut state = seat.watch();
    drop(seat);
    state.wait_for(|state| matches!(state, SeatState::Over)).await.unwrap();
    node.wait_for("DELETE /v1/leases");
}

#[tokio::test]
async fn what_comes_of_a_dropped_checkout_is_given_back() {
    let (came, mut coming) = tokio::sync::mpsc::unbounded_channel();
    let given_up = Arc::new(std::sync::Barrier::new(2));
    let answering = Arc::clone(&given_up);
    let node = FakeNode::start(move |_, asked, _| {
        if asked.what == "POST /v1/leases" {
            came.send(()).unwrap();
            answering.wait();
        }
        Reply::Honest
    });
    let client = client(&node);
    let checkout = tokio::spawn(async move { client.checkout(cad()).await.map(drop) });
    coming.recv().await.unwrap();
    // The request is at the node when the application gives up; only then the node answers.
    checkout.abort();
    assert!(checkout.await.unwrap_err().is_cancelled());
    given_up.wait();
    tokio::task::spawn_blocking(move || node.wait_for("DELETE /v1/leases")).await.unwrap();
}

#[tokio::test]
async fn a_denial_is_an_error_with_its_code() {
    let node = FakeNode::start(|_, _, _| denial(Code::PoolExhausted));
    let error = client(&node).checkout(cad()).await.unwrap_err();
    assert_eq!(error.code(), Code::PoolExhausted);
    assert_eq!(error.to_string(), "POOL_EXHAUSTED: denied by the test");
}

#[tokio::test]
async fn trouble_warns_then_loses_then_regains() {
    // The node is cut off after the first seat until the application has lost it.
    let healed = Arc::new(OnceLock::new());
    let heal = Arc::clone(&healed);
    let node = FakeNode::of(Vendor::new("vendor"), 1_500, move |_, asked, before| {
        match (asked.what.as_str(), before) {
            ("POST /v1/leases", 0) | ("GET /v1/proof", _) => Reply::Honest,
            _ if healed.get().is_some() => Reply::Honest,
            _ => Reply::Cut,
        }
    });
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (warned, lost, regained) = (tell.clone(), tell.clone(), tell);
    let wish = cad()
        .on_warning(move |warning| {
            assert!(warning.stop_in > Duration::ZERO);
            warned.send("warning").unwrap();
        })
        .on_lost(move || {
            heal.get_or_init(|| ());
            lost.send("lost").unwrap();
        })
        .on_regained(move |_| regained.send("regained").unwrap());
    let seat = client(&node).checkout(wish).await.unwrap();
    for expected in ["warning", "lost", "regained"] {
        let heard = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
        assert_eq!(heard, Some(expected));
    }
    seat.release().await.unwrap();
}
