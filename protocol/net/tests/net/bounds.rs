//! Peers that are silent, slow, garbled or many.

use std::io::ErrorKind;

use axum::http::Request;
use http_body_util::Full;
use leasehold_net::{
    Bounds, ClientTls, ConnectError, Connection, ExchangeError, ServerFiles, ServerKey, Timeouts, limits,
};
use leasehold_protocol::code::Code;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use crate::rig::{PATIENCE, PATIENT, SOON, Service, ask, request};
use crate::wire;

/// Waits until the other end closes; it may do so by a reset.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is not closed") {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {}
        Err(error) => panic!("{error}"),
    }
    rest
}

fn service(bounds: Bounds) -> Service {
    Service::start(&ServerFiles::default(), bounds)
}

#[tokio::test]
async fn a_handshake_ends_in_time_whatever_of_it_came() {
    let service = service(Bounds { handshake: SOON, ..PATIENT });
    let hello = wire::client_hello();
    for sent in [0, 1, 5, hello.len() / 2, hello.len() - 1, hello.len()] {
        let mut stream = service.silent().await;
        stream.write_all(&hello[..sent]).await.unwrap();
        closed(&mut stream).await;
    }
    let mut good = service.connect(&service.pinned(), None).await.unwrap();
    closed(&mut service.silent().await).await;
    ask(&mut good, "/who").await;
}

#[tokio::test]
async fn garbage_is_closed_at_once() {
    let service = service(PATIENT);
    for garbage in
        [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], &[0; 64], &[0xff; 64], &[0x16, 3, 1, 0xff, 0xff]]
    {
        let mut stream = service.silent().await;
        stream.write_all(garbage).await.unwrap();
        closed(&mut stream).await;
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let service = service(Bounds { head: SOON, ..PATIENT });
    let mut stream = wire::tls(&service, b"http/1.1").await;
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let drip = tokio::spawn(async move {
        // One header after the other, each in time and the head never.
        let mut drip = tokio::time::interval(SOON / 10);
        while write.write_all(b"x: y\r\n").await.is_ok() {
            drip.tick().await;
        }
    });
    closed(&mut read).await;
    drip.abort();
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_in_either_protocol() {
    let service = service(Bounds { idle: SOON, linger: SOON, ..PATIENT });
    for protocol in [&b"http/1.1"[..], b"h2"] {
        closed(&mut wire::tls(&service, protocol).await).await;
    }
    // The beginning of HTTP/2 and no stream after it.
    let mut stream = wire::tls(&service, b"h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let service = service(Bounds { connections: 1, idle: SOON, linger: SOON, ..PATIENT });
    let mut stream = wire::tls(&service, b"http/1.1").await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // One byte of it, so that the answer is under way.
    stream.read_exact(&mut [0]).await.unwrap();
    let next = wire::tls(&service, b"http/1.1").await;
    drop((stream, next));
}

#[tokio::test]
async fn both_protocols_are_spoken_and_the_client_chooses() {
    let service = service(PATIENT);
    let mut connection = service.connect(&service.pinned(), None).await.unwrap();
    assert_eq!(ask(&mut connection, "/version").await, "HTTP/1.1");
    let stream = wire::tls(&service, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(wire::ask_http_2(stream, "/version").await, "HTTP/2.0");
    // Who asks for no protocol speaks HTTP/1.1.
    let mut stream = wire::tls(&service, b"").await;
    stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(String::from_utf8(closed(&mut stream).await).unwrap().ends_with("HTTP/1.1"));
}

#[tokio::test]
async fn heads_are_bounded() {
    let service = service(PATIENT);
    // The line, `host` and the end, and then one header that fills the rest.
    let fixed = "GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\nfill: \r\n\r\n".len();
    for (bytes, allowed) in
        [(limits::HEAD_BYTES - 1, true), (limits::HEAD_BYTES, true), (limits::HEAD_BYTES + 1, false)]
    {
        let fill = "f".repeat(bytes - fixed);
        let head = format!("GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\nfill: {fill}\r\n\r\n");
        assert_eq!(wire::is_served(&service, &head).await, allowed, "{bytes} bytes");
    }
    for (headers, allowed) in
        [(limits::HEADERS - 1, true), (limits::HEADERS, true), (limits::HEADERS + 1, false)]
    {
        let more = "a: b\r\n".repeat(headers - 2);
        let head = format!("GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
        assert_eq!(wire::is_served(&service, &head).await, allowed, "{headers} headers");
    }
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_one_to_end() {
    let service = service(Bounds { connections: 2, ..PATIENT });
    let mut first = service.connect(&service.pinned(), None).await.unwrap();
    let second = service.silent().await;
    let hasty = Timeouts { handshake: SOON, ..Timeouts::default() };
    let tls = ClientTls::new(&service.pinned(), None).unwrap();
    let third = Connection::open(&service.address(), &tls, hasty).await.unwrap_err();
    assert!(matches!(third, ConnectError::HandshakeTimeout { .. }), "{third}");
    assert_eq!(third.code(), Code::Timeout);
    ask(&mut first, "/who").await;
    drop(second);
    let mut third = service.connect(&service.pinned(), None).await.unwrap();
    ask(&mut third, "/who").await;
}

#[tokio::test]
async fn a_client_does_not_wait_for_ever() {
    let service = service(PATIENT);
    let tls = ClientTls::new(&service.pinned(), None).unwrap();
    let hasty = Timeouts { answer: SOON, ..Timeouts::default() };
    let mut connection = Connection::open(&service.address(), &tls, hasty).await.unwrap();
    let error = connection.exchange(request("/slow"), 10).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Timeout { .. }), "{error}");
    assert!(!connection.is_open(), "an answer that comes late belongs to nobody");
    let error = connection.exchange(request("/who"), 10).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Closed(_)), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("https://localhost:{port}").parse().unwrap();
    let hasty = Timeouts { handshake: SOON, ..Timeouts::default() };
    let silent = Connection::open(&address, &tls, hasty).await.unwrap_err();
    assert!(matches!(silent, ConnectError::HandshakeTimeout { .. }), "{silent}");
    drop(listener);
    let nobody = Connection::open(&address, &tls, hasty).await.unwrap_err();
    assert!(matches!(nobody, ConnectError::Unreachable { .. }), "{nobody}");
}

#[tokio::test]
async fn a_service_that_answers_before_it_has_read_holds_up_no_later_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        // It keeps the connection, and reads no more of it.
        stream
    });
    let hasty = Timeouts { answer: SOON, ..Timeouts::default() };
    let mut connection = Connection::unix(&path, hasty).await.unwrap();
    let large = Request::post("/").body(Full::from(vec![0; 16 * 1024 * 1024])).unwrap();
    connection.exchange(large, 10).await.unwrap();
    let stream = serving.await.unwrap();
    let second = tokio::time::timeout(PATIENCE, connection.exchange(request("/who"), 10)).await;
    let error = second.expect("it waits for ever").unwrap_err();
    assert!(matches!(error, ExchangeError::Timeout { .. }), "{error}");
    drop(stream);
}

#[tokio::test]
async fn what_a_client_takes_is_bounded() {
    let service = service(PATIENT);
    for (bytes, allowed) in [(10, true), (9, true), (8, false)] {
        let mut connection = service.connect(&ServerKey::Any, None).await.unwrap();
        // "Anonymous" has nine bytes.
        let answer = connection.exchange(request("/who"), bytes).await;
        assert_eq!(answer.is_ok(), allowed, "{bytes}");
        assert_eq!(connection.is_open(), allowed);
    }
}
