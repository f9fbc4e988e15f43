//! Who may ask for what.

use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::service::{Ask, Service, api_key};

#[test]
fn without_a_key_that_is_known_nothing_is_told() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let unknown = format!("{}0", &secret[..secret.len() - 1]);
    for ask in [
        Ask::get("/v1/status"),
        Ask::get("/v1/status").by(""),
        Ask::get("/v1/status").by("lk_live_1"),
        Ask::get("/v1/status").by(&unknown),
        Ask::get("/v1/status").with("authorization", &secret),
        Ask::get("/v1/status").with("authorization", "Basic b3duZXI6b3duZXI="),
    ] {
        let answer = service.ask(&ask);
        if unknown != secret {
            answer.refused(401, "UNAUTHENTICATED");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let sandbox = secret.replace("lk_live_", "lk_test_");
    service.ask(&Ask::get("/v1/status").by(&sandbox)).refused(403, "WRONG_ENVIRONMENT");
    service.ask(&Ask::get("/v1/status").by(&secret)).done();
    for public in ["/livez", "/readyz", "/openapi.json", "/docs/", "/v1/trust-root.lh"] {
        assert_eq!(service.ask(&Ask::get(public)).status, 200, "{public}");
    }
}

#[test]
fn a_secret_is_told_once_and_dies_with_its_key() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let listed = issuer.json(&["api-key", "list"]).to_string();
    let audited = issuer.json(&["audit", "query"]).to_string();
    assert!(!listed.contains("lk_live_") && !audited.contains("lk_live_"));
    assert!(!audited.contains("digest") && !audited.contains("nonce"), "{audited}");
    let rotated = issuer.json(&["api-key", "rotate", "owner"]);
    let fresh = rotated["secret"].as_str().unwrap();
    service.ask(&Ask::get("/v1/status").by(&secret)).refused(401, "UNAUTHENTICATED");
    service.ask(&Ask::get("/v1/status").by(fresh)).done();
    assert_eq!(issuer.json(&["api-key", "disable", "owner"])["state"], "disabled");
    service.ask(&Ask::get("/v1/status").by(fresh)).refused(401, "UNAUTHENTICATED");
    issuer.refused(&["api-key", "rotate", "owner"], 75, "CONFLICT");
}

#[test]
fn the_actor_of_a_change_is_its_key_and_nobody_else() {
    let issuer = Issuer::new();
    let secret = api_key(&issuer, "owner", None);
    let service = Service::start(&issuer);
    let create =
        |query: &str| Ask::post(&format!("/v1/accounts{query}"), &json!({"name": "A"})).by(&secret).once("k");
    service.ask(&create("?actor=somebody")).refused(403, "NOT_AUTHORISED");
    service.ask(&create("?reason=ordered").with("x-request-id", "order-7")).done();
    let audited = issuer.json(&["audit", "query", "--kind", "account_created"]);
    let record = &audited["records"][0];
    assert!(record["actor"].as_str().unwrap().starts_with("apk_"), "{record}");
    assert_eq!(record["reason"], "ordered");
    assert_eq!(record["source"], json!({"system": "api", "reference": "order-7"}));
}

const ROLES: [&str; 8] = [
    "owner",
    "catalog_admin",
    "sales_ops",
    "support_agent",
    "finance_auditor",
    "reseller",
    "customer_admin",
    "customer_viewer",
];

/// The secret of a new key of that role; a role of customers is for ACME.
fn key_of_role(issuer: &Issuer, role: &str) -> String {
    let of_account = matches!(role, "reseller" | "customer_admin" | "customer_viewer");
    api_key(issuer, role, of_account.then_some("ACME"))
}

#[test]
fn no_api_key_vouches_for_the_time() {
    let issuer = Issuer::sold(40);
    let service = Service::start(&issuer);
    let now = leasehold_clock::wall().unwrap().to_string();
    for role in ROLES {
        let secret = key_of_role(&issuer, role);
        let change = |path: &str, body: &Value| {
            Ask::post(&format!("{path}?accept_time={now}"), body).by(&secret).once(&format!("{role}{path}"))
        };
        let register = json!({"account": "ACME", "name": role});
        service.ask(&change("/v1/nodes", &register)).refused(403, "NOT_AUTHORISED");
        service.ask(&change("/v1/products", &json!({"sku": role}))).refused(403, "NOT_AUTHORISED");
    }
    let here = ["node", "register", "--account", "ACME", "--name", "lab", "--accept-time", &now];
    issuer.json(&here);
    let records = issuer.json(&["audit", "query"]);
    let accepted = records["records"].as_array().unwrap().iter().filter(|r| !r["accepted_time"].is_null());
    assert_eq!(accepted.count(), 1, "{records}");
}

/// Makes the request that a role is tried with.
type Make = dyn Fn(&str) -> Ask;

#[test]
fn roles_may_what_the_table_says() {
    let issuer = Issuer::sold(40);
    let service = Service::start(&issuer);
    let account = |_: &str| Ask::post("/v1/accounts", &json!({"name": "B"}));
    let product = |role: &str| Ask::post("/v1/products", &json!({"sku": role}));
    let row = |_: &str| {
        Ask::post("/v1/allocations", &json!({"pool": "CAD", "node": "plant", "seats": {"value": 1}}))
    };
    let get = |path: &'static str| move |_: &str| Ask::get(path);
    let asks: [(&str, &Make, &[&str]); 6] = [
        ("account", &account, &["owner", "sales_ops", "reseller"]),
        ("product", &product, &["owner", "catalog_admin"]),
        ("row", &row, &["owner", "sales_ops", "reseller", "customer_admin"]),
        ("audit", &get("/v1/audit/records"), &["owner", "support_agent", "finance_auditor"]),
        ("export", &get("/v1/audit/export"), &["owner", "finance_auditor"]),
        ("keys", &get("/v1/api-keys"), &["owner"]),
    ];
    for role in ROLES {
        let secret = key_of_role(&issuer, role);
        for (what, ask, allowed) in &asks {
            let answer = service.ask(&ask(role).by(&secret).once(&format!("{role}-{what}")));
            if allowed.contains(&role) {
                assert_eq!(answer.status, 200, "{role} {what}: {answer:?}");
            } else {
                answer.refused(403, "NOT_AUTHORISED");
            }
        }
    }
    issuer.refused(&["api-key", "create", "--name", "x", "--role", "reseller"], 65, "INVALID_REQUEST");
    let bound = ["api-key", "create", "--name", "x", "--role", "owner", "--account", "ACME"];
    issuer.refused(&bound, 65, "INVALID_REQUEST");
    issuer.refused(&["api-key", "create", "--name", "x", "--role", "king"], 64, "USAGE");
}

#[test]
fn a_reseller_is_not_told_whose_an_external_id_is() {
    let issuer = Issuer::sold(40);
    let rival = issuer.json(&["account", "create", "--name", "RIVAL", "--external", "crm:7"]);
    let rival = rival["account_id"].as_str().unwrap();
    let secret = api_key(&issuer, "reseller", Some("ACME"));
    let service = Service::start(&issuer);
    let create = json!({"name": "B", "external": [{"system": "crm", "id": "7"}]});
    let refused =
        service.ask(&Ask::post("/v1/accounts", &create).by(&secret).once("a")).refused(409, "ALREADY_EXISTS");
    assert!(!refused.to_string().contains(rival), "{refused}");
}

#[test]
fn a_customer_sees_its_own_accounts_and_no_others() {
    let issuer = Issuer::sold(40);
    issuer.json(&["account", "create", "--name", "PLANT", "--parent", "ACME"]);
    let other = issuer.json(&["account", "create", "--name", "RIVAL"]);
    let rival = other["account_id"].as_str().unwrap();
    let node = issuer.json(&["node", "register", "--account", "RIVAL", "--name", "plant2"]);
    let grant = ["grant", "create", "--account", "RIVAL", "--product", "CAD", "--seats", "5"];
    let year = ["--from", "2026-06-01T00:00:00Z", "--to", "2027-06-01T00:00:00Z"];
    let grant = issuer.json(&[&grant[..], &year].concat());
    let secret = api_key(&issuer, "customer_admin", Some("ACME"));
    let service = Service::start(&issuer);
    let get = |path: String| service.ask(&Ask::get(&path).by(&secret));
    let seen = |list: Value, field: &str| list[field].as_array().unwrap().len();
    assert_eq!(seen(get("/v1/accounts".into()).done(), "accounts"), 2);
    assert_eq!(seen(get("/v1/grants".into()).done(), "grants"), 1);
    assert_eq!(seen(get("/v1/pools".into()).done(), "pools"), 1);
    assert_eq!(seen(get("/v1/nodes".into()).done(), "nodes"), 1);
    get("/v1/pools/CAD".into()).done();
    get("/v1/accounts/PLANT".into()).done();
    for path in [
        format!("/v1/accounts/{rival}"),
        "/v1/accounts/RIVAL".to_owned(),
        format!("/v1/grants/{}", grant["grant_id"].as_str().unwrap()),
        format!("/v1/pools/{}", grant["pool_id"].as_str().unwrap()),
        format!("/v1/nodes/{}", node["node_id"].as_str().unwrap()),
        format!("/v1/grants?account={rival}"),
    ] {
        get(path).refused(404, "NOT_FOUND");
    }
    let register = json!({"account": rival, "name": "mine"});
    let register = Ask::post("/v1/nodes", &register).by(&secret).once("a");
    service.ask(&register).refused(404, "NOT_FOUND");
    let row = json!({"pool": "CAD", "node": node["node_id"], "seats": {"value": 1}});
    service.ask(&Ask::post("/v1/allocations", &row).by(&secret).once("b")).refused(404, "NOT_FOUND");
    service.ask(&Ask::get("/v1/status").by(&secret)).refused(403, "NOT_AUTHORISED");
}

#[test]
fn a_request_of_somebody_elses_node_gets_nothing_answered_before_or_not() {
    let issuer = Issuer::sold(40);
    issuer.json(&["account", "create", "--name", "RIVAL"]);
    let rival = api_key(&issuer, "customer_admin", Some("RIVAL"));
    let own = api_key(&issuer, "reseller", Some("ACME"));
    let sent = std::fs::read(issuer.request(50)).unwrap();
    let service = Service::start(&issuer);
    let post =
        |secret: &str, key: &str| service.ask(&Ask::send("/v1/bundles", sent.clone()).by(secret).once(key));
    let before = post(&rival, "a").refused(404, "NOT_FOUND");
    post(&own, "a").done();
    assert_eq!(post(&rival, "b").refused(404, "NOT_FOUND")["detail"], before["detail"]);
    post(&own, "b").done();
}
