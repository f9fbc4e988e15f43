//! The rules that hold for every request.

use std::fs;

use axum::http::Method;
use serde_json::json;

use crate::issuer::{Issuer, text};
use crate::service::{Ask, Service, api_key, records};

#[test]
fn a_change_needs_an_idempotency_key_that_fits() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let create = Ask::post("/v1/accounts", &json!({"name": "ACME"})).by(&secret);
    let refusal = service.ask(&create).refused(400, "INVALID_REQUEST");
    assert!(refusal["detail"].as_str().unwrap().contains("Idempotency-Key"), "{refusal}");
    for (length, allowed) in [(254, true), (255, true), (256, false)] {
        let answer = service.ask(&create.clone().once(&"k".repeat(length)));
        assert_eq!(answer.status == 200, allowed, "{length}: {answer:?}");
    }
}

#[test]
fn bodies_are_strict_bounded_and_refused_as_problems() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let create = |body| Ask::post("/v1/accounts", &body).by(&secret).once("one");
    let refusal = service.ask(&create(json!({"name": "A", "nmae": "B"}))).refused(400, "INVALID_REQUEST");
    assert!(refusal["detail"].as_str().unwrap().contains("`nmae`"), "{refusal}");
    service.ask(&create(json!({"name": 7}))).refused(400, "INVALID_REQUEST");
    service.ask(&create(json!({"name": "A", "timezone": "Mars/Olympus"}))).refused(400, "INVALID_REQUEST");
    let list = service.ask(&create(json!(["A", null, null, null, []]))).refused(400, "INVALID_REQUEST");
    assert_eq!(list["detail"], "the body is not a JSON object");
    let text = Ask::send("/v1/accounts", b"{}".to_vec()).by(&secret).once("two");
    service.ask(&text).refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let unlimited = json!({"account": "A", "product": "B", "seats": {"unlimited": false},
        "effective_from": "2026-06-01T00:00:00Z", "effective_to": "2027-06-01T00:00:00Z"});
    service
        .ask(&Ask::post("/v1/grants", &unlimited).by(&secret).once("three"))
        .refused(400, "INVALID_REQUEST");
    service.ask(&Ask::get("/v1/nothing").by(&secret)).refused(404, "NOT_FOUND");
    service
        .ask(&Ask::get("/v1/accounts").method(Method::DELETE).by(&secret))
        .refused(405, "METHOD_NOT_ALLOWED");
    service.ask(&Ask::get("/v1/accounts?pagesize=7").by(&secret)).refused(400, "INVALID_REQUEST");
    service.ask(&Ask::get("/v1/accounts/%FF").by(&secret)).refused(400, "MALFORMED");
    assert_eq!(records(&issuer), 2, "a refusal records nothing");
}

#[test]
fn every_answer_says_revision_and_version_and_a_read_can_demand_one() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let answers = [
        service.ask(&Ask::get("/v1/accounts").by(&secret)),
        service.ask(&Ask::get("/v1/accounts")),
        service.ask(&Ask::get("/livez")),
        service.ask(&Ask::get("/nowhere")),
    ];
    for answer in &answers {
        assert_eq!(answer.header("entitlement-revision"), Some("2"), "{answer:?}");
        assert_eq!(answer.header("api-version"), Some("2026-11-01"), "{answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    }
    service.ask(&Ask::get("/v1/accounts?min_revision=2").by(&secret)).done();
    for encoded in ["min%5Frevision=3", "m%69n_revision=%33"] {
        let early = service.ask(&Ask::get(&format!("/v1/accounts?{encoded}")).by(&secret));
        early.refused(409, "EPOCH_NOT_REACHED");
    }
    let early = service.ask(&Ask::get("/v1/accounts?min_revision=3").by(&secret));
    assert_eq!(early.refused(409, "EPOCH_NOT_REACHED")["revision"], 2);
    assert_eq!(early.header("retry-after"), Some("1"));
    let create = Ask::post("/v1/accounts", &json!({"name": "A"})).by(&secret).once("k");
    assert_eq!(service.ask(&create).header("entitlement-revision"), Some("3"));
    service.ask(&Ask::get("/v1/accounts?min_revision=3").by(&secret)).done();
    service.ask(&Ask::get("/v1/accounts?min_revision=-1").by(&secret)).refused(400, "INVALID_REQUEST");
    let other = Ask::get("/v1/accounts").with("api-version", "2020-01-01").by(&secret);
    service.ask(&other).refused(400, "INVALID_REQUEST");
}

#[test]
fn what_was_read_has_a_tag_and_a_change_names_it() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    api_key(&issuer, "sales_ops", None);
    let service = Service::start(&issuer);
    let read = Ask::get("/v1/api-keys/sales_ops").by(&secret);
    let answer = service.ask(&read);
    let tag = answer.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("\"v1-"), "{tag}");
    assert_eq!(service.ask(&read.clone().with("if-none-match", &tag)).status, 304);
    let path = "/v1/api-keys/sales_ops:rotate";
    let rotate = |key: &str| Ask::post(path, &json!({})).by(&secret).once(key);
    service.ask(&rotate("a")).refused(428, "PRECONDITION_REQUIRED");
    service.ask(&rotate("b").with("if-match", "\"other\"")).refused(412, "PRECONDITION_FAILED");
    let first = service.ask(&rotate("c").with("if-match", &tag));
    assert!(first.done()["secret"].as_str().unwrap().starts_with("lk_live_"));
    let stale = service.ask(&rotate("d").with("if-match", &tag));
    assert_eq!(stale.refused(412, "PRECONDITION_FAILED")["version"], 2);
    let again = service.ask(&rotate("c").with("if-match", &tag));
    assert_eq!((again.bytes, again.headers.get("idempotency-replayed").is_some()), (first.bytes, true));
    service.ask(&rotate("e").with("if-match", "*")).done();
    assert_eq!(service.ask(&read).json()["version"], 3);
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    for number in 0..7 {
        issuer.json(&["account", "create", "--name", &format!("A{number}")]);
    }
    let (mut names, mut path) = (Vec::new(), "/v1/accounts?page_size=3".to_owned());
    let mut links = 0;
    loop {
        let answer = service.ask(&Ask::get(&path).by(&secret));
        let page = answer.done();
        names.extend(page["accounts"].as_array().unwrap().iter().map(|account| account["name"].clone()));
        let next = page["next_page_token"].as_str().unwrap();
        if next.is_empty() {
            assert_eq!(answer.header("link"), None);
            break;
        }
        links += 1;
        path = format!("/v1/accounts?page_size=3&page_token={next}");
        assert_eq!(answer.header("link"), Some(format!("<{path}>; rel=\"next\"").as_str()));
    }
    assert_eq!((names.len(), links), (7, 2), "{names:?}");
    assert_eq!(names, (0..7).map(|number| json!(format!("A{number}"))).collect::<Vec<_>>());
    let token =
        service.ask(&Ask::get("/v1/accounts?page_size=3").by(&secret)).json()["next_page_token"].clone();
    let foreign = format!("/v1/products?page_token={}", token.as_str().unwrap());
    service.ask(&Ask::get(&foreign).by(&secret)).refused(400, "INVALID_REQUEST");
}

#[test]
fn a_trial_changes_nothing_and_says_so() {
    let issuer = Issuer::sold(40);
    let secret = api_key(&issuer, "owner", None);
    let before = records(&issuer);
    let service = Service::start(&issuer);
    for (path, body) in [
        ("/v1/accounts", json!({"name": "B"})),
        ("/v1/nodes", json!({"account": "ACME", "name": "lab"})),
        ("/v1/allocations", json!({"pool": "CAD", "node": "plant", "seats": {"value": 1}})),
        ("/v1/api-keys", json!({"name": "b", "role": "owner"})),
    ] {
        let ask = Ask::post(&format!("{path}?validate_only=true"), &body).by(&secret).once("k");
        let answer = service.ask(&ask).done();
        assert_eq!((&answer["dry_run"], &answer["secret"]), (&json!(true), &json!(null)), "{answer}");
    }
    let many = json!({"pool": "CAD", "node": "plant", "seats": {"value": 61}});
    let ask = Ask::post("/v1/allocations?validate_only=true", &many).by(&secret).once("k");
    assert_eq!(service.ask(&ask).refused(409, "ALLOCATION_EXCEEDS_POOL")["free"], 60);
    assert_eq!(records(&issuer), before);
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(records(&issuer), before);
}

#[test]
fn who_asks_too_often_is_told_when_to_ask_again() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let config = issuer.path("issuer.toml");
    fs::write(&config, "[limits]\nrequests_per_second = 1\n").unwrap();
    let service = Service::start_with(&issuer, &["--config", text(&config)]);
    let answers: Vec<_> = (0..3).map(|_| service.ask(&Ask::get("/v1/accounts").by(&secret))).collect();
    assert_eq!(answers[0].header("ratelimit-policy"), Some("\"requests\";q=1;w=1"));
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one of three within a second");
    refused.refused(429, "RATE_LIMITED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("ratelimit").unwrap().contains("r=0"));
    issuer.json(&["account", "list"]);
}

#[test]
fn an_address_that_asks_too_often_is_told_so_before_anything_else() {
    let issuer = Issuer::new();
    let config = issuer.path("issuer.toml");
    fs::write(&config, "[limits]\nrequests_per_second = 1\n").unwrap();
    let service = Service::start_with(&issuer, &["--config", text(&config)]);
    for ask in [
        Ask::get("/livez"),
        Ask::get("/v1/status").by("lk_live_wrong"),
        Ask::get("/v1/accounts/acc_00000000000000000000000000/head"),
        Ask::send("/v1/enroll", b"x".to_vec()),
    ] {
        let answers: Vec<_> = (0..20).map(|_| service.ask(&ask)).collect();
        let refused = answers.iter().find(|answer| answer.status == 429);
        refused.expect("twenty within twenty seconds").refused(429, "RATE_LIMITED");
    }
    issuer.json(&["account", "list"]);
}
