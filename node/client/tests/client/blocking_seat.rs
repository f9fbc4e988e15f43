//! The blocking SDK: the same seat, without a runtime, with one, from many threads.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use leasehold_client::{Checkout, SeatState, TrustRoot, blocking};
use leasehold_protocol::code::Code;
use leasehold_protocol::proof::verify_proof;

use crate::fake_node::{FakeNode, Reply, denial};
use crate::vendor::{Vendor, lease, wish};

const PATIENCE: Duration = Duration::from_secs(20);

fn trust() -> TrustRoot {
    TrustRoot::pin(&Vendor::new("vendor").root).unwrap()
}

fn client(node: &FakeNode) -> blocking::Client {
    let builder = leasehold_client::Client::builder(trust()).timeout(PATIENCE);
    builder.address(node.address().parse().unwrap()).build_blocking().unwrap()
}

fn cad() -> Checkout {
    Checkout::product("cad").feature("base").holder(wish().holder)
}

#[test]
fn a_seat_is_live_and_proved_until_it_is_released() {
    let node = FakeNode::honest();
    let seat = client(&node).checkout(cad()).unwrap();
    assert!(seat.is_live() && matches!(seat.state(), SeatState::Held(_)));
    let proven = seat.proven().unwrap();
    assert_eq!(proven.seat.lease_id, lease(1));
    assert!(verify_proof(&trust(), &proven.proof().to_bytes()).is_ok());
    assert!(seat.release().unwrap());
    node.wait_for("DELETE /v1/leases");
}

#[test]
fn a_lease_is_renewed_and_released_by_its_id() {
    let node = FakeNode::honest();
    let client = client(&node);
    assert_eq!(client.acquire(&cad()).unwrap().seat.lease_id, lease(1));
    assert_eq!(client.renew(lease(1)).unwrap().seat.lease_id, lease(1));
    assert!(client.release(lease(1)).unwrap());
    assert_eq!(client.status().unwrap().name, "plant");
}

#[test]
fn a_dropped_seat_is_given_back_before_the_last_handle_is_gone() {
    let node = FakeNode::honest();
    let client = client(&node);
    let seat = client.checkout(cad()).unwrap();
    drop(client);
    assert!(seat.is_live(), "a seat outlives the handle it was checked out by");
    node.take_asked();
    drop(seat);
    let asked: Vec<String> = node.take_asked().into_iter().map(|asked| asked.what).collect();
    assert_eq!(asked, ["DELETE /v1/leases"]);
}

#[test]
fn the_end_does_not_wait_for_a_node_that_is_silent() {
    let node = FakeNode::start(|_, asked, _| match asked.what.as_str() {
        "DELETE /v1/leases" => Reply::Silent,
        _ => Reply::Honest,
    });
    let seat = client(&node).checkout(cad()).unwrap();
    let before = leasehold_clock::read().unwrap();
    drop(seat);
    let took_ms = leasehold_clock::read().unwrap().boottime_ms - before.boottime_ms;
    assert!((1_500..4_000).contains(&took_ms), "{took_ms}");
}

#[test]
fn many_threads_share_one_client() {
    let node = FakeNode::honest();
    let client = client(&node);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(client.checkout(cad()).unwrap().release().unwrap()));
        }
    });
    let released = node.take_asked().into_iter().filter(|asked| asked.what == "DELETE /v1/leases").count();
    assert_eq!(released, 8);
}

#[tokio::test]
async fn a_runtime_around_it_does_no_harm() {
    let node = FakeNode::honest();
    let seat = client(&node).checkout(cad()).unwrap();
    assert!(seat.is_live() && seat.release().unwrap());
    drop(client(&node).checkout(cad()).unwrap());
    // The fake node has a runtime of its own, which may not be dropped inside of another one.
    tokio::task::spawn_blocking(move || drop(node)).await.unwrap();
}

#[test]
fn a_denial_is_an_error_with_its_code() {
    let node = FakeNode::start(|_, _, _| denial(Code::PoolExhausted));
    assert_eq!(client(&node).checkout(cad()).unwrap_err().code(), Code::PoolExhausted);
}

#[test]
fn a_seat_is_renewed_in_the_background_and_its_loss_is_told() {
    let (came, renewals) = mpsc::channel();
    let node = FakeNode::of(Vendor::new("vendor"), 1_500, move |_, asked, before| {
        if asked.what == "POST /v1/leases/renew" {
            let _ = came.send(before);
        }
        match (asked.what.as_str(), before) {
            ("POST /v1/leases" | "GET /v1/proof", 0) | ("POST /v1/leases/renew", 0..2) => Reply::Honest,
            _ => Reply::Cut,
        }
    });
    let (tell, told) = mpsc::channel();
    let (warned, lost) = (tell.clone(), tell);
    let wish = cad()
        .on_warning(move |_| warned.send("warning").unwrap())
        .on_lost(move || lost.send("lost").unwrap());
    let seat = client(&node).checkout(wish).unwrap();
    for renewal in 0..2 {
        assert_eq!(renewals.recv_timeout(PATIENCE), Ok(renewal));
    }
    for expected in ["warning", "lost"] {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(expected));
    }
    assert!(!seat.is_live() && seat.proven().is_none());
}

#[test]
fn a_listener_that_waits_for_its_own_client_is_told_so() {
    let node =
        FakeNode::of(Vendor::new("vendor"), 1_500, |_, asked, before| match (asked.what.as_str(), before) {
            ("POST /v1/leases" | "GET /v1/proof", 0) => Reply::Honest,
            _ => Reply::Cut,
        });
    let (tell, told) = mpsc::channel();
    let client = client(&node);
    let own = client.clone();
    let wish = cad().on_warning(move |_| tell.send(own.status().unwrap_err().code()).unwrap());
    let seat = client.checkout(wish).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Code::InvalidRequest));
    drop((client, seat));
}
