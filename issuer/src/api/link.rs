//! `Link: <…>; rel="next"` (RFC 8288) beside the token of the next page.

use axum::Json;
use axum::extract::Request;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One page of a list.
pub(super) struct Paged<T>(pub(super) T);

/// What knows which page follows it.
pub(super) trait Listed {
    /// The token of the next page; empty at the end.
    fn next_page(&self) -> &str;
}

macro_rules! listed {
    ($($list:ty),+ $(,)?) => {$(
        impl Listed for $list {
            fn next_page(&self) -> &str {
                self.next_page_token.as_deref().unwrap_or_default()
            }
        }
    )+};
}

listed!(
    super::AccountList,
    super::AllocationList,
    super::ApiKeyList,
    super::GrantList,
    super::NodeList,
    super::PoolList,
    super::ProductList,
);

#[derive(Clone)]
struct NextPage(String);

impl<T: Listed + Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        let next = self.0.next_page().to_owned();
        let mut response = Json(self.0).into_response();
        if !next.is_empty() {
            response.extensions_mut().insert(NextPage(next));
        }
        response
    }
}

/// Says where the next page is: at the same place, with another token.
pub(super) async fn next(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    if let Some(NextPage(token)) = response.extensions_mut().remove::<NextPage>()
        && let Ok(link) = HeaderValue::from_str(&format!("<{}>; rel=\"next\"", with_token(&uri, &token)))
    {
        response.headers_mut().insert(LINK, link);
    }
    response
}

fn with_token(uri: &Uri, token: &str) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let mut query: Vec<&str> =
        query.filter(|pair| !pair.is_empty() && !pair.starts_with("page_token=")).collect();
    let token = format!("page_token={token}");
    query.push(&token);
    format!("{}?{}", uri.path(), query.join("&"))
}
