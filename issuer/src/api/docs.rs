//! The description of the API, made of the handlers themselves, and a page that shows it without anything from elsewhere.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use super::{
    Service, account, allocation, amendment, api_key, artefact, audit, bundle, grant, health, history,
    metrics, node, pool, product, recovery, revocation, status, trust_root, verbs,
};

/// Records what was sold, signs it, and carries it to nodes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Leasehold issuer", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&ApiKeys),
    security(("api_key" = [])),
)]
struct Description;

struct ApiKeys;

impl Modify for ApiKeys {
    fn modify(&self, api: &mut OpenApi) {
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("lk_live_… or lk_test_…");
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(bearer.build()));
    }
}

/// Every route, with its description.
pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(status::routes())
        .merge(recovery::routes())
        .merge(trust_root::routes())
        .merge(account::routes())
        .merge(product::routes())
        .merge(grant::routes())
        .merge(amendment::routes())
        .merge(revocation::routes())
        .merge(history::routes())
        .merge(pool::routes())
        .merge(node::routes())
        .merge(allocation::routes())
        .merge(bundle::routes())
        .merge(artefact::routes())
        .merge(api_key::routes())
        .merge(audit::routes())
}

/// `/openapi.json` and `/docs`.
pub(super) fn documentation(api: OpenApi) -> Router<Service> {
    let page = SwaggerUi::new("/docs").url("/openapi.json", verbs::join(api));
    Router::from(page).layer(middleware::from_fn(guard))
}

/// Scripts that do not say their character set break; nothing may be loaded from elsewhere.
async fn guard(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.filter(|value| {
        !value.contains("charset") && (value.starts_with("text/") || value.contains("javascript"))
    });
    if let Some(text) = text.and_then(|value| HeaderValue::from_str(&format!("{value}; charset=utf-8")).ok())
    {
        headers.insert(CONTENT_TYPE, text);
    }
    headers.insert(HeaderName::from_static("content-security-policy"), HeaderValue::from_static(POLICY));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
