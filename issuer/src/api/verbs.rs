//! Custom verbs: `POST /v1/grants/{grant}:amend`. The router knows whole segments only, so a verb travels inside as a
//! segment of its own, and the description of the API shows it as it is sent.

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Uri};
use utoipa::openapi::OpenApi;

/// Turns `…/{id}:verb` into `…/{id}/@verb`. Only POST has verbs: a name that is read may hold a colon.
pub(super) fn split<B>(mut request: Request<B>) -> Request<B> {
    if request.method() == Method::POST
        && let Some(uri) = split_uri(request.uri())
    {
        *request.uri_mut() = uri;
    }
    request
}

fn split_uri(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let (before, last) = path.rsplit_once('/')?;
    let (name, verb) = last.rsplit_once(':').filter(|(name, _)| !name.is_empty())?;
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{before}/{name}/@{verb}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// The path as clients send it.
pub(super) fn sent(path: &str) -> String {
    path.replace("/@", ":")
}

/// The paths as clients send them.
pub(super) fn join(mut api: OpenApi) -> OpenApi {
    let paths = std::mem::take(&mut api.paths.paths);
    api.paths.paths = paths.into_iter().map(|(path, item)| (sent(&path), item)).collect();
    api
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_becomes_a_segment() {
        for (sent, expected) in [
            ("/v1/grants/grt_1:amend", Some("/v1/grants/grt_1/@amend")),
            (
                "/v1/api-keys/a%20b:rotate?validate_only=true",
                Some("/v1/api-keys/a%20b/@rotate?validate_only=true"),
            ),
            ("/v1/accounts/crm:7:x", Some("/v1/accounts/crm:7/@x")),
            ("/v1/grants/:amend", None),
            ("/v1/grants", None),
            ("/", None),
        ] {
            let split = split_uri(&sent.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(split.as_deref(), expected, "{sent}");
        }
    }
}
