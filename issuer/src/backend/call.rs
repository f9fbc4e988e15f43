//! One request of a command.

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_MATCH};
use axum::http::{HeaderValue, Method, Request};
use serde::Serialize;

use crate::api::{ChangeQuery, IDEMPOTENCY_KEY};

/// A request of the API.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Nothing.
    None,
    /// A document.
    Json(Vec<u8>),
    /// An artefact.
    Artefact(Vec<u8>),
}

/// What every change says beside its content.
#[derive(Clone, Debug)]
pub(crate) struct ChangeHead {
    pub(crate) query: ChangeQuery,
    pub(crate) idempotency_key: String,
}

impl Call {
    /// Reads what is at `path`.
    pub(crate) fn get<Q: Serialize>(path: &str, query: &Q) -> Self {
        Self { method: Method::GET, target: target(path, query), headers: Vec::new(), content: Content::None }
    }

    /// Changes something by a document.
    pub(crate) fn change<T: Serialize>(path: &str, head: &ChangeHead, body: &T) -> Self {
        let body = serde_json::to_vec(body).expect("requests are JSON");
        Self::post(path, head, Content::Json(body))
    }

    /// Changes something by an artefact.
    pub(crate) fn change_by_artefact(path: &str, head: &ChangeHead, artefact: Vec<u8>) -> Self {
        Self::post(path, head, Content::Artefact(artefact))
    }

    /// The same for whatever version there is.
    #[must_use]
    pub(crate) fn of_any_version(mut self) -> Self {
        self.headers.push((IF_MATCH, HeaderValue::from_static("*")));
        self
    }

    /// The same with one more header.
    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether it only reads.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    pub(super) fn into_request<B: From<Bytes>>(self) -> Request<B> {
        let (media_type, body) = match self.content {
            Content::None => (None, Vec::new()),
            Content::Json(body) => (Some("application/json"), body),
            Content::Artefact(body) => (Some("application/octet-stream"), body),
        };
        let mut request = Request::builder().method(self.method).uri(self.target).header(ACCEPT, "*/*");
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(B::from(Bytes::from(body))).expect("paths and headers of this program are valid")
    }

    fn post(path: &str, head: &ChangeHead, content: Content) -> Self {
        let key = HeaderValue::from_str(&head.idempotency_key).expect("a key is hex digits");
        Self {
            method: Method::POST,
            target: target(path, &head.query),
            headers: vec![(IDEMPOTENCY_KEY, key)],
            content,
        }
    }
}

fn target<Q: Serialize>(path: &str, query: &Q) -> String {
    let query = serde_urlencoded::to_string(query).expect("queries are flat");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    segment
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_segment() {
        for (name, expected) in [
            ("ACME", "ACME"),
            ("a b/c", "a%20b%2Fc"),
            ("..", "%2E%2E"),
            ("crm:7?x#y", "crm%3A7%3Fx%23y"),
            ("ü", "%C3%BC"),
            ("%", "%25"),
        ] {
            assert_eq!(segment(name), expected, "{name}");
        }
    }
}
