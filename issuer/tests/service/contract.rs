//! The description of the API, and the page that shows it.

use serde_json::Value;

use crate::issuer::Issuer;
use crate::service::{Ask, Service};

#[test]
fn the_description_names_every_request_and_what_it_answers() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer);
    let api = service.ask(&Ask::get("/openapi.json")).done();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    let paths = api["paths"].as_object().unwrap();
    for path in ["/v1/accounts", "/v1/grants/{grant}", "/v1/api-keys/{api_key}:rotate", "/v1/sync", "/livez"]
    {
        assert!(paths.contains_key(path), "{path}");
    }
    let mut ids = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("200") && responses.contains_key("default"), "{method} {path}");
            ids.push(operation["operationId"].as_str().unwrap());
            let names: Vec<&Value> =
                operation["parameters"].as_array().into_iter().flatten().map(|one| &one["name"]).collect();
            let open = operation["security"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == &serde_json::json!({})));
            assert_eq!(
                names.contains(&&"Idempotency-Key".into()),
                method == "post" && !open,
                "{method} {path}"
            );
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    assert!(api["components"]["securitySchemes"]["api_key"].is_object());
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer);
    let page = service.ask(&Ask::get("/docs/"));
    let html = String::from_utf8(page.bytes.to_vec()).unwrap();
    assert!(page.header("content-type").unwrap().contains("charset=utf-8"));
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let sources =
        html.split(['"', '\'']).filter(|text| matches!(text.rsplit_once('.'), Some((_, "js" | "css"))));
    let mut found = 0;
    for source in sources {
        let answer = service.ask(&Ask::get(&format!("/docs/{}", source.trim_start_matches("./"))));
        assert_eq!(answer.status, 200, "{source}");
        assert!(
            answer.header("content-type").unwrap().contains("charset=utf-8"),
            "{source}: {:?}",
            answer.headers
        );
        found += 1;
    }
    assert!(found > 0, "{html}");
}
