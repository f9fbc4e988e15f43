//! The end of a service.

use leasehold_net::{ClientTls, Connection, ServerFiles, Timeouts};

use crate::rig::{PATIENT, Service, ask, request};
use crate::wire;

#[tokio::test]
async fn a_request_under_way_is_answered_and_no_other() {
    let mut service = Service::start(&ServerFiles::default(), PATIENT);
    let mut connection = service.connect(&service.pinned(), None).await.unwrap();
    let idle = service.connect(&service.pinned(), None).await.unwrap();
    let half_open = service.silent().await;
    let tls = ClientTls::new(&service.pinned(), None).unwrap();
    let (address, slow) = (service.address(), service.slow.clone());

    let under_way = tokio::spawn(async move { ask(&mut connection, "/slow").await });
    slow.0.notified().await;
    service.drain();
    // Who connects now is refused, once the listener is gone.
    while Connection::open(&address, &tls, Timeouts::default()).await.is_ok() {}
    slow.1.notify_one();
    assert_eq!(under_way.await.unwrap(), "at last");
    service.ended().await;
    drop((idle, half_open));
}

#[tokio::test]
async fn a_stream_of_http_2_is_answered_too() {
    let mut service = Service::start(&ServerFiles::default(), PATIENT);
    let slow = service.slow.clone();
    let stream = wire::tls(&service, b"h2").await;
    let under_way = tokio::spawn(wire::ask_http_2(stream, "/slow"));
    slow.0.notified().await;
    service.drain();
    slow.1.notify_one();
    assert_eq!(under_way.await.unwrap(), "at last");
    service.ended().await;
}

#[tokio::test]
async fn a_drained_connection_takes_no_more_requests() {
    let mut service = Service::start(&ServerFiles::default(), PATIENT);
    let mut connection = service.connect(&service.pinned(), None).await.unwrap();
    ask(&mut connection, "/who").await;
    service.drain();
    service.ended().await;
    assert!(connection.exchange(request("/who"), 100).await.is_err());
}
