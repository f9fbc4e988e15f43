//! Bad input over the socket: a 4xx problem or a timely close, and the node keeps serving.

use std::io::{ErrorKind, Write as _};

use crate::api::{self, Answer};
use crate::site::Site;
use crate::vendor::Vendor;

const HOLDER: &str = r#""holder":{"user":"ann","host":"site"},"key":"00112233445566778899aabbccddeeff""#;

#[test]
fn bad_requests_get_a_problem_and_take_no_seat() {
    let site = Vendor::new().site_with("plant", 3);
    let _daemon = site.run();
    let seq = site.seq();
    let wish = |rest: &str| api::post("/v1/leases", format!("{{{HOLDER},{rest}}}").as_bytes());
    let body = |bytes: &[u8]| api::post("/v1/leases", bytes);
    let unknown_pool = format!(r#""pool":"pol_{}""#, "0".repeat(26));
    for (request, status, code) in [
        (body(b"{"), 400, "MALFORMED"),
        (body(b"\xff\xfe\x00"), 400, "MALFORMED"),
        (body(b"{\"product\":\"\xc3\x28\"}"), 400, "MALFORMED"),
        (body(&b"[".repeat(1000)), 400, "MALFORMED"),
        (body(b"null"), 400, "INVALID_REQUEST"),
        (body(&b" ".repeat(65_537)), 413, "BODY_TOO_LARGE"),
        (api::post_as("text/xml", "/v1/leases", b"<a/>"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (wish(r#""product":"cad","colour":"red""#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","count":-1"#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","count":0"#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","count":4294967296"#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","count":4294967295"#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","ttl_ms":-9223372036854775808"#), 400, "INVALID_REQUEST"),
        (wish(r#""product":"cad","ttl_ms":1e400"#), 400, "MALFORMED"),
        (wish(r#""pool":"pol_x""#), 400, "INVALID_REQUEST"),
        (wish(&unknown_pool), 200, "NO_GRANT"),
        (api::post("/v1/leases/lse_x/renew", b"{}"), 400, "INVALID_REQUEST"),
        (api::get("/v1/nothing"), 404, "NOT_FOUND"),
        (api::get("/v1/leases"), 405, "METHOD_NOT_ALLOWED"),
        (api::get(&format!("/{}", "a".repeat(9000))), 431, "HEADERS_TOO_LARGE"),
    ] {
        let answer = ask(&site, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        // What the HTTP layer refuses by itself has no body.
        if let Some(document) = answer.json() {
            assert_eq!(document["code"], code, "{shown}");
            assert!(status == 200 || answer.head.contains("application/problem+json"), "{answer:?}");
        } else {
            assert_eq!(status, 431, "{shown}: {answer:?}");
        }
    }
    assert_eq!(site.seq(), seq, "none of these left a record");
    check_serves(&site);
}

#[test]
fn no_bytes_at_all_keep_a_connection_for_long() {
    let site = Vendor::new().site_with("plant", 3);
    let _daemon = site.run();
    let starts: [&[u8]; 4] =
        [b"", b"POST /v1/leases HT", b"GET /livez HTTP/1.1\r\nhost: x\r\n", b"\x16\x03\x01\x00"];
    let mut silent: Vec<_> =
        starts.iter().map(|start| (start, api::connect(&site.socket()).unwrap())).collect();
    for (start, stream) in &mut silent {
        stream.write_all(start).unwrap();
    }
    check_serves(&site);
    for (start, stream) in &mut silent {
        match Answer::read(stream) {
            Ok(answer) => assert!((400..500).contains(&answer.status), "{start:?}: {answer:?}"),
            Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "{start:?} is not closed in time"),
        }
    }
    check_serves(&site);
}

fn ask(site: &Site, request: &[u8]) -> Answer {
    api::ask(&site.socket(), request).unwrap()
}

#[track_caller]
fn check_serves(site: &Site) {
    let answer = ask(site, &api::checkout("ann", 7));
    assert_eq!(answer.json().unwrap()["decision"], "allow", "{answer:?}");
}
