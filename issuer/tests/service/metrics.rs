//! What an issuer measures.

use leasehold_tests::openmetrics::{MEDIA_TYPE, Metrics, documented};

use crate::issuer::Issuer;
use crate::service::{Ask, Service, api_key};

#[test]
fn every_family_is_documented_and_every_documented_one_is_exposed() {
    let issuer = Issuer::sold(1);
    let owner = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    // A family of counters is there from the first request on.
    scrape(&service, &owner);
    assert_eq!(scrape(&service, &owner).kinds, documented("leasehold_issuer_"));
}

#[test]
fn requests_are_counted_by_route_and_answer_and_no_customer_is_named() {
    let issuer = Issuer::sold(1);
    let owner = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    for (path, times) in [("/v1/accounts/ACME", 2), ("/v1/accounts/Nobody", 1), ("/v1/nothing", 1)] {
        for _ in 0..times {
            service.ask(&Ask::get(path).by(&owner));
        }
    }
    service.ask(&Ask::post("/v1/grants/ACME:revoke", &serde_json::json!({})));
    let metrics = scrape(&service, &owner);
    let count = |method: &str, route: &str, status: u16| {
        let labels =
            [format!("method=\"{method}\""), format!("route=\"{route}\""), format!("status=\"{status}\"")];
        metrics.of("leasehold_issuer_requests_total", &labels.each_ref().map(String::as_str))
    };
    assert_eq!(count("GET", "/v1/accounts/{account}", 200), Some(2), "{}", metrics.text);
    assert_eq!(count("GET", "/v1/accounts/{account}", 404), Some(1));
    assert_eq!(count("", "", 404), Some(1));
    assert_eq!(count("POST", "/v1/grants/{grant}:revoke", 401), Some(1));
    assert_eq!(metrics.of("leasehold_issuer_held", &["kind=\"account\""]), Some(1));
    assert_eq!(metrics.of("leasehold_issuer_held", &["kind=\"api_key\""]), Some(1));
    assert!(metrics.of("leasehold_issuer_trust_root_end_timestamp_seconds", &[]).unwrap() > 0);
    assert!(!metrics.text.contains("ACME"), "{}", metrics.text);
}

#[test]
fn whoever_may_not_see_the_issuer_does_not_see_its_measures() {
    let issuer = Issuer::sold(1);
    let viewer = api_key(&issuer, "customer_viewer", Some("ACME"));
    let service = Service::start(&issuer);
    service.ask(&Ask::get("/metrics").by(&viewer)).refused(403, "NOT_AUTHORISED");
    service.ask(&Ask::get("/metrics")).refused(401, "UNAUTHENTICATED");
}

fn scrape(service: &Service, secret: &str) -> Metrics {
    let answer = service.ask(&Ask::get("/metrics").by(secret));
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(MEDIA_TYPE)));
    Metrics::parse(String::from_utf8(answer.bytes.to_vec()).unwrap())
}
