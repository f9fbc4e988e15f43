//! Bad input: a 4xx problem or a timely close, and the node keeps serving.

use std::io::{Read as _, Write as _};

use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};

use crate::rig::{Rig, ask, connect, get, post};

const HOLDER: &str = r#""holder":{"user":"ann","host":"cad1"},"key":"00112233445566778899aabbccddeeff""#;

#[test]
fn bad_requests_are_refused_by_name() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let checkout = |rest: &str| post("/v1/leases", &format!("{{{HOLDER},{rest}}}"));
    let raw = |head: &str, body: &str| format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n{body}");
    let sized = |kind: &str, bytes: usize| {
        format!(
            "POST /v1/leases HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}content-length: {bytes}\r\n\r\n"
        )
    };
    let json = "content-type: application/json\r\n";
    for (request, status, code) in [
        (post("/v1/leases", "{"), 400, "MALFORMED"),
        (post("/v1/leases", ""), 400, "INVALID_REQUEST"),
        (post("/v1/leases", "[]"), 400, "INVALID_REQUEST"),
        (post("/v1/leases", &"[".repeat(33)), 400, "MALFORMED"),
        (post("/v1/leases", &format!("{{{HOLDER},\"product\":\"cad\"}} {{}}")), 400, "MALFORMED"),
        (checkout(r#""product":"cad","colour":"red""#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","count":-1"#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","count":1e300"#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","count":99999999999"#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","count":1.5"#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","product":"cad""#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":"cad","ttl_ms":99999999999999999999"#), 400, "INVALID_REQUEST"),
        (checkout(r#""product":7"#), 400, "INVALID_REQUEST"),
        (checkout(r#""pool":"pol_short""#), 400, "INVALID_REQUEST"),
        (post("/v1/leases", r#"{"product":"cad"}"#), 400, "INVALID_REQUEST"),
        (sized("content-type: text/xml\r\n", 2) + "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (sized("", 2) + "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (sized(json, 65_537), 413, "BODY_TOO_LARGE"),
        (post("/v1/leases/lse_1/renew", ""), 400, "INVALID_REQUEST"),
        (raw("DELETE /v1/leases/%ff HTTP/1.1", ""), 400, "INVALID_REQUEST"),
        (get("/v1/proof/00"), 400, "INVALID_REQUEST"),
        (get(&format!("/v1/proof/{}", "0".repeat(64))), 404, "NOT_FOUND"),
        (get("/v1/nothing"), 404, "NOT_FOUND"),
        (get("/v1/bundles"), 404, "NOT_FOUND"),
        (get("/v1/leases"), 405, "METHOD_NOT_ALLOWED"),
        (post("/v1/status", "{}"), 405, "METHOD_NOT_ALLOWED"),
    ] {
        let answer = daemon.ask(&request);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request}\n{answer:?}");
        assert!(answer.head.contains("x-request-id: "), "{answer:?}");
    }
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
}

#[test]
fn invalid_utf8_in_a_body_is_malformed() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let mut request = post("/v1/leases", "{\"product\":\"??\"}").into_bytes();
    let at = request.len() - 4;
    request[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    let answer = ask(&daemon.socket, &request);
    assert_eq!((answer.status, answer.code().as_str()), (400, "MALFORMED"));
}

#[test]
fn bad_framing_is_refused_and_closed() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let head = "POST /v1/leases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for request in [
        "hello\r\n\r\n".to_owned(),
        "GET /livez HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(65)),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(9000)),
        format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        format!("{head}content-length: +2\r\n\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
    ] {
        let answer = ask(&daemon.socket, request.as_bytes());
        assert!((400..500).contains(&answer.status), "{request}: {answer:?}");
    }
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
}

#[test]
fn the_bounds_of_a_head_are_exact() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    for (headers, allowed) in [(63, true), (64, true), (65, false)] {
        // Two are `host` and `connection`.
        let more = "x: y\r\n".repeat(headers - 2);
        let answer =
            daemon.ask(&format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n"));
        assert_eq!(answer.status == 200, allowed, "{headers}: {answer:?}");
    }
}

#[test]
fn half_a_head_and_then_silence_is_closed_in_time() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    for half in ["", "GET /live"] {
        let mut stream = connect(&daemon.socket);
        let begin = boottime_ms();
        stream.write_all(half.as_bytes()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        let took = boottime_ms() - begin;
        assert!((4_000..=6_000).contains(&took), "closed after {took} ms");
    }
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
}

fn boottime_ms() -> i64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().num_milliseconds()
}
